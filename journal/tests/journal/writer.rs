//! The journal's writer, case by case.

use std::sync::Arc;

use kittengrad_journal::{BlockStore, Cut, Fork, Journal, JournalError, RecordStore, Write};
use kittengrad_proto::{
    block::{Header, Holds, Item},
    id::{Id, RecordId},
    limits::{BLOCK_BYTES_MAX, BLOCK_ITEMS_MAX, CHAIN_BYTES_MAX, HEADER_BYTES_MAX, ITEM_BYTES_MAX},
};
use kittengrad_support::journals::{
    EntrySpec, FakeKey, overlay, record, submission, submission_by, submission_of,
};

use crate::owner::{Owner, check_journal, check_set, everything, first_half};

#[test]
fn records_are_kept_only_where_their_entry_is_held() {
    let entries: Vec<EntrySpec> = (0..20).map(|n| (n, true, vec![100 + n])).collect();
    let submission = submission(1, &entries);
    let mut owner = Owner::new(first_half);
    owner.add(&submission);
    owner.cut(1);
    for entry in submission.transaction.entries() {
        let names = [entry.canonical, entry.updates[0]];
        let here = owner.store.records(&names).unwrap();
        assert!(
            here.iter()
                .all(|record| record.is_some() == first_half(&entry.canonical))
        );
    }
}

#[test]
fn a_canonical_is_created_once() {
    let mut owner = Owner::new(everything);
    let canonical = RecordId::of(&record(1, 100));
    let mut created = |nonce, entries: &[EntrySpec], commit: bool| {
        let submission = submission(nonce, entries);
        let added = owner
            .journal
            .add(&submission, everything, &owner.store)
            .unwrap();
        if commit {
            owner.cut(1);
        }
        added.created
    };
    assert_eq!(created(1, &[(1, true, vec![])], false), [canonical]);
    assert_eq!(
        created(2, &[(1, false, vec![10])], true),
        [],
        "the canonical is in the block under construction"
    );
    assert_eq!(
        created(3, &[(1, false, vec![11, 12])], false),
        [],
        "the canonical is in the store"
    );
}

#[test]
fn a_canonical_with_several_new_elements_is_created_once() {
    let mut owner = Owner::new(everything);
    let submission = submission(1, &[(1, true, vec![10, 11, 12]), (2, true, vec![20, 21])]);
    let added = owner
        .journal
        .add(&submission, everything, &owner.store)
        .unwrap();
    let canonicals: Vec<_> = submission
        .transaction
        .entries()
        .iter()
        .map(|entry| entry.canonical)
        .collect();
    assert_eq!(added.created, canonicals);
}

#[test]
fn entry_without_its_record_is_refused_and_leaves_nothing() {
    let mut owner = Owner::new(everything);
    owner.cut(1);
    let mut broken = submission(1, &[(1, true, vec![10, 11])]);
    let missing = RecordId::of(&record(11, 100));
    broken.records.remove(&missing);
    let refused = owner.journal.add(&broken, everything, &owner.store);
    assert_eq!(refused, Err(JournalError::MissingRecord(missing)));
    assert!(owner.journal.is_idle());
    let mut writes = Vec::new();
    assert!(owner.journal.cut(1, &mut writes).is_none());
    assert_eq!(writes, []);
}

#[test]
fn record_of_a_canonical_is_kept_when_its_updates_are_old() {
    let mut owner = Owner::new(everything);
    owner.add(&submission(1, &[(1, false, vec![10])]));
    owner.cut(1);
    let canonical = RecordId::of(&record(1, 100));
    assert_eq!(owner.store.records(&[canonical]), Ok(vec![None]));
    assert_eq!(owner.add(&submission(2, &[(1, true, vec![10])])), []);
    owner.cut(1);
    assert_eq!(
        owner.store.records(&[canonical]),
        Ok(vec![Some(record(1, 100))])
    );
}

#[test]
fn several_blocks_may_be_cut_before_they_are_committed() {
    let mut owner = Owner::new(everything);
    let first = submission(1, &[(1, true, vec![10, 11])]);
    let mut writes = Vec::new();
    owner.add(&first);
    assert!(owner.journal.cut(1, &mut writes).is_some());
    assert_eq!(
        owner.add(&first),
        [],
        "a cut element is known before its commit"
    );
    owner.add(&submission(2, &[(1, false, vec![12])]));
    assert!(owner.journal.cut(2, &mut writes).is_some());
    owner.store.commit(writes);
    owner.journal.committed();
    check_journal(&owner);
    check_set(&owner);
}

