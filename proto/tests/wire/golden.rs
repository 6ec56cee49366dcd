//! Golden vectors: what the samples are on the wire, in files that never change.

use bytes::Bytes;
use kittengrad_proto::{
    block::{Bitmap, Block, Cells, Head, Header, Holds, Item},
    certificate::Chain,
    cursor::{Cursor, Position},
    id::Id,
    identity::{Heartbeat, Identity, State, ring_id},
    link::Message,
    receipt::{ItemProof, Receipt},
    signed::{Ed25519, Kind, Signed},
    transaction::Transaction,
    wire::{self, cursor_problem, frame},
};
use kittengrad_ring::{KeyRange, Point, Replicas};
use prost::Message as _;

use crate::{
    checkpoint_samples::{UNKNOWN, checkpointed, ring},
    samples::{
        TIME_MS, WORLD, bulk, genesis, half, heartbeat, identity, messages, minimal, ordinary,
        overlay, prove, push, receipt, updates, whole,
    },
};

const OBJECTS: &str = include_str!("../../testdata/objects.txt");
const JOURNALS: &str = include_str!("../../testdata/journals.txt");
const LINKS: &str = include_str!("../../testdata/links.txt");
const FRAMES: &str = include_str!("../../testdata/frames.txt");

/// Names and values, in the order of a file.
pub(crate) type Vectors = Vec<(String, String)>;

pub(crate) fn read(file: &str) -> Vectors {
    let lines = file
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once(' ').unwrap())
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect()
}

/// The bytes that a file has under `name`.
pub(crate) fn bytes(file: &str, name: &str) -> Bytes {
    let (_, value) = read(file)
        .into_iter()
        .find(|(found, _)| found == name)
        .unwrap();
    hex::decode(value).unwrap().into()
}

pub(crate) fn check(file: &str, made: &[(&str, String)]) {
    let expected = read(file);
    for ((name, value), (made_name, made)) in expected.iter().zip(made) {
        assert_eq!((name.as_str(), value), (*made_name, made), "{name}");
    }
    assert_eq!(expected.len(), made.len());
}

fn encoded(signed: &Signed) -> String {
    hex::encode(signed.encode())
}

