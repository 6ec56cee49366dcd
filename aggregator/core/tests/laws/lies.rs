//! Sources that send data that no honest source sends.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_aggregator_core::{Event, Input, SourceBlock, SourceEntry, SourceState};
use kittengrad_proto::{
    block::{Bitmap, Cells, Holds, Item},
    id::RecordId,
    signed::{Signer as _, SigningKey},
    submission::Submission,
    transaction::Entry,
};
use kittengrad_ring::{KeyRange, Point};

use crate::{
    peers::{Peers, canonical, chain, publisher, sign, statement, transact},
    process::{Process, scene},
};

fn state(process: &Process) -> SourceState {
    process.view().sources[0].state
}

fn emitted(process: &Process) -> usize {
    process.emitted().len()
}

/// The source lists two transactions of one element each in one block. `change` alters the bodies that it sends.
fn bodies(change: impl Fn(&mut Vec<SourceEntry>)) -> Process {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.apply(number, &transact(1, &[(2, &[1])]));
    peers.peers[number].cut();
    let peer = &peers.peers[number];
    let mut frame = peer.frame(peer.block(1));
    change(&mut frame.entries);
    process.handle(Input::Block(source, Box::new(frame)));
    process.flush();
    process
}

#[test]
fn bodies_are_those_that_the_block_lists() {
    let honest = bodies(|_| {});
    assert_eq!((emitted(&honest), state(&honest)), (2, SourceState::Level));
    for (case, process) in [
        ("in another order", bodies(|entries| entries.reverse())),
        ("one too few", bodies(|entries| drop(entries.pop()))),
        (
            "one too many",
            bodies(|entries| entries.push(entries[0].clone())),
        ),
    ] {
        let found = (emitted(&process), state(&process));
        assert_eq!(found, (0, SourceState::Lying), "{case}");
    }
}

#[test]
fn a_bitmap_is_as_long_as_its_transaction() {
    for (bits, expected) in [(1, SourceState::Level), (9, SourceState::Lying)] {
        let (mut peers, mut process, source, number) = scene();
        let Submission {
            transaction,
            records,
        } = transact(0, &[(1, &[1])]);
        let peer = &mut peers.peers[number];
        peer.journal.note(&Item::Transaction {
            id: transaction.id(),
            bitmap: Bitmap::new(vec![true; bits]),
            cells: Cells::new([true]),
        });
        peer.cut();
        let entry = SourceEntry {
            transaction,
            records,
            chain: Arc::new(chain()),
        };
        let block = SourceBlock {
            block: peer.block(1).block,
            entries: vec![entry],
        };
        process.handle(Input::Block(source, Box::new(block)));
        process.flush();
        assert_eq!(state(&process), expected, "{bits} bits");
    }
}

/// Whether the aggregator believes a source that lists a transaction with these cells, after `hold`.
fn believes(holds: Holds, cells: &[bool]) -> bool {
    let (mut peers, mut process, source, number) = scene();
    let Submission {
        transaction,
        records,
    } = transact(0, &[(1, &[1])]);
    let peer = &mut peers.peers[number];
    peer.journal.note(&Item::Hold(holds));
    peer.journal.note(&Item::Transaction {
        id: transaction.id(),
        bitmap: Bitmap::new([true]),
        cells: Cells::new(cells.iter().copied()),
    });
    peer.cut();
    let entry = SourceEntry {
        transaction,
        records,
        chain: Arc::new(chain()),
    };
    let block = SourceBlock {
        block: peer.block(1).block,
        entries: vec![entry],
    };
    process.handle(Input::Block(source, Box::new(block)));
    process.flush();
    let is_believed = state(&process) == SourceState::Level;
    assert_eq!(emitted(&process), usize::from(is_believed));
    is_believed
}

#[test]
fn source_that_signs_wrong_cells_is_a_liar() {
    let point = RecordId::of(&canonical(1)).point();
    let before = Point::new(point.as_bytes().map(|byte| byte / 2));
    let [with, without] = [(before, point), (point, before)].map(|(a, b)| KeyRange::new(a, b));
    let cut = Holds::new(vec![with, without]).unwrap();
    assert!(believes(cut.clone(), &[true, false]));
    assert!(!believes(cut.clone(), &[false, true]), "hidden");
    assert!(!believes(cut.clone(), &[true, true]), "claimed");
    assert!(!believes(cut, &[true; 9]), "too many arcs");
    assert!(believes(with.into(), &[true]));
    assert!(!believes(without.into(), &[true]), "not held");
}

/// A transaction about canonical 1 with `statement` as its update, valid or not.
fn naming(nonce: u8, statement: &Bytes) -> Submission {
    let canonical = canonical(1);
    let entry = Entry {
        canonical: RecordId::of(&canonical),
        insert: true,
        updates: vec![RecordId::of(statement)],
    };
    let named = |bytes: &Bytes| (RecordId::of(bytes), bytes.clone());
    Submission {
        transaction: Arc::new(sign(nonce, vec![entry])),
        records: BTreeMap::from([named(&canonical), named(statement)]),
    }
}

/// Statements that no replica admits in a transaction about canonical 1.
fn foreign() -> [(&'static str, Bytes); 3] {
    let another = SigningKey::from_seed(&[98; 32]).public();
    [
        ("by another publisher", statement(1, 1, another)),
        (
            "about another canonical",
            statement(2, 1, publisher().public()),
        ),
        ("no record", Bytes::from_static(b"no record")),
    ]
}

/// The source lists a transaction and sends its block without the bytes of the update.
fn without_its_update(submission: &Submission) -> (Peers, Process) {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, submission);
    peers.peers[number].cut();
    let peer = &peers.peers[number];
    let mut frame = peer.frame(peer.block(1));
    let updates = &frame.entries[0].transaction.entries()[0].updates.clone();
    updates.iter().for_each(|update| {
        frame.entries[0].records.remove(update);
    });
    process.handle(Input::Block(source, Box::new(frame)));
    process.flush();
    (peers, process)
}

