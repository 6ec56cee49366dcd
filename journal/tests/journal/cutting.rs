//! The block under construction: its room, its records, and the parts of a cut.

use std::sync::Arc;

use bytes::Bytes;
use kittengrad_journal::{BlockStore, Fork, Journal, MemoryStore, Write};
use kittengrad_proto::{
    block::{Head, Holds, Item},
    id::RecordId,
    limits::BLOCK_BYTES_MAX,
};
use kittengrad_ring::KeyRanges;
use kittengrad_support::journals::{FakeKey, overlay, record, submission};

use crate::owner::{Owner, everything, first_half, second_half};

fn settled() -> Item {
    Item::Settled(KeyRanges::whole())
}

/// An owner whose first block, with its `hold`, was cut.
fn begun() -> Owner {
    let mut owner = Owner::new(everything);
    owner.cut(1);
    owner
}

/// A journal of incarnation 9 that forks from a block of incarnation 7.
fn forked() -> (Journal, Head) {
    let mut owner = begun();
    for wall_ms in 2..5 {
        owner.journal.note(&settled());
        owner.cut(wall_ms);
    }
    let head = owner.store.head().unwrap().unwrap();
    let fork = Fork::from(head, &owner.store).unwrap();
    let key = Arc::new(FakeKey(1));
    let journal = Journal::open(overlay(), key, 9, Some(fork), Holds::whole(), &[]);
    (journal, head)
}

#[test]
fn a_cut_names_the_item_of_each_transaction_and_element() {
    let mut owner = Owner::new(everything);
    let submissions = [
        submission(1, &[(1, true, vec![10])]),
        submission(2, &[(1, true, vec![10])]),
        submission(3, &[(1, true, vec![10, 11]), (2, true, vec![])]),
    ];
    let added = submissions
        .each_ref()
        .map(|submission| owner.add(submission));
    let cut = owner.cut(1).unwrap();
    let listed = cut
        .listed
        .iter()
        .map(|(index, listed)| (*index, listed.id()));
    let [first, repeat, last] = submissions.map(|submission| submission.transaction.id());
    assert_eq!(
        listed.collect::<Vec<_>>(),
        [(1, first), (2, last)],
        "and not {repeat}"
    );
    let [of_first, of_repeat, of_last] = added;
    assert_eq!((of_first.len(), of_repeat.len(), of_last.len()), (1, 0, 2));
    let of = |index, elements: Vec<_>| elements.into_iter().map(move |element| (element, index));
    assert_eq!(cut.added, of(1, of_first).chain(of(2, of_last)).collect());
}

#[test]
fn a_cut_has_the_block_that_is_stored_and_its_tree() {
    let mut owner = begun();
    for (wall_ms, number) in [(5, 1), (9, 2)] {
        owner.journal.note(&settled());
        owner.add(&submission(1, &[(number, true, vec![])]));
        let cut = owner.cut(wall_ms).unwrap();
        let header = &cut.block.header;
        assert_eq!((header.item_count, cut.block.items.len()), (2, 2));
        assert_eq!(cut.tree.root(), header.items_root);
        assert_eq!(header.time_ms, wall_ms);
        assert_eq!((cut.listed.len(), cut.added.len()), (1, 1));
        let stored = owner.store.block(7, header.height).unwrap().unwrap();
        assert_eq!(stored.block, cut.block);
        let tip = owner.journal.tip().unwrap();
        assert_eq!((tip.head, tip.time_ms), (cut.block.head(), wall_ms));
    }
}

#[test]
fn only_the_first_block_names_the_fork() {
    let (mut journal, fork) = forked();
    assert_eq!((journal.incarnation(), journal.tip()), (9, None));
    let first = journal.cut(100, &mut Vec::new()).unwrap().block;
    journal.note(&settled());
    let second = journal.cut(90, &mut Vec::new()).unwrap().block;
    assert_eq!((first.header.fork, second.header.fork), (Some(fork), None));
    assert_eq!((first.header.time_ms, second.header.time_ms), (100, 100));
    assert_eq!(second.header.previous, first.header.hash());
    assert_eq!((second.header.incarnation, second.header.height), (9, 1));
}

#[test]
fn a_resumed_journal_has_its_incarnation_and_its_tip() {
    let store = MemoryStore::default();
    let resume = |store| Journal::resume(overlay(), Arc::new(FakeKey(1)), store).unwrap();
    assert!(resume(&store).is_none(), "there is no block");
    let mut owner = Owner::new(everything);
    owner.journal = Journal::open(
        overlay(),
        Arc::new(FakeKey(1)),
        9,
        None,
        Holds::whole(),
        &[],
    );
    owner.add(&submission(1, &[(1, true, vec![10, 11, 12])]));
    owner.cut(100);
    let tip = owner.journal.tip();
    let resumed = resume(&owner.store).unwrap();
    assert_eq!((resumed.incarnation(), resumed.tip()), (9, tip));
    assert_eq!(tip.map(|tip| tip.offset), Some(3));
    assert!(resumed.is_idle());
}