pub(crate) fn signed<'a>(name: [&'a str; 2], signed: &Signed) -> [(&'a str, String); 2] {
    [
        (name[0], encoded(signed)),
        (name[1], signed.id().to_string()),
    ]
}

/// A chain of two certificates that are none, so that its bytes can be read by eye.
fn chain() -> Chain {
    Chain::from_der(vec![
        Bytes::from_static(b"leaf"),
        Bytes::from_static(b"level-0"),
    ])
    .unwrap()
}

pub(crate) fn cursors() -> [(&'static str, Position); 3] {
    let cursor = |height| Cursor {
        journal: WORLD.peers[0].public,
        incarnation: TIME_MS,
        height,
    };
    let position = |height, elements| Position {
        cursor: cursor(height),
        elements,
    };
    [
        ("genesis", position(None, 0)),
        ("block", position(Some(41), 0)),
        ("within", position(Some(41), 7)),
    ]
}

fn items() -> [(&'static str, Item); 7] {
    let id = Id::new([0xa1; 32]);
    let bitmap = Bitmap::new([
        true, false, true, false, false, false, false, false, false, true,
    ]);
    let cells = Cells::new([true, false, true]);
    let transaction = Item::Transaction { id, bitmap, cells };
    let point = |byte| Point::new([byte; 32]);
    let arc = |from, to| KeyRange::new(point(from), point(to));
    let cells = Holds::new(vec![arc(1, 5), arc(5, 9), arc(0xf0, 1)]).unwrap();
    [
        ("item.transaction", transaction),
        ("item.hold", Item::Hold(cells)),
        ("item.hold.whole", Item::Hold(Holds::whole())),
        ("item.hold.nothing", Item::Hold(Holds::default())),
        ("item.settled", Item::Settled(whole().into())),
        ("item.drop", Item::Drop(half().into())),
        (
            "item.gap",
            Item::Gap {
                incarnation: TIME_MS,
                from_height: 42,
            },
        ),
    ]
}

#[test]
fn objects_have_the_bytes_that_they_always_had() {
    let ids = [
        Kind::Transaction,
        Kind::Block,
        Kind::Identity,
        Kind::Heartbeat,
        Kind::Chain,
    ];
    let ids = ids.map(|kind| kind.id(b"body").to_string());
    let names = [
        "id.transaction",
        "id.block",
        "id.identity",
        "id.heartbeat",
        "id.chain",
    ];
    let mut made: Vec<_> = names.into_iter().zip(ids).collect();
    made.extend([
        ("network", overlay().network.to_string()),
        ("publisher", WORLD.publisher.public.to_string()),
        ("peer.1", WORLD.peers[0].public.to_string()),
        ("peer.2", WORLD.peers[1].public.to_string()),
        ("peer.3", WORLD.peers[2].public.to_string()),
        ("publisher.chain", WORLD.publisher.chain.id().to_string()),
    ]);
    made.extend(signed(
        ["transaction.minimal", "transaction.minimal.id"],
        minimal().signed(),
    ));
    made.extend(signed(
        ["transaction.updates", "transaction.updates.id"],
        updates().signed(),
    ));
    made.extend([
        (
            "transaction.bulk.bytes",
            bulk().signed().size_bytes().to_string(),
        ),
        ("transaction.bulk.id", bulk().id().to_string()),
        ("chain", hex::encode(chain().to_wire().encode_to_vec())),
        ("chain.id", chain().id().to_string()),
    ]);
    made.extend(signed(
        ["identity", "identity.id"],
        identity(7, State::Active).signed(),
    ));
    let empty = ring_id(Replicas::new(3).unwrap(), []);
    made.extend([
        ("ring.id", ring().to_string()),
        ("ring.empty.id", empty.to_string()),
    ]);
    check(OBJECTS, &made);
}

#[test]
fn journals_have_the_bytes_that_they_always_had() {
    let mut made: Vec<_> = items()
        .into_iter()
        .map(|(name, item)| (name, hex::encode(item.encode())))
        .collect();
    made.extend(signed(
        ["header.genesis", "header.genesis.id"],
        genesis().header.signed(),
    ));
    made.extend(signed(
        ["header.ordinary", "header.ordinary.id"],
        ordinary().header.signed(),
    ));
    made.extend(signed(
        ["header.checkpoint", "header.checkpoint.id"],
        checkpointed().header.signed(),
    ));
    made.extend(signed(["heartbeat", "heartbeat.id"], heartbeat().signed()));
    made.push((
        "item-proof",
        hex::encode(prove(&ordinary(), 2).to_wire().encode_to_vec()),
    ));
    made.push(("receipt", hex::encode(receipt().encode())));
    let names = [
        ["cursor.genesis", "position.genesis"],
        ["cursor.block", "position.block"],
        ["cursor.within", "position.within"],
    ];
    for ([cursor, position], (_, sample)) in names.into_iter().zip(cursors()) {
        made.push((cursor, hex::encode(sample.cursor.to_wire().encode_to_vec())));
        made.push((position, sample.to_string()));
    }
    check(JOURNALS, &made);
}

#[test]
fn link_messages_have_the_bytes_that_they_always_had() {
    let messages = messages();
    let made = messages
        .iter()
        .map(|(name, message)| (*name, hex::encode(message.encode(overlay()))));
    check(LINKS, &made.collect::<Vec<_>>());
}

#[test]
fn frames_have_the_bytes_that_they_always_had() {
    let made: Vec<_> = frames()
        .into_iter()
        .map(|(name, frame)| (name, hex::encode(frame.encode_to_vec())))
        .collect();
    check(FRAMES, &made);
}

fn frames() -> [(&'static str, wire::Frame); 4] {
    let frame = |kind| wire::Frame { kind: Some(kind) };
    let block = |bodies| wire::FrameBlock {
        header: Some(ordinary().header.signed().to_wire()),
        items: ordinary().items,
        bodies,
        offset: 5,
        through: Vec::new(),
    };
    let beat = wire::FrameHeartbeat {
        heartbeat: Some(heartbeat().signed().to_wire()),
        through: Vec::new(),
    };
    let push = push();
    let body = wire::Body {
        transaction: Some(push.transaction.signed().to_wire()),
        records: push.records,
        chain: push.chain.map(|chain| chain.to_wire()),
    };
    let problem = wire::CursorProblem {
        kind: cursor_problem::Kind::TooOld.into(),
        start: Some(cursors()[0].1.cursor.to_wire()),
    };
    [
        ("frame.block", frame(frame::Kind::Block(block(Vec::new())))),
        // Of the two transactions that it lists, the second one's body is left out.
        (
            "frame.bodies",
            frame(frame::Kind::Block(block(vec![body, wire::Body::default()]))),
        ),
        ("frame.heartbeat", frame(frame::Kind::Heartbeat(beat))),
        ("frame.problem", frame(frame::Kind::Problem(problem))),
    ]
}

#[test]
fn the_bytes_in_the_files_mean_what_they_always_meant() {
    let overlay = overlay();
    let transaction = |name| Transaction::decode(bytes(OBJECTS, name), overlay).unwrap();
    for (name, sample) in [
        ("transaction.minimal", minimal()),
        ("transaction.updates", updates()),
    ] {
        assert_eq!(transaction(name), sample);
        assert_eq!(transaction(name).verify(&Ed25519), Ok(()));
    }
    let found = Identity::decode(bytes(OBJECTS, "identity"), overlay).unwrap();
    assert_eq!(found, identity(7, State::Active));
    assert_eq!(
        found.verify(&WORLD.root, &Ed25519).unwrap().key,
        WORLD.peers[0].public
    );
    let found = wire::Chain::decode(bytes(OBJECTS, "chain")).unwrap();
    assert_eq!(Chain::from_wire(found).unwrap(), chain());
    for (name, item) in items() {
        assert_eq!(Item::decode(&bytes(JOURNALS, name)), Ok(item));
    }
    for (name, sample) in messages() {
        assert_eq!(
            Message::decode(bytes(LINKS, name), overlay),
            Ok(sample),
            "{name}"
        );
    }
    for (name, sample) in frames() {
        assert_eq!(
            wire::Frame::decode(bytes(FRAMES, name)).unwrap(),
            sample,
            "{name}"
        );
    }
}

#[test]
fn the_journals_in_the_files_mean_what_they_always_meant() {
    let overlay = overlay();
    let wire = |name| Some(wire::Signed::decode(bytes(JOURNALS, name)).unwrap());
    for (name, sample) in [
        ("header.genesis", genesis()),
        ("header.ordinary", ordinary()),
    ] {
        let block = Block::from_wire(
            wire(name),
            sample.items.clone(),
            sample.through.to_wire(),
            overlay,
        )
        .unwrap();
        assert_eq!(block, sample);
        assert_eq!(block.verify(&Ed25519), Ok(()));
    }
    assert_eq!(ordinary().header.previous, genesis().header.hash());
    let found = Heartbeat::from_wire(wire("heartbeat"), overlay).unwrap();
    assert_eq!(found, heartbeat());
    assert_eq!(found.verify(&Ed25519), Ok(()));
    let found = wire::ItemProof::decode(bytes(JOURNALS, "item-proof")).unwrap();
    assert_eq!(
        ItemProof::from_wire(found, overlay),
        Ok(prove(&ordinary(), 2))
    );
    let found = Receipt::decode(bytes(JOURNALS, "receipt"), overlay).unwrap();
    assert_eq!(found, receipt());
    assert_eq!(found.verify(&WORLD.root, &Ed25519), Ok(()));
    for (name, sample) in cursors() {
        let cursor = wire::Cursor::decode(bytes(JOURNALS, &format!("cursor.{name}"))).unwrap();
        assert_eq!(Cursor::from_wire(Some(&cursor)), Ok(sample.cursor));
        assert_eq!(sample.to_string().parse(), Ok(sample));
    }
}

#[test]
fn an_unknown_field_in_a_header_is_signed_all_the_same() {
    let wire = || Some(wire::Signed::decode(bytes(JOURNALS, "header.checkpoint")).unwrap());
    let header = Header::from_wire(wire(), overlay()).unwrap();
    assert_eq!(header.verify(&Ed25519), Ok(()));
    assert_eq!(header, checkpointed().header);
    let mut body = wire::BlockHeader::decode(header.signed().body().clone()).unwrap();
    assert!(body.checkpoint.is_some());
    let without_unknown = body.encode_to_vec();
    let rest = header.signed().body().strip_prefix(&without_unknown[..]);
    assert_eq!(rest, Some(&UNKNOWN[..]));
    body.checkpoint = None;
    let plain = ordinary().header;
    assert_eq!(body.encode_to_vec(), plain.signed().body()[..]);
    assert_ne!(header.hash(), plain.hash());
    let expected = Head {
        hash: header.hash(),
        ..plain.head()
    };
    assert_eq!(header.head(), expected);
}
