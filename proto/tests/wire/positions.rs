//! Lists of positions beside checkpoints: the list that a root signs, and nothing else.

use bytes::Bytes;
use kittengrad_proto::{
    block::{Block, BlockError, HeaderError},
    checkpoint::{self, Checkpoint, CheckpointError, Through, ThroughList},
    id::{Id, PublicKey},
    identity::{Beat, IdentityError},
    limits::{HOLD_ARCS_MAX, RING_MEMBERS_MAX, THROUGH_BYTES_MAX, THROUGH_ENTRY_BYTES_MAX},
    merkle::Tree,
    wire,
};
use kittengrad_ring::{KeyRange, KeyRanges, Point};
use prost::Message as _;

use crate::{
    checkpoint_samples::{
        arc, arcs, checkpointed, checkpointed_beat, early, entry, key, position, through,
    },
    encodings::{content, number, padded},
    samples::{half, ordinary, overlay},
};

/// A checkpoint that signs these entries, whatever they are.
fn over(entries: &[Bytes]) -> Checkpoint {
    let through_root = Tree::new(entries.iter().map(|entry| &entry[..])).root();
    Checkpoint {
        through_root,
        ..early(&ThroughList::default())
    }
}

/// Reads entries beside a checkpoint of the first peer that signs them.
fn read(entries: Vec<Bytes>) -> Result<ThroughList, CheckpointError> {
    checkpoint::beside(Some(&over(&entries)), entries, key(0))
}

#[test]
fn a_list_is_read_as_it_was_written() {
    assert_eq!(read(through().to_wire()), Ok(through()));
    assert_eq!(read(Vec::new()), Ok(ThroughList::default()));
    let found = checkpoint::beside(None, Vec::new(), key(0));
    assert_eq!(found, Ok(ThroughList::default()));
    let positions: Vec<_> = through().iter().map(|(key, _)| *key).collect();
    assert_eq!(positions, [key(2), key(1)], "ascending by key");
    assert_eq!(through().get(&key(2)), Some(&position(0, 0x0a, None)));
    assert_eq!(through().get(&key(0)), None);
}

/// The checkpoint, and the list that came with it.
type Pair = (Option<Checkpoint>, Vec<Bytes>);

#[test]
fn a_list_under_another_root_is_refused() {
    let entries = through().to_wire();
    let [first, second] = &entries[..] else {
        panic!()
    };
    let signs = |list: &ThroughList| Some(early(list));
    let none = ThroughList::default();
    let malformed = Bytes::from_static(b"no entry");
    let cases: [(&str, Pair); 8] = [
        ("a list without a checkpoint", (None, entries.clone())),
        ("nothing in a list without one", (None, vec![Bytes::new()])),
        (
            "a list beside the root of none",
            (signs(&none), entries.clone()),
        ),
        ("no list", (signs(&through()), Vec::new())),
        ("one entry less", (signs(&through()), vec![first.clone()])),
        (
            "one entry more",
            (signs(&through()), [&entries[..], &entries[1..]].concat()),
        ),
        (
            "another order",
            (signs(&through()), vec![second.clone(), first.clone()]),
        ),
        // An error of the entry would be evidence against a peer that never signed it.
        (
            "no entries",
            (signs(&through()), vec![malformed.clone(), malformed]),
        ),
    ];
    for (what, (checkpoint, entries)) in cases {
        let refused = checkpoint::beside(checkpoint.as_ref(), entries, key(0));
        assert_eq!(refused, Err(CheckpointError::ThroughRoot), "{what}");
    }
}

#[test]
fn blocks_and_heartbeats_come_with_their_list() {
    let block = |of: Block, through| {
        let header = Some(of.header.signed().to_wire());
        Block::from_wire(header, of.items, through, overlay())
    };
    let entries = through().to_wire();
    assert_eq!(block(checkpointed(), entries.clone()), Ok(checkpointed()));
    for (of, list) in [(checkpointed(), Vec::new()), (ordinary(), entries.clone())] {
        let refused = HeaderError::Checkpoint(CheckpointError::ThroughRoot);
        assert_eq!(block(of, list), Err(BlockError::Header(refused)));
    }
    let beat = |of: &Beat, through| {
        let wire = Some(of.heartbeat.signed().to_wire());
        Beat::from_wire(wire, through, overlay())
    };
    let sample = checkpointed_beat();
    assert_eq!(beat(&sample, entries.clone()), Ok(sample.clone()));
    let bare = Beat::from(crate::samples::heartbeat());
    assert_eq!(beat(&bare, Vec::new()), Ok(bare.clone()));
    for (of, list) in [(&sample, Vec::new()), (&bare, entries)] {
        let refused = IdentityError::Checkpoint(CheckpointError::ThroughRoot);
        assert_eq!(beat(of, list), Err(refused));
    }
}

/// The key whose first bytes are this number.
fn numbered(number: usize) -> PublicKey {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&(number as u64).to_be_bytes());
    PublicKey::new(key)
}