#[test]
fn a_journal_is_idle_until_an_item_and_after_a_cut() {
    let mut owner = begun();
    assert!(owner.journal.is_idle() && !forked().0.is_idle());
    owner.journal.note(&settled());
    assert!(!owner.journal.is_idle());
    owner.cut(1);
    assert!(owner.journal.is_idle());
    owner.add(&submission(1, &[(1, true, vec![])]));
    assert!(!owner.journal.is_idle());
}

#[test]
fn a_block_without_items_has_room_for_any_submission() {
    let mut owner = begun();
    for _ in 0..2 {
        assert!(owner.journal.has_room(BLOCK_BYTES_MAX));
        owner.journal.note(&settled());
        assert!(!owner.journal.has_room(BLOCK_BYTES_MAX));
        owner.cut(1);
    }
}

#[test]
fn a_kept_write_leaves_with_the_next_cut() {
    let mut owner = begun();
    let [first, second] = [1, 2].map(|byte| {
        let bytes = Bytes::from(vec![byte]);
        Write::State(bytes.clone(), bytes)
    });
    let mut cut = |kept: &Write, is_idle: bool| {
        owner.journal.keep(kept.clone());
        if !is_idle {
            owner.journal.note(&settled());
        }
        let mut writes = Vec::new();
        let block = owner.journal.cut(1, &mut writes);
        assert_eq!(block.is_none(), is_idle);
        writes
    };
    let alone = cut(&first, true);
    assert_eq!(alone, std::slice::from_ref(&first));
    let with_block = cut(&second, false);
    assert!(with_block.contains(&second) && !with_block.contains(&first));
}

#[test]
fn nothing_is_added_of_what_is_not_held() {
    let submission = submission(1, &(0..20).map(|n| (n, true, vec![])).collect::<Vec<_>>());
    let canonicals = submission.transaction.entries().iter();
    let held: Vec<_> = canonicals
        .map(|entry| entry.canonical)
        .filter(first_half)
        .collect();
    assert!(!held.is_empty() && held.len() < 20);
    let mut owner = begun();
    let store = &owner.store;
    let added = owner.journal.add(&submission, |_| false, store).unwrap();
    assert_eq!((added.bitmap.count(), added.created), (0, vec![]));
    assert!(owner.journal.is_idle());
    let added = owner.journal.add(&submission, first_half, store).unwrap();
    assert_eq!(added.created, held);
    assert_eq!(added.bitmap.count(), held.len());
}

#[test]
fn records_of_what_is_not_held_are_not_needed() {
    let entries: Vec<_> = (0..20).map(|n| (n, true, vec![100 + n])).collect();
    let mut submission = submission(1, &entries);
    for entry in submission.transaction.entries() {
        if second_half(&entry.canonical) {
            submission.records.remove(&entry.canonical);
            submission.records.remove(&entry.updates[0]);
        }
    }
    let mut owner = Owner::new(first_half);
    assert!(!owner.add(&submission).is_empty());
}

#[test]
fn a_repeat_needs_no_records_and_writes_none() {
    let mut owner = Owner::new(everything);
    let whole = submission(1, &[(1, true, vec![10, 11])]);
    let mut bare = whole.clone();
    bare.records.clear();
    owner.add(&whole);
    assert_eq!(owner.add(&bare), [], "in the block under construction");
    let mut writes = Vec::new();
    owner.journal.cut(1, &mut writes);
    assert_eq!(owner.add(&bare), [], "cut and not committed");
    owner.store.commit(writes);
    owner.journal.committed();
    assert_eq!(owner.add(&bare), [], "committed");
    owner.add(&whole);
    let mut writes = Vec::new();
    assert!(owner.journal.cut(2, &mut writes).is_none());
    assert_eq!(writes, []);
}

#[test]
fn a_canonical_is_known_next_to_others() {
    let canonicals = [1, 2, 3].map(|number| RecordId::of(&record(number, 100)));
    for pending in [1, 2] {
        let mut owner = Owner::new(everything);
        owner.add(&submission(1, &[(1, true, vec![]), (2, true, vec![])]));
        owner.journal.cut(1, &mut Vec::new());
        let knows = |owner: &Owner| {
            canonicals.map(|canonical| owner.journal.knows(canonical, &owner.store).unwrap())
        };
        assert_eq!(knows(&owner), [true, true, false]);
        owner.add(&submission(2, &[(pending, false, vec![10])]));
        assert_eq!(knows(&owner), [true, true, false], "update of {pending}");
    }
}
