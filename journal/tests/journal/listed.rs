//! Adding exactly what another journal lists, whether its records are here or not.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_journal::{Journal, Listed, MemoryStore, Write};
use kittengrad_proto::{
    block::{Bitmap, Holds},
    id::RecordId,
    limits::{BLOCK_BYTES_MAX, RECORD_BYTES_MAX, SUBMISSION_BYTES_MAX},
    submission::Submission,
};
use kittengrad_ring::{KeyRange, Length};
use kittengrad_support::journals::{EntrySpec, record, submission};

use crate::owner::{Owner, check_journal, check_set, everything};

/// The id of a small record.
fn id(number: u64) -> RecordId {
    RecordId::of(&record(number, 100))
}

fn ids(numbers: &[u64]) -> BTreeSet<RecordId> {
    numbers.iter().map(|number| id(*number)).collect()
}

/// The bits of the elements with these numbers: those of updates, or of canonicals in bare inserts.
fn bits(submission: &Submission, numbers: &[u64]) -> Bitmap {
    let listed = ids(numbers);
    let elements = submission.transaction.elements();
    Bitmap::new(elements.map(|of| listed.contains(&of.update.unwrap_or(of.canonical))))
}

/// Adds the elements with these numbers.
fn add(owner: &mut Owner, submission: &Submission, numbers: &[u64]) -> Listed {
    let listed = bits(submission, numbers);
    let added = owner.journal.add_listed(submission, &listed, &owner.store);
    added.unwrap().expect("there is room")
}

/// The transaction without its records.
fn bare(submission: &Submission) -> Submission {
    Submission {
        records: BTreeMap::new(),
        ..submission.clone()
    }
}

/// Cuts and commits a block. Returns the records that it writes, each as often as it does.
fn written(owner: &mut Owner) -> Vec<RecordId> {
    let mut writes = Vec::new();
    owner.journal.cut(1, &mut writes);
    let record = |write: &Write| match write {
        Write::Record(id, _) => Some(*id),
        _ => None,
    };
    let mut records: Vec<_> = writes.iter().filter_map(record).collect();
    records.sort();
    owner.store.commit(writes);
    owner.journal.committed();
    records
}

fn sorted(numbers: &[u64]) -> Vec<RecordId> {
    ids(numbers).into_iter().collect()
}

/// A transaction of two canonicals with updates, and a bare insert.
fn three_entries() -> Submission {
    let entries = [
        (1, true, vec![10, 11]),
        (2, false, vec![20]),
        (3, true, vec![]),
    ];
    submission(1, &entries)
}

/// Keeps S5.
#[test]
fn only_listed_and_new_elements_are_added() {
    let mut owner = Owner::new(everything);
    let submission = three_entries();
    for (listed, added) in [
        (&[11, 20][..], &[11, 20][..]),
        (&[10, 11], &[10]),
        (&[10, 11, 20, 3], &[3]),
        (&[10, 11, 20, 3], &[]),
    ] {
        let found = add(&mut owner, &submission, listed);
        assert_eq!(found.bitmap, bits(&submission, added), "{listed:?}");
        assert!(found.absent.is_empty());
        // The block under construction has them already.
        let found = add(&mut owner, &submission, listed);
        assert_eq!(found.bitmap.count(), 0, "{listed:?}");
        assert_eq!(owner.journal.is_idle(), added.is_empty());
        owner.cut(1);
    }
    assert_eq!(owner.entries().len(), 3, "one item for each part");
    assert_eq!(owner.store.elements().len(), 4);
    check_set(&owner);
    check_journal(&owner);
}

#[test]
fn listed_elements_outside_of_the_hold_are_not_added() {
    let mut owner = Owner::new(everything);
    let submission = three_entries();
    let point = id(1).point();
    let before = point.wrapping_sub(Length::from(1));
    let holds = Holds::from(KeyRange::new(before, point));
    owner.journal.hold(&holds, 1, &mut Vec::new());
    let found = add(&mut owner, &submission, &[10, 11, 20, 3]);
    assert_eq!(found.bitmap, bits(&submission, &[10, 11]));
    assert_eq!(written(&mut owner), sorted(&[1, 10, 11]));
}

#[test]
fn absent_records_are_named_and_prevent_nothing() {
    let mut owner = Owner::new(everything);
    let bare = bare(&three_entries());
    let found = add(&mut owner, &bare, &[10, 20]);
    assert_eq!(found.bitmap, bits(&bare, &[10, 20]));
    // Neither 11 nor 3 is listed, and 2 is not inserted.
    let absent = [(1, 1), (10, 1), (20, 2)].map(|(record, canonical)| (id(record), id(canonical)));
    assert_eq!(found.absent, absent.into());
    // An element names its update once, and an entry its canonical until it is here.
    let found = add(&mut owner, &bare, &[10, 20]);
    assert_eq!(found.absent, [(id(1), id(1))].into());
    add(&mut owner, &submission(2, &[(1, true, vec![12])]), &[12]);
    assert_eq!(written(&mut owner), sorted(&[1, 12]));
    let found = add(&mut owner, &bare, &[10, 20]);
    assert_eq!((found.bitmap.count(), found.absent.len()), (0, 0));
}