fn list(count: usize, position: &Through) -> ThroughList {
    let positions = (1..=count).map(|number| (numbered(number), position.clone()));
    positions.collect()
}

#[test]
fn a_list_has_an_entry_of_every_member_of_a_ring() {
    let mut longest = position(u64::MAX, 0xff, None);
    longest.head.incarnation = u64::MAX;
    let full = list(RING_MEMBERS_MAX, &longest);
    assert_eq!(read(full.to_wire()), Ok(full));
    let entries = list(RING_MEMBERS_MAX + 1, &longest).to_wire();
    let bytes = entries.iter().map(Bytes::len).sum();
    let entries_found = RING_MEMBERS_MAX + 1;
    let refused = CheckpointError::ThroughSize {
        entries: entries_found,
        bytes,
    };
    assert_eq!(read(entries), Err(refused));
}

#[test]
fn a_list_has_no_more_bytes_than_allowed() {
    let with_last = |bytes: usize| {
        let count = THROUGH_BYTES_MAX / THROUGH_ENTRY_BYTES_MAX;
        let mut entries = vec![Bytes::from(vec![0; THROUGH_ENTRY_BYTES_MAX]); count];
        entries.push(Bytes::from(vec![0; bytes]));
        read(entries)
    };
    // It is read, and is no list.
    let first = with_last(0);
    assert!(
        matches!(first, Err(CheckpointError::Entry { entry: 0, .. })),
        "{first:?}"
    );
    let refused = CheckpointError::ThroughSize {
        entries: 33,
        bytes: THROUGH_BYTES_MAX + 1,
    };
    assert_eq!(with_last(1), Err(refused));
}

/// The list of peer 3, then this entry: its number is 1.
fn after_first(entry: Vec<u8>) -> Result<ThroughList, CheckpointError> {
    let first = through().to_wire().remove(0);
    read(vec![first, entry.into()])
}