#[test]
fn a_canonical_is_known_before_it_is_committed() {
    let mut owner = Owner::new(everything);
    let canonical = RecordId::of(&record(1, 100));
    let mut nonce = 1;
    // Checks that the canonical is known, and that another update does not create it.
    let mut check_known = |owner: &mut Owner, when: &str| {
        assert_eq!(
            owner.journal.knows(canonical, &owner.store),
            Ok(true),
            "{when}"
        );
        nonce += 1;
        let update = submission(nonce, &[(1, false, vec![u64::from(nonce)])]);
        let added = owner.journal.add(&update, everything, &owner.store);
        assert_eq!(added.unwrap().created, [], "{when}");
    };
    assert_eq!(owner.journal.knows(canonical, &owner.store), Ok(false));
    owner.add(&submission(1, &[(1, true, vec![])]));
    check_known(&mut owner, "in the block under construction");
    let mut writes = Vec::new();
    owner.journal.cut(1, &mut writes);
    check_known(&mut owner, "cut and not committed");
    owner.journal.cut(2, &mut writes);
    check_known(&mut owner, "two blocks cut and not committed");
    owner.store.commit(writes);
    owner.journal.committed();
    check_known(&mut owner, "committed");
}

#[test]
fn the_store_alone_is_asked_about_what_was_committed() {
    let mut owner = Owner::new(everything);
    let submission = submission(1, &[(1, true, vec![10])]);
    owner.add(&submission);
    owner.journal.cut(1, &mut Vec::new());
    // The store lost the writes. The journal adds the elements again, so it does not keep them in memory.
    owner.journal.committed();
    let canonical = RecordId::of(&record(1, 100));
    assert_eq!(owner.journal.knows(canonical, &owner.store), Ok(false));
    let elements: Vec<_> = submission.transaction.elements().collect();
    assert_eq!(owner.add(&submission), elements);
    owner.cut(2);
    let records = [canonical, RecordId::of(&record(10, 100))];
    let here = owner.store.records(&records).unwrap();
    assert!(here.iter().all(Option::is_some), "records written again");
}

#[test]
fn record_is_written_once_whatever_is_committed_meanwhile() {
    let mut owner = Owner::new(everything);
    for nonce in 0..3 {
        let submission = submission(nonce, &[(1, true, vec![u64::from(nonce)])]);
        owner.add(&submission);
        owner.journal.committed();
    }
    let mut writes = Vec::new();
    owner.journal.cut(1, &mut writes);
    let mut records: Vec<_> = writes
        .iter()
        .filter_map(|write| match write {
            Write::Record(id, _) => Some(id),
            _ => None,
        })
        .collect();
    let written = records.len();
    records.sort_unstable();
    records.dedup();
    assert_eq!(records.len(), written);
}

/// Keeps S9.
#[test]
fn a_block_keeps_its_limits_in_bytes() {
    let mut owner = Owner::new(everything);
    let mut cuts = Vec::new();
    for nonce in 0..8_u8 {
        let updates: Vec<u64> = (0..50).map(|n| 1_000 * u64::from(nonce) + n).collect();
        let submission = submission_of(nonce, &[(1, false, updates)], 60_000);
        if !owner.journal.has_room(submission.size_bytes()) {
            cuts.extend(owner.cut(1));
        }
        owner.add(&submission);
    }
    cuts.extend(owner.cut(1));
    for cut in &cuts {
        let transactions = cut
            .listed
            .iter()
            .map(|(_, transaction)| transaction.signed().size_bytes());
        let items = cut.block.items.iter().map(bytes::Bytes::len).sum::<usize>();
        let records = cut.added.len() * 60_000;
        let bytes = transactions.sum::<usize>() + items + records;
        assert!(
            bytes + header_bytes(&cut.block.header) <= BLOCK_BYTES_MAX,
            "{bytes}"
        );
    }
    assert_eq!(cuts.len(), 4, "two transactions of 3 MB fit, three do not");
    check_journal(&owner);
}

/// Bytes of a block's transactions and items, its records of 60,000 bytes each, and the certificates of one publisher.
fn bytes_of(cut: &Cut) -> usize {
    let transactions = cut.listed.iter().map(|(_, tx)| tx.signed().encode().len());
    let items = cut.block.items.iter().map(bytes::Bytes::len);
    transactions.chain(items).sum::<usize>() + cut.added.len() * 60_000 + CHAIN_BYTES_MAX
}

