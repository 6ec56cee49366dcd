//! Merging of sets and of the identities of a key: any order, repeats and grouping give the same result.

use std::collections::BTreeMap;

use crdts::{CmRDT, CvRDT, GSet};
use kittengrad_proto::{
    block::Bitmap,
    id::{Id, PublicKey},
    identity::{Identity, State},
    transaction::{Element, Transaction},
};
use proptest::{collection::vec, prelude::*};

use crate::samples::{entry, identity, record, transaction};

/// Names a set by its content alone.
fn fingerprint(set: &GSet<Element>) -> Id {
    let elements = set.read().into_iter().map(|element| {
        let update = element.update.map_or([0; 32], |update| *update.as_bytes());
        [*element.canonical.as_bytes(), update].concat()
    });
    Id::of(&[&elements.collect::<Vec<_>>().concat()])
}

fn fold<'a>(transactions: impl IntoIterator<Item = &'a Transaction>) -> GSet<Element> {
    let mut set = GSet::new();
    transactions
        .into_iter()
        .flat_map(Transaction::elements)
        .for_each(|element| set.apply(element));
    set
}

fn merged(a: &GSet<Element>, b: &GSet<Element>) -> GSet<Element> {
    let mut merged = a.clone();
    merged.merge(b.clone());
    merged
}

prop_compose! {
    /// A transaction over four canonicals and a few updates, so that elements meet again.
    fn transactions()(
        nonce in any::<u8>(),
        entries in prop::collection::btree_map(1..5_u8, (any::<bool>(), prop::collection::btree_set(10..14_u8, 0..3)), 1..4),
    ) -> Transaction {
        let entries = entries.into_iter().map(|(canonical, (insert, updates))| {
            let updates: Vec<_> = updates.into_iter().map(|update| update + 10 * canonical).collect();
            entry(canonical, insert || updates.is_empty(), &updates)
        });
        transaction(nonce, entries.collect())
    }
}

/// Transactions, and the same ones in another order with repeats.
fn deliveries() -> impl Strategy<Value = (Vec<Transaction>, Vec<Transaction>)> {
    vec(transactions(), 1..8).prop_flat_map(|sent| {
        let again = vec(prop::sample::select(sent.clone()), 0..6);
        let all = again.prop_map({
            let sent = sent.clone();
            move |again| [sent.clone(), again].concat()
        });
        (Just(sent), all.prop_shuffle())
    })
}

fn sets() -> impl Strategy<Value = GSet<Element>> {
    vec(transactions(), 0..5).prop_map(|transactions| fold(&transactions))
}

fn identities() -> impl Strategy<Value = Vec<Identity>> {
    let states = prop::sample::select(vec![State::Joining, State::Active, State::Leaving]);
    vec(
        (0..4_u64, states).prop_map(|(seq, state)| identity(seq, state)),
        1..8,
    )
}

/// The identities that every process keeps of those that it received.
fn keep<'a>(identities: impl IntoIterator<Item = &'a Identity>) -> BTreeMap<PublicKey, Identity> {
    let mut kept: BTreeMap<PublicKey, Identity> = BTreeMap::new();
    for identity in identities {
        if kept
            .get(&identity.key)
            .is_none_or(|known| known.rank() < identity.rank())
        {
            kept.insert(identity.key, identity.clone());
        }
    }
    kept
}

proptest! {
    #[test]
    fn sets_merge_commutatively(a in sets(), b in sets()) {
        prop_assert_eq!(fingerprint(&merged(&a, &b)), fingerprint(&merged(&b, &a)));
    }

    #[test]
    fn sets_merge_associatively(a in sets(), b in sets(), c in sets()) {
        let left = merged(&merged(&a, &b), &c);
        let right = merged(&a, &merged(&b, &c));
        prop_assert_eq!(fingerprint(&left), fingerprint(&right));
    }

    #[test]
    fn sets_merge_idempotently(a in sets(), b in sets()) {
        let once = merged(&a, &b);
        prop_assert_eq!(fingerprint(&merged(&once, &b)), fingerprint(&once));
    }

    #[test]
    fn any_order_of_transactions_with_any_repeats_gives_one_set((sent, delivered) in deliveries()) {
        prop_assert_eq!(fingerprint(&fold(&sent)), fingerprint(&fold(&delivered)));
    }

    #[test]
    fn a_transaction_in_parts_adds_what_it_adds_at_once(
        sample in transactions(),
        parts in vec(vec(any::<bool>(), 0..12), 1..4),
    ) {
        let elements: Vec<_> = sample.elements().collect();
        let mut set = GSet::new();
        let mut rest = vec![true; elements.len()];
        let apply = |set: &mut GSet<Element>, bitmap: &Bitmap| {
            let added = elements.iter().enumerate().filter(|(i, _)| bitmap.is_set(*i));
            added.for_each(|(_, element)| set.apply(*element));
        };
        for mut part in parts {
            part.resize(elements.len(), false);
            part.iter().zip(&mut rest).for_each(|(bit, rest)| *rest &= !bit);
            apply(&mut set, &Bitmap::new(part));
        }
        apply(&mut set, &Bitmap::new(rest));
        prop_assert_eq!(fingerprint(&set), fingerprint(&fold([&sample])));
    }

    #[test]
    fn everybody_keeps_the_same_identity_of_a_key(all in identities(), again in identities()) {
        let kept = keep(&all);
        let highest = all.iter().map(|identity| identity.seq).max();
        prop_assert_eq!(kept.values().next().map(|identity| identity.seq), highest);
        // Commutative and idempotent.
        prop_assert_eq!(&keep(all.iter().rev().chain(&all)), &kept);
        // Associative: the kept identities replace all received ones.
        let both = keep(all.iter().chain(&again));
        prop_assert_eq!(&keep(kept.values().chain(keep(&again).values())), &both);
    }
}

#[test]
fn of_two_identities_with_one_seq_everybody_keeps_the_same() {
    let [a, b] = [State::Active, State::Leaving].map(|state| identity(1, state));
    assert_ne!(a.rank(), b.rank());
    assert_eq!(keep([&a, &b]), keep([&b, &a]));
    let later = identity(2, State::Joining);
    assert!(later.rank() > a.rank() && later.rank() > b.rank());
}

#[test]
fn a_bare_insert_is_an_element_beside_the_updates() {
    let bare = transaction(1, vec![entry(1, true, &[])]);
    let updated = transaction(2, vec![entry(1, true, &[11])]);
    let set = fold([&updated, &bare]);
    assert_eq!(fingerprint(&set), fingerprint(&fold([&bare, &updated])));
    let element = |update| Element {
        canonical: record(1),
        update,
    };
    assert_eq!(
        set.read().into_iter().collect::<Vec<_>>(),
        [element(None), element(Some(record(11)))]
    );
}
