//! The set is the fold of the journal's items, for any submissions, any order and any restarts.

use std::collections::BTreeSet;

use kittengrad_proto::{id::RecordId, submission::Submission, transaction::Element};
use kittengrad_support::journals::{EntrySpec, submission};
use proptest::{collection::vec, prelude::*, sample::subsequence};

use crate::owner::{Owner, check_journal, check_set, everything, first_half, second_half};

/// An act of a journal's owner.
#[derive(Debug, Clone)]
enum Act {
    Add(Submission),
    Cut(u64),
    Restart,
}

/// Transactions over few canonicals and updates, so that they repeat each other.
fn entries() -> impl Strategy<Value = Vec<EntrySpec>> {
    let updates = |canonical: u64| {
        (0..6)
            .map(|n| 100 + 10 * canonical + n)
            .collect::<Vec<u64>>()
    };
    let entry = move |canonical: u64| (any::<bool>(), subsequence(updates(canonical), 0..4));
    let entries = (0..8).map(entry).collect::<Vec<_>>();
    (entries, 1_u8..255).prop_map(|(entries, mask)| {
        let chosen = entries
            .into_iter()
            .enumerate()
            .filter(|(i, _)| mask >> i & 1 == 1);
        // An entry without updates must insert.
        chosen
            .map(|(i, (insert, updates))| (i as u64, insert || updates.is_empty(), updates))
            .collect()
    })
}

fn submissions(count: usize) -> impl Strategy<Value = Vec<Submission>> {
    vec(
        (any::<u8>(), entries()).prop_map(|(nonce, entries)| submission(nonce, &entries)),
        1..count,
    )
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let add =
        (any::<u8>(), entries()).prop_map(|(nonce, entries)| Act::Add(submission(nonce, &entries)));
    let cut = (0_u64..1_000).prop_map(Act::Cut);
    vec(
        prop_oneof![5 => add, 3 => cut, 1 => Just(Act::Restart)],
        1..40,
    )
}

/// The elements of `submissions` whose canonical `holds` accepts.
fn fold(submissions: &[Submission], holds: fn(&RecordId) -> bool) -> BTreeSet<Element> {
    let all = submissions
        .iter()
        .flat_map(|submission| submission.transaction.elements());
    all.filter(|element| holds(&element.canonical)).collect()
}

/// Performs the acts. Returns the committed submissions: a restart before the cut loses the ones added.
fn run(owner: &mut Owner, acts: Vec<Act>) -> Vec<Submission> {
    let (mut open, mut committed) = (Vec::new(), Vec::new());
    for act in acts {
        match act {
            Act::Add(submission) => {
                owner.add(&submission);
                open.push(submission);
            }
            Act::Cut(wall_ms) => {
                owner.cut(wall_ms);
                committed.append(&mut open);
            }
            Act::Restart if committed.is_empty() => {}
            Act::Restart => {
                owner.restart();
                open.clear();
            }
        }
    }
    owner.cut(0);
    committed.append(&mut open);
    committed
}

proptest! {
    /// Keeps S4.
    #[test]
    fn the_set_is_the_fold_of_the_items_whatever_an_owner_does(acts in acts()) {
        let mut owner = Owner::new(everything);
        let committed = run(&mut owner, acts);
        check_journal(&owner);
        check_set(&owner);
        prop_assert_eq!(owner.store.elements(), fold(&committed, everything));
    }

    /// Keeps S3.
    #[test]
    fn any_order_of_the_same_transactions_gives_the_same_set(
        (submissions, shuffled) in submissions(12)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        cut_every in 1_usize..5,
    ) {
        let sets = [submissions, shuffled].map(|submissions| {
            let mut owner = Owner::new(everything);
            for (i, submission) in submissions.iter().enumerate() {
                owner.add(submission);
                if i % cut_every == 0 {
                    owner.cut(5);
                }
            }
            owner.cut(5);
            owner.store.elements()
        });
        prop_assert_eq!(&sets[0], &sets[1]);
    }

    #[test]
    fn a_repeat_adds_nothing_and_is_not_listed(submissions in submissions(8), restart in any::<bool>()) {
        let mut owner = Owner::new(everything);
        for submission in &submissions {
            owner.add(submission);
            prop_assert_eq!(owner.add(submission), vec![], "within one block");
        }
        owner.cut(5);
        let before = (owner.store.elements(), owner.journal.tip());
        if restart {
            owner.restart();
        }
        for submission in &submissions {
            prop_assert_eq!(owner.add(submission), vec![], "after the commit");
        }
        prop_assert!(owner.journal.is_idle());
        prop_assert!(owner.cut(6).is_none());
        prop_assert_eq!((owner.store.elements(), owner.journal.tip()), before);
    }

    /// Keeps S3.
    #[test]
    fn owners_of_parts_list_their_part_and_together_the_whole(submissions in submissions(8)) {
        let [mut first, mut second] = [first_half, second_half].map(Owner::new);
        let mut whole = BTreeSet::new();
        for submission in &submissions {
            let (here, there) = (first.add(submission), second.add(submission));
            prop_assert!(here.iter().all(|element| first_half(&element.canonical)));
            prop_assert!(there.iter().all(|element| second_half(&element.canonical)));
            whole.extend(here.into_iter().chain(there));
        }
        first.cut(1);
        second.cut(2);
        check_set(&first);
        check_set(&second);
        prop_assert_eq!(whole, fold(&submissions, everything));
        prop_assert_eq!(first.store.elements(), fold(&submissions, first_half));
        prop_assert_eq!(second.store.elements(), fold(&submissions, second_half));
    }
}