#[test]
fn a_listed_record_that_says_something_else_is_a_lie() {
    for (case, statement) in foreign() {
        let (peers, mut process) = without_its_update(&naming(0, &statement));
        process.answer(&peers);
        process.flush();
        let found = (emitted(&process), state(&process));
        assert_eq!(found, (0, SourceState::Lying), "{case}");
        let named = |event: &Event| matches!(event, Event::Lied { why, .. } if why.contains("does not fit its entry"));
        assert!(process.events.iter().any(named), "{case}");
    }
}

#[test]
fn a_late_record_that_says_something_else_is_not_kept() {
    let honest = statement(1, 1, publisher().public());
    let all = foreign().into_iter().chain([("honest", honest)]);
    for (case, statement) in all {
        let (_, mut process) = without_its_update(&naming(0, &statement));
        process.pass(3_000);
        process.flush();
        assert_eq!(emitted(&process), 1, "{case}: emitted without bytes");
        process.handle(Input::Records(vec![statement.clone()]));
        process.flush();
        let kept =
            kittengrad_journal::RecordStore::records(&process.store, &[RecordId::of(&statement)]);
        let is_kept = kept.unwrap()[0].is_some();
        assert_eq!(is_kept, case == "honest", "{case}");
        process.fetches.clear();
        process.pass(600_000);
        assert!(process.fetches.is_empty(), "{case}: the search ended");
    }
}

#[test]
fn nothing_of_a_liar_is_emitted_that_waited_when_it_lied() {
    let (mut peers, mut process, source, number) = scene();
    for nonce in 0..2 {
        peers.apply(number, &transact(nonce, &[(nonce, &[1])]));
        peers.peers[number].cut();
    }
    for height in 1..=2 {
        let peer = &peers.peers[number];
        let mut frame = peer.frame(peer.block(height));
        frame.entries[0].records.clear();
        process.handle(Input::Block(source, Box::new(frame)));
    }
    let lied = process.handled(Input::Lying(source, "forged".to_owned()));
    assert_eq!(lied.done.get(&source), Some(&2), "the memory is free");
    process.answer(&peers);
    process.pass(3_000);
    process.flush();
    assert_eq!(emitted(&process), 0);
}

#[test]
fn a_liar_that_goes_away_and_comes_again_is_not_read() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.peers[number].cut();
    process.handle(Input::Lying(source, "forged".to_owned()));
    process.handle(Input::Down(source, "connection refused".to_owned()));
    assert_eq!(state(&process), SourceState::Lying);
    process.deliver(source, &peers);
    process.flush();
    let found = (emitted(&process), state(&process));
    assert_eq!(found, (0, SourceState::Lying));
    process.handle(Input::Retry(source));
    process.deliver(source, &peers);
    process.flush();
    assert_eq!(emitted(&process), 1, "after the retry");
}

#[test]
fn a_block_of_another_owner_is_a_lie() {
    let peers = Peers::new(3, 3);
    let mut process = Process::start(&peers);
    let source = process.sources()[0];
    let other = peers.peers.iter().find(|peer| peer.key() != source);
    let other = other.unwrap();
    let frame = other.frame(other.block(0));
    process.handle(Input::Block(source, Box::new(frame)));
    assert_eq!(state(&process), SourceState::Lying);
    process.handle(Input::Retry(source));
    process.deliver(source, &peers);
    process.flush();
    assert_eq!(process.taken(source), Some(peers.by_key(source).head()));
}

#[test]
fn a_source_does_not_answer_for_records_that_it_does_not_list() {
    let mut peers = Peers::new(5, 3);
    let mut process = Process::start(&peers);
    let source = process.sources()[0];
    let number = peers.number(source);
    process.deliver(source, &peers);
    let is_held = |of: &u8| {
        let canonical = RecordId::of(&canonical(*of));
        peers.holders(canonical).contains(&number)
    };
    let held = (0..=255).find(is_held).unwrap();
    let other = (0..=255).find(|of| !is_held(of)).unwrap();
    let another = SigningKey::from_seed(&[98; 32]).public();
    let by = [(held, publisher().public()), (other, another)];
    let mut records = BTreeMap::new();
    let mut name = |bytes: Bytes| {
        let id = RecordId::of(&bytes);
        records.insert(id, bytes);
        id
    };
    let entries = by.map(|(number, publisher)| Entry {
        canonical: name(canonical(number)),
        insert: true,
        updates: vec![name(statement(number, 1, publisher))],
    });
    let submission = Submission {
        transaction: Arc::new(sign(0, entries.into())),
        records,
    };
    for peer in 0..5 {
        peers.apply(peer, &submission);
        peers.peers[peer].cut();
    }
    process.deliver(source, &peers);
    process.answer(&peers);
    process.flush();
    let partly = |event: &Event| matches!(event, Event::Partly { canonicals: 1, .. });
    assert!(process.events.iter().any(partly), "{:?}", process.events);
    assert_eq!(emitted(&process), 1, "the element that it lists");
    let view = process.view();
    let mut states = view.sources.iter().map(|of| of.state);
    assert!(states.all(|state| state != SourceState::Lying));
}
