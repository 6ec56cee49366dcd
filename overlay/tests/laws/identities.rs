//! Identities are a CRDT: any order, any repeats, any way to merge give the same members.

use crdts::{CmRDT, CvRDT};
use kittengrad_overlay::identities::Identities;
use kittengrad_proto::{
    certificate::Role,
    identity::{Identity, State},
};
use proptest::{collection::vec, prelude::*};

use crate::samples::identity;

/// Statements of few members with few numbers, so that several have one key and some of these one number.
fn statements() -> impl Strategy<Value = Vec<Identity>> {
    let states = prop::sample::select(vec![State::Joining, State::Active, State::Leaving]);
    let statement = (1..4_u8, 0..4_u64, states);
    let statement =
        statement.prop_map(|(number, seq, state)| identity(number, seq, Role::Peer, state));
    vec(statement, 0..8)
}

fn members() -> impl Strategy<Value = Identities> {
    statements().prop_map(|statements| statements.into_iter().collect())
}

fn merged(a: &Identities, b: &Identities) -> Identities {
    let mut merged = a.clone();
    merged.merge(b.clone());
    merged
}

proptest! {
    #[test]
    fn identities_merge_commutatively(a in members(), b in members()) {
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
    }

    #[test]
    fn identities_merge_associatively(a in members(), b in members(), c in members()) {
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
    }

    #[test]
    fn identities_merge_idempotently(a in members(), b in members()) {
        let once = merged(&a, &b);
        prop_assert_eq!(&merged(&once, &b), &once);
        prop_assert_eq!(&merged(&once, &once), &once);
    }

    #[test]
    fn any_delivery_of_statements_gives_the_same_members(
        (sent, delivered) in statements().prop_flat_map(|sent| {
            let again = [sent.clone(), sent.clone()].concat();
            (Just(sent), Just(again).prop_shuffle())
        }),
    ) {
        let mut members = Identities::default();
        for statement in delivered {
            prop_assert!(members.validate_op(&statement).is_ok());
            members.apply(statement);
        }
        prop_assert_eq!(members, sent.into_iter().collect());
    }

    #[test]
    fn of_each_key_the_highest_rank_stays(statements in statements()) {
        let members: Identities = statements.iter().cloned().collect();
        for member in members.iter() {
            let of_key = statements.iter().filter(|statement| statement.key == member.key);
            prop_assert_eq!(of_key.map(Identity::rank).max(), Some(member.rank()));
        }
        prop_assert!(statements.iter().all(|statement| members.get(&statement.key).is_some()));
    }
}

#[test]
fn insert_says_whether_a_statement_is_the_newest() {
    let [old, new] = [1, 2].map(|seq| identity(1, seq, Role::Peer, State::Active));
    let mut members = Identities::default();
    assert!(members.insert(new.clone()));
    assert!(!members.insert(old), "an older one");
    assert!(!members.insert(new.clone()), "the same");
    assert_eq!(members.get(&new.key), Some(&new));
    assert_eq!(members.len(), 1);
}

#[test]
fn members_are_counted_once_and_listed_by_key() {
    let mut members = Identities::default();
    assert!(members.is_empty());
    for (number, seq) in [(3, 1), (1, 1), (2, 1), (1, 2)] {
        members.insert(identity(number, seq, Role::Peer, State::Active));
    }
    assert!(!members.is_empty());
    assert_eq!(members.len(), 3);
    assert!(members.iter().is_sorted_by(|a, b| a.key < b.key));
    assert_eq!(members.iter().map(|member| member.seq).sum::<u64>(), 4);
    let stranger = identity(9, 1, Role::Peer, State::Active);
    assert_eq!(members.get(&stranger.key), None);
}