/// Checks that an entry is refused for this reason.
fn check_malformed(what: &str, entry: Vec<u8>, expected: &str) {
    match after_first(entry) {
        Err(CheckpointError::Entry { entry: 1, why }) => {
            assert!(why.contains(expected), "{what}: {why}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

fn wire_entry() -> wire::Through {
    wire::Through::decode(through().to_wire().remove(1)).unwrap()
}

#[test]
fn an_entry_has_one_encoding() {
    let sample = through().to_wire().remove(1).to_vec();
    assert_eq!(after_first(sample.clone()), Ok(through()));
    let one = "one encoding";
    let with = |more: &[u8]| [&sample[..], more].concat();
    check_malformed("an unknown number", with(&[0xf8, 0x3f, 1]), one);
    check_malformed("unknown bytes", with(&content(1_000, b"new")), one);
    check_malformed("a height twice", with(&number(3, 17)), one);
    check_malformed("a key twice", with(&content(1, key(1).as_bytes())), one);
    let first = through().to_wire().remove(0).to_vec();
    let zero = [&first[..], &number(3, 0)].concat();
    let refused = read(vec![zero.into()]);
    let why = "it is not in its one encoding".to_owned();
    assert_eq!(refused, Err(CheckpointError::Entry { entry: 0, why }));
    let body = wire::Through {
        arcs: Vec::new(),
        ..wire_entry()
    };
    let turned = [content(4, &body.hash), content(1, &body.peer)].concat();
    let rest = [number(2, body.incarnation), number(3, body.height)].concat();
    check_malformed("another order", [turned, rest].concat(), one);
}

#[test]
fn an_entry_names_peer_and_block_in_32_bytes() {
    let changed = |change: fn(&mut wire::Through)| {
        let mut wire = wire_entry();
        change(&mut wire);
        wire.encode_to_vec()
    };
    check_malformed("nothing", Vec::new(), "0 bytes");
    check_malformed("no message", vec![0xff; 9], "");
    check_malformed(
        "half a key",
        changed(|wire| wire.peer.truncate(16)),
        "16 bytes",
    );
    check_malformed(
        "half a hash",
        changed(|wire| wire.hash.truncate(16)),
        "16 bytes",
    );
    check_malformed("no hash", changed(|wire| wire.hash.clear()), "0 bytes");
    let half = |wire: &mut wire::Through| wire.arcs[0].to.truncate(16);
    check_malformed("half a point", changed(half), "a point has 16 bytes");
    let empty = |wire: &mut wire::Through| wire.arcs = vec![wire::Arc::default()];
    check_malformed("an arc of nothing", changed(empty), "a point has 0 bytes");
}

#[test]
fn an_entry_has_its_arcs_in_one_form() {
    let with = |arcs: &[(u8, u8)]| {
        let end = |byte: u8| Bytes::from(vec![byte; 32]);
        let arcs = arcs.iter().map(|&(from, to)| wire::Arc {
            from: end(from),
            to: end(to),
        });
        let wire = wire::Through {
            arcs: arcs.collect(),
            ..wire_entry()
        };
        wire.encode_to_vec()
    };
    let cases: [&[(u8, u8)]; 6] = [
        &[],
        &[(0, 0)],
        &[(1, 5)],
        &[(9, 1)],
        &[(1, 5), (6, 9)],
        &[(1, 5), (6, 0)],
    ];
    for listed in cases {
        let found = after_first(with(listed)).unwrap();
        let expected = (!listed.is_empty()).then(|| arcs(listed));
        assert_eq!(found.get(&key(1)).unwrap().arcs, expected);
    }
    let cases: [(&str, &[(u8, u8)]); 7] = [
        ("descending", &[(6, 9), (1, 5)]),
        ("overlapping", &[(1, 5), (4, 9)]),
        ("twice", &[(1, 5), (1, 5)]),
        ("not merged", &[(1, 5), (5, 9)]),
        ("not merged at zero", &[(0, 5), (9, 0)]),
        ("past zero, and first", &[(9, 1), (2, 5)]),
        ("the circle, and an arc", &[(0, 0), (1, 5)]),
    ];
    for (what, listed) in cases {
        check_malformed(what, with(listed), "its arcs do not ascend");
    }
    let elsewhere = with(&[(7, 7)]);
    check_malformed(
        "the circle from elsewhere",
        elsewhere,
        "does not begin at 0",
    );
}

/// So many arcs that do not touch.
fn many(count: usize) -> KeyRanges {
    let point = |number: usize| Point::new(*numbered(number).as_bytes());
    let arcs = (0..count).map(|number| KeyRange::new(point(2 * number), point(2 * number + 1)));
    arcs.collect()
}

#[test]
fn an_entry_has_the_arcs_that_an_owner_may_hold() {
    let with = |count| entry(1, position(17, 0x17, Some(many(count)))).to_vec();
    let full = after_first(with(HOLD_ARCS_MAX)).unwrap();
    let found = full.get(&key(1)).and_then(|found| found.arcs.as_ref());
    assert_eq!(found, Some(&many(HOLD_ARCS_MAX)));
    check_malformed("too many", with(HOLD_ARCS_MAX + 1), "it has 401 arcs");
    let bytes = THROUGH_ENTRY_BYTES_MAX + 1;
    let large = padded(&with(1), bytes).to_vec();
    check_malformed("too large", large, &format!("it has {bytes} bytes"));
    let largest = padded(&with(1), bytes - 1).to_vec();
    check_malformed("large, and not an entry", largest, "one encoding");
}

#[test]
fn entries_ascend_and_none_is_of_the_signer() {
    let third = || entry(2, position(0, 0x0a, None));
    let second = || entry(1, position(17, 0x17, None));
    let own = || entry(0, position(3, 0x03, None));
    assert!(key(2) < key(0) && key(0) < key(1));
    assert!(read(vec![third(), second()]).is_ok());
    for (entries, entry, peer) in [
        (vec![second(), third()], 1, key(2)),
        (vec![third(), third()], 1, key(2)),
        (vec![third(), second(), second()], 2, key(1)),
        (vec![own()], 0, key(0)),
        (vec![third(), own(), second()], 1, key(0)),
    ] {
        let refused = CheckpointError::EntryOrder { entry, peer };
        assert_eq!(read(entries), Err(refused));
    }
    let by_second = ThroughList::from_wire(vec![own()], key(1)).unwrap();
    assert_eq!(by_second.get(&key(0)), Some(&position(3, 0x03, None)));
}

#[test]
fn a_position_that_speaks_for_no_arc_is_not_listed() {
    let positions = [
        (key(1), position(17, 0x17, Some(KeyRanges::EMPTY))),
        (key(2), position(0, 0x0a, None)),
    ];
    let list: ThroughList = positions.into_iter().collect();
    assert_eq!(list.get(&key(1)), None);
    assert_eq!(list.to_wire().len(), 1);
    assert_eq!(read(list.to_wire()), Ok(list));
}

#[test]
fn a_position_speaks_for_the_arcs_that_it_lists() {
    let of_all = position(3, 3, None);
    let of_half = position(3, 3, Some(half().into()));
    assert!(of_all.speaks_for(KeyRange::WHOLE) && of_all.speaks_for(arc(1, 5)));
    assert!(of_half.speaks_for(half()) && of_half.speaks_for(arc(1, 5)));
    assert!(!of_half.speaks_for(KeyRange::WHOLE) && !of_half.speaks_for(arc(0x70, 0x90)));
}

#[test]
fn the_whole_circle_of_a_position_is_written_from_zero() {
    let entries = [arc(0, 0), arc(7, 7)].map(|circle| {
        let circle = Some(circle.into());
        entry(1, position(17, 0x17, circle))
    });
    assert_eq!(entries[0], entries[1]);
    assert!(read(entries[..1].to_vec()).is_ok());
}

#[test]
fn the_root_of_no_positions_is_the_hash_of_nothing() {
    let none = ThroughList::default();
    assert!(none.is_empty() && !through().is_empty());
    assert_eq!(none.root(), Id::of(&[]));
    assert_ne!(through().root(), none.root());
}
