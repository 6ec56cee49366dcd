//! Sources that send data that no honest source sends.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_aggregator_core::{Event, Input, SourceBlock, SourceEntry, SourceState};
use kittengrad_journal::{RecordStore, Shown, evidence};
use kittengrad_proto::{
    block::{Bitmap, Cells, Holds, Item},
    checkpoint::ThroughList,
    evidence::Rule,
    id::{Id, RecordId},
    identity::{Beat, Heartbeat},
    signed::{Ed25519, Signer as _, SigningKey},
    submission::Submission,
    transaction::Entry,
};
use kittengrad_ring::{KeyRange, Point};

use crate::{
    peers::{self, Peers, canonical, chain, overlay, publisher, sign, statement, transact},
    process::{Process, full_scene, scene},
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
    change(peers::bodies(&mut frame));
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
            entries: Some(vec![entry]),
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
    peer.journal.hold(&holds, 1, &mut Vec::new());
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
        entries: Some(vec![entry]),
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

/// Keeps S7.
#[test]
fn a_liar_is_convicted_by_what_it_signed() {
    // The proof of the last hold is on disk, so that it is there after a start.
    for is_restarted in [false, true] {
        let (mut peers, mut process, source, number) = scene();
        if is_restarted {
            process.crash();
        }
        let Submission {
            transaction,
            records,
        } = transact(0, &[(1, &[1])]);
        let peer = &mut peers.peers[number];
        peer.journal.note(&Item::Transaction {
            id: transaction.id(),
            bitmap: Bitmap::new([true]),
            cells: Cells::new([true; 9]),
        });
        peer.cut();
        let entry = SourceEntry {
            transaction,
            records,
            chain: Arc::new(chain()),
        };
        let block = SourceBlock {
            block: peer.block(1).block,
            entries: Some(vec![entry]),
        };
        process.handle(Input::Block(source, Box::new(block)));
        process.flush();
        let kept = evidence(&process.store, &overlay()).unwrap();
        let [Shown { evidence, by, .. }] = &kept[..] else {
            panic!("{kept:?}")
        };
        assert_eq!((evidence.accused(), *by), (source, source));
        let rule = evidence.check(&Ed25519);
        assert!(matches!(rule, Ok(Rule::Item { height: 1, .. })), "{rule:?}");
    }
}

#[test]
fn a_second_answer_at_one_height_convicts() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.peers[number].cut();
    let peer = &peers.peers[number];
    process.handle(Input::Block(source, Box::new(peer.frame(peer.block(1)))));
    process.flush();
    let mut head = peer.head();
    head.hash = Id::new([7; 32]);
    let heartbeat = Heartbeat::sign(&overlay(), head, 9, &peer.key);
    let through = ThroughList::default();
    process.handle(Input::Asked {
        member: source,
        at: process.now,
        beat: Box::new(Beat { heartbeat, through }),
    });
    process.flush();
    let kept = evidence(&process.store, &overlay()).unwrap();
    let rule = kept[0].evidence.check(&Ed25519);
    assert!(
        matches!(rule, Ok(Rule::TwoHeads { height: 1, .. })),
        "{rule:?}"
    );
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
    let body = &mut peers::bodies(&mut frame)[0];
    let updates = body.transaction.entries()[0].updates.clone();
    updates.iter().for_each(|update| {
        body.records.remove(update);
    });
    process.handle(Input::Block(source, Box::new(frame)));
    process.flush();
    (peers, process)
}

#[test]
fn a_fetched_record_that_says_something_else_is_not_kept() {
    let honest = statement(1, 1, publisher().public());
    let all = foreign().into_iter().chain([("honest", honest)]);
    for (case, statement) in all {
        let record = RecordId::of(&statement);
        let (_, mut process) = without_its_update(&naming(0, &statement));
        assert_eq!(emitted(&process), 1, "{case}: emitted without bytes");
        process.handle(Input::Records(vec![statement.clone()]));
        process.flush();
        let is_kept = RecordStore::records(&process.store, &[record]).unwrap()[0].is_some();
        assert_eq!(is_kept, case == "honest", "{case}");
        let unfit = process.events.contains(&Event::Unfit { record });
        assert_eq!(unfit, case != "honest", "{case}");
        let absent = usize::from(case != "honest");
        assert_eq!(process.view().records_absent, absent, "{case}");
        // The source signed what any reader may see, and its journal is read on.
        assert_eq!(state(&process), SourceState::Level, "{case}");
    }
}

#[test]
fn nothing_of_a_liar_is_emitted_that_waited_when_it_lied() {
    let (peers, mut process, source, _) = full_scene();
    let lied = process.handled(Input::Lying(source, "forged".to_owned()));
    assert_eq!(lied.done.get(&source), Some(&1), "the memory is free");
    process.flush();
    process.pass(3_000);
    process.flush();
    assert_eq!(emitted(&process), 6 * 21);
    process.handle(Input::Retry(source));
    process.deliver(source, &peers);
    process.flush();
    assert_eq!(emitted(&process), 8 * 21, "after the retry");
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