#[test]
fn the_records_of_listed_elements_alone_are_kept() {
    for (listed, kept) in [(&[11, 20][..], &[1, 11, 20][..]), (&[20, 3], &[20, 3])] {
        let mut owner = Owner::new(everything);
        add(&mut owner, &three_entries(), listed);
        assert_eq!(written(&mut owner), sorted(kept));
    }
}

#[test]
fn a_canonical_comes_with_an_item_that_adds_nothing() {
    let mut owner = Owner::new(everything);
    add(&mut owner, &submission(1, &[(1, false, vec![10])]), &[10]);
    assert_eq!(written(&mut owner), sorted(&[10]));
    add(&mut owner, &submission(2, &[(1, true, vec![10])]), &[10]);
    assert!(owner.journal.is_idle());
    assert_eq!(written(&mut owner), sorted(&[1]));
}

/// Bare inserts of `count` canonicals.
fn inserts(nonce: u8, count: u64) -> (Submission, Vec<u64>) {
    let first = 10_000 * u64::from(nonce);
    let numbers: Vec<_> = (first..first + count).collect();
    let entry = |number: &u64| -> EntrySpec { (*number, true, vec![]) };
    let entries: Vec<_> = numbers.iter().map(entry).collect();
    (submission(nonce, &entries), numbers)
}

/// The size of the largest submission that a block takes.
fn room(journal: &Journal) -> usize {
    let has_room = |bytes: &usize| journal.has_room(*bytes);
    (0..BLOCK_BYTES_MAX).rev().find(has_room).unwrap()
}

/// Keeps S9.
#[test]
fn a_block_has_room_for_records_that_come_later() {
    for (count, expected) in [
        (1, RECORD_BYTES_MAX),
        (63, 63 * RECORD_BYTES_MAX),
        (64, SUBMISSION_BYTES_MAX),
        (900, SUBMISSION_BYTES_MAX),
    ] {
        let (whole, numbers) = inserts(1, count);
        let [with, without] = [whole.clone(), bare(&whole)].map(|submission| {
            let mut owner = Owner::new(everything);
            add(&mut owner, &submission, &numbers);
            room(&owner.journal)
        });
        let record_bytes = 100 * usize::try_from(count).unwrap();
        assert_eq!(with + record_bytes - without, expected, "{count} records");
    }
}

#[test]
fn a_full_block_takes_nothing_of_what_is_listed() {
    let mut owner = Owner::new(everything);
    let ((first, of_first), (second, of_second)) = (inserts(1, 64), inserts(2, 64));
    add(&mut owner, &bare(&first), &of_first);
    let before = room(&owner.journal);
    let listed = bits(&second, &of_second);
    let full = owner
        .journal
        .add_listed(&bare(&second), &listed, &owner.store);
    assert_eq!(full, Ok(None));
    assert_eq!(room(&owner.journal), before);
    // Neither a repeat nor a small transaction is too large.
    add(&mut owner, &bare(&first), &of_first);
    let found = add(&mut owner, &second, &of_second);
    assert_eq!(found.bitmap.count(), 64);
    owner.cut(1);
    assert_eq!(
        (owner.entries().len(), owner.store.elements().len()),
        (2, 128)
    );
    check_journal(&owner);
}

#[test]
fn a_record_of_known_elements_is_written_once() {
    let mut owner = Owner::new(everything);
    let bare = bare(&submission(1, &[(1, true, vec![10])]));
    add(&mut owner, &bare, &[10]);
    owner.cut(1);
    owner.journal.keep_record(id(1), &record(1, 100));
    owner.journal.keep_record(id(1), &record(1, 100));
    add(&mut owner, &submission(2, &[(1, true, vec![11])]), &[11]);
    let mut writes = Vec::new();
    owner.journal.cut(1, &mut writes);
    // It is not on disk before the commit, and not written again either.
    owner.journal.keep_record(id(1), &record(1, 100));
    owner.journal.cut(1, &mut writes);
    let is_it = |write: &&Write| matches!(write, Write::Record(of, _) if *of == id(1));
    assert_eq!(writes.iter().filter(is_it).count(), 1);
    owner.journal.committed();
    owner.store = MemoryStore::default();
    owner.journal.keep_record(id(1), &record(1, 100));
    assert_eq!(written(&mut owner), sorted(&[1]));
}