#[test]
fn room_is_kept_for_one_more_publishers_certificates() {
    let mut owner = Owner::new(everything);
    for block in 1..=2_u8 {
        let first = 1_000 * u64::from(block);
        let updates = (first..first + 50).collect();
        owner.add(&submission_of(block, &[(1, false, updates)], 60_000));
        let has_room = |bytes: &usize| owner.journal.has_room(*bytes);
        let largest = (0..BLOCK_BYTES_MAX).rev().find(has_room).unwrap();
        let cut = owner.cut(1).unwrap();
        let full = bytes_of(&cut) + largest + CHAIN_BYTES_MAX + ITEM_BYTES_MAX + HEADER_BYTES_MAX;
        assert_eq!(full, BLOCK_BYTES_MAX - 1, "block {block}");
    }
}

/// Keeps S9.
#[test]
fn block_has_no_more_publishers_than_certificates_fit() {
    let mut owner = Owner::new(everything);
    let mut cuts = Vec::new();
    for publisher in 0..2_000 {
        let submission = submission_by(publisher);
        if !owner.journal.has_room(submission.size_bytes()) {
            cuts.extend(owner.cut(1));
        }
        owner.add(&submission);
    }
    cuts.extend(owner.cut(1));
    for cut in &cuts {
        let publishers = cut.listed.len();
        assert!(
            publishers * CHAIN_BYTES_MAX < BLOCK_BYTES_MAX,
            "{publishers}"
        );
    }
    assert_eq!(cuts.len(), 4);
    check_journal(&owner);
}

fn header_bytes(header: &Header) -> usize {
    let bytes = header.signed().size_bytes();
    assert!(bytes < HEADER_BYTES_MAX);
    bytes
}

#[test]
fn a_block_keeps_its_limit_in_items() {
    let mut owner = Owner::new(everything);
    let mut cuts = Vec::new();
    for n in 0..BLOCK_ITEMS_MAX as u64 + 5 {
        let submission = submission_of(1, &[(n, true, vec![])], 8);
        if !owner.journal.has_room(submission.size_bytes()) {
            cuts.extend(owner.cut(1));
        }
        owner.add(&submission);
    }
    cuts.extend(owner.cut(1));
    assert_eq!(
        cuts.iter()
            .map(|cut| cut.block.items.len())
            .collect::<Vec<_>>(),
        [BLOCK_ITEMS_MAX, 6],
        "the first block has a hold besides"
    );
    check_journal(&owner);
}

/// Keeps S7.
#[test]
fn new_incarnation_begins_at_height_0_and_names_its_fork() {
    let mut owner = Owner::new(everything);
    owner.add(&submission(1, &[(1, true, vec![10])]));
    let before = owner.cut(9_000).unwrap().block.head();
    let gap = Item::Gap {
        incarnation: 7,
        from_height: 1,
    };
    owner.journal = Journal::open(
        overlay(),
        Arc::new(FakeKey(1)),
        8,
        Some(Fork::from(before, &owner.store).unwrap()),
        Holds::whole(),
        std::slice::from_ref(&gap),
    );
    let genesis = owner.cut(100).unwrap().block;
    assert_eq!((genesis.header.incarnation, genesis.header.height), (8, 0));
    assert_eq!(
        (genesis.header.previous, genesis.header.fork),
        (Id::ZERO, Some(before))
    );
    let hold = Item::Hold(Holds::whole());
    assert_eq!(genesis.decode_items(), Ok(vec![hold, gap]));
    let newest = owner.store.incarnations().unwrap();
    assert_eq!(
        newest.iter().map(Header::head).collect::<Vec<_>>(),
        [before, genesis.head()]
    );

    owner.restart();
    assert_eq!(owner.journal.tip().unwrap().head, genesis.head());
    assert_eq!(
        owner.journal.tip().unwrap().offset,
        0,
        "offsets count the elements of one incarnation"
    );
    owner.add(&submission(2, &[(1, false, vec![10, 11])]));
    let next = owner.cut(100).unwrap();
    assert_eq!(
        (next.block.header.height, next.block.header.fork),
        (1, None)
    );
    assert_eq!(next.added.len(), 1, "one set for all incarnations");
}
