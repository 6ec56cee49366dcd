//! Checkpoints: each rule that one may break, and the blocks that it may describe.

use bytes::Bytes;
use kittengrad_proto::{
    block::{Head, Header, HeaderError, Item},
    checkpoint::{Checkpoint, CheckpointError, Holdings, ThroughList},
    id::{Id, IdError},
    identity::{Heartbeat, HeartbeatFields, IdentityError},
    limits::{HEADER_BYTES_MAX, HEARTBEAT_BYTES_MAX, HOLD_ARCS_MAX},
    signed::{Kind, Signed},
    wire,
};
use kittengrad_ring::{KeyRange, KeyRanges, Point};
use prost::Message as _;

use crate::{
    checkpoint_samples::{arc, arcs, asked, checkpoint, cut, early, later},
    samples::{TIME_MS, WORLD, fields, half, heartbeat, ordinary, overlay, whole},
};

/// Reads the sample of height 1 after a change.
fn changed(change: impl FnOnce(&mut wire::Checkpoint)) -> Result<Checkpoint, CheckpointError> {
    let mut wire = later().to_wire();
    change(&mut wire);
    Checkpoint::from_wire(wire, Some(1))
}

fn holding(from: u8, to: u8, settled: bool) -> wire::Holding {
    let end = |byte: u8| Bytes::from(vec![byte; 32]);
    wire::Holding {
        arc: Some(wire::Arc {
            from: end(from),
            to: end(to),
        }),
        settled,
    }
}

/// An arc of a table: its ends, and `S` for settled or `F` for filling.
type Listed = (u8, u8, char);

fn read_holds(listed: &[Listed]) -> Result<Holdings, CheckpointError> {
    let holds = listed.iter();
    let holds = holds.map(|&(from, to, state)| holding(from, to, state == 'S'));
    let found = changed(|wire| wire.holds = holds.collect())?;
    Ok(found.holds)
}

#[test]
fn a_checkpoint_is_read_as_it_was_written() {
    let none = ThroughList::default();
    let nothing = checkpoint(1, Holdings::default(), &none);
    for sample in [early(&none), later(), cut(), nothing] {
        let found = Checkpoint::from_wire(sample.to_wire(), Some(1));
        assert_eq!(found, Ok(sample));
    }
}

/// The header of a block at a height, with a checkpoint of another height.
fn header(height: u64, described: u64) -> Result<Header, HeaderError> {
    let (mut fields, _) = fields(0, Id::ZERO, &[Item::Hold(half().into())]);
    fields.height = height;
    fields.checkpoint = Some(Checkpoint {
        height: described,
        blocks: u64::MAX,
        ..later()
    });
    let header = Header::sign(overlay(), &fields, &WORLD.peers[0].key);
    let found = Header::from_wire(Some(header.signed().to_wire()), overlay())?;
    assert_eq!(found, header);
    Ok(found)
}

#[test]
fn a_header_describes_blocks_before_its_own() {
    for (height, described) in [(1, 0), (2, 0), (2, 1), (u64::MAX, u64::MAX - 1)] {
        let found = header(height, described).unwrap();
        assert_eq!(found.checkpoint.unwrap().height, described);
    }
    for (height, described, last) in [
        (0, 0, None),
        (0, 7, None),
        (1, 1, Some(0)),
        (2, 2, Some(1)),
        (2, 9, Some(1)),
    ] {
        let above = CheckpointError::Above {
            height: described,
            last,
        };
        let refused = Err(HeaderError::Checkpoint(above));
        assert_eq!(
            header(height, described),
            refused,
            "{described} in {height}"
        );
    }
}

/// A heartbeat for a head at a height, with a checkpoint of another height.
fn beat(head: u64, described: u64) -> Result<Heartbeat, IdentityError> {
    let fields = HeartbeatFields {
        head: Head {
            height: head,
            ..ordinary().head()
        },
        time_ms: TIME_MS,
        nonce: None,
        checkpoint: Some(Checkpoint {
            height: described,
            blocks: u64::MAX,
            ..later()
        }),
    };
    let beat = Heartbeat::sign_fields(overlay(), fields, &WORLD.peers[0].key);
    let found = Heartbeat::from_wire(Some(beat.signed().to_wire()), overlay())?;
    assert_eq!(found, beat);
    Ok(found)
}

#[test]
fn a_heartbeat_describes_blocks_up_to_its_head() {
    for (head, described) in [(0, 0), (1, 0), (1, 1), (u64::MAX, u64::MAX - 1)] {
        let found = beat(head, described).unwrap();
        assert_eq!(found.checkpoint.unwrap().height, described);
    }
    for (head, height) in [(0, 1), (1, 2), (1, u64::MAX)] {
        let last = Some(head);
        let above = CheckpointError::Above { height, last };
        assert_eq!(beat(head, height), Err(IdentityError::Checkpoint(above)));
    }
}

#[test]
fn a_checkpoint_counts_every_block_up_to_its_height() {
    for blocks in [2, 3, u64::MAX] {
        let found = changed(|wire| wire.blocks = blocks).unwrap();
        assert_eq!(found.blocks, blocks);
    }
    for blocks in [0, 1] {
        let refused = CheckpointError::Blocks { height: 1, blocks };
        assert_eq!(changed(|wire| wire.blocks = blocks), Err(refused));
    }
    let end = changed(|wire| (wire.height, wire.blocks) = (0, 0));
    let refused = CheckpointError::Blocks {
        height: 0,
        blocks: 0,
    };
    assert_eq!(end, Err(refused));
}

#[test]
fn the_summary_of_a_set_is_reserved() {
    let full = wire::SetSummary {
        canonicals: 3,
        elements: 4,
        root: vec![0x5e; 32].into(),
    };
    for summary in [wire::SetSummary::default(), full] {
        let refused = changed(|wire| wire.set = Some(summary));
        assert_eq!(refused, Err(CheckpointError::Reserved));
    }
}

#[test]
fn a_checkpoint_names_ring_and_roots_in_32_bytes() {
    let cases: [fn(&mut wire::Checkpoint) -> &mut Bytes; 3] = [
        |wire| &mut wire.ring,
        |wire| &mut wire.blocks_root,
        |wire| &mut wire.through_root,
    ];
    for name in cases {
        for bytes in [0, 31, 33] {
            let what = "an id";
            let refused = CheckpointError::Id(IdError::Length { what, bytes });
            let found = changed(|wire| *name(wire) = vec![7; bytes].into());
            assert_eq!(found, Err(refused));
        }
        assert!(changed(|wire| *name(wire) = vec![7; 32].into()).is_ok());
    }
}

#[test]
fn held_arcs_are_read_in_their_one_order() {
    let cases: [&[Listed]; 14] = [
        &[],
        &[(1, 5, 'S')],
        &[(9, 1, 'F')],
        &[(0, 0, 'S')],
        &[(0, 0, 'F')],
        &[(1, 5, 'S'), (6, 9, 'S')],
        &[(1, 5, 'S'), (5, 9, 'F')],
        &[(1, 5, 'F'), (5, 9, 'S')],
        &[(1, 5, 'S'), (5, 1, 'F')],
        &[(1, 5, 'S'), (9, 0, 'S')],
        &[(0, 5, 'S'), (9, 0, 'F')],
        &[(1, 5, 'S'), (5, 9, 'F'), (9, 0, 'S')],
        &[(2, 5, 'S'), (7, 9, 'S'), (9, 1, 'F')],
        &[(1, 3, 'S'), (3, 5, 'F'), (5, 7, 'S'), (7, 1, 'F')],
    ];
    for listed in cases {
        let found = read_holds(listed).unwrap_or_else(|error| panic!("{listed:?}: {error}"));
        let of = |state| -> KeyRanges {
            let arcs = listed.iter().filter(|(_, _, other)| *other == state);
            arcs.map(|&(from, to, _)| arc(from, to)).collect()
        };
        assert_eq!((found.settled(), found.filling()), (&of('S'), &of('F')));
    }
}

#[test]
fn held_arcs_in_another_form_are_refused() {
    let cases: [(&str, &[Listed]); 19] = [
        ("descending", &[(5, 9, 'S'), (1, 4, 'S')]),
        ("descending, of two states", &[(5, 9, 'S'), (1, 4, 'F')]),
        ("overlapping", &[(1, 5, 'S'), (4, 9, 'S')]),
        ("overlapping, of two states", &[(1, 5, 'S'), (4, 9, 'F')]),
        ("one in the other", &[(1, 9, 'S'), (4, 5, 'F')]),
        ("twice", &[(1, 5, 'S'), (1, 5, 'S')]),
        ("of both states", &[(1, 5, 'S'), (1, 5, 'F')]),
        ("not merged", &[(1, 5, 'S'), (5, 9, 'S')]),
        ("filling, not merged", &[(1, 5, 'F'), (5, 9, 'F')]),
        ("not merged at zero", &[(0, 5, 'S'), (9, 0, 'S')]),
        ("not merged after zero", &[(2, 5, 'F'), (9, 2, 'F')]),
        ("a circle of two arcs", &[(1, 5, 'S'), (5, 1, 'S')]),
        ("past zero, and first", &[(9, 1, 'S'), (2, 5, 'S')]),
        (
            "past zero, and in the middle",
            &[(1, 3, 'S'), (9, 1, 'F'), (4, 5, 'S')],
        ),
        ("past zero, into the first", &[(1, 5, 'S'), (9, 2, 'F')]),
        ("past zero twice", &[(8, 1, 'S'), (9, 2, 'F')]),
        ("the circle, and an arc", &[(0, 0, 'S'), (1, 5, 'F')]),
        ("an arc, and the circle", &[(1, 5, 'S'), (0, 0, 'F')]),
        ("the circle twice", &[(0, 0, 'S'), (0, 0, 'F')]),
    ];
    for (what, listed) in cases {
        let refused = Err(CheckpointError::ArcOrder);
        assert_eq!(read_holds(listed), refused, "{what}");
    }
}

#[test]
fn the_whole_circle_is_written_from_zero() {
    for state in ['S', 'F'] {
        for end in [1, 0x80, 0xff] {
            let refused = read_holds(&[(end, end, state)]);
            let is_refused = matches!(refused, Err(CheckpointError::Arc(_)));
            assert!(is_refused, "from {end}: {refused:?}");
        }
    }
    // An owner that is alone holds the circle from the border of its cell.
    for circle in [whole(), arc(7, 7)] {
        let held = KeyRanges::from(circle);
        for settled in [&KeyRanges::EMPTY, &held] {
            let sample = checkpoint(1, Holdings::new(&held, settled), &ThroughList::default());
            let wire = sample.to_wire();
            assert_eq!(wire.holds.len(), 1);
            assert_eq!(wire.holds[0].arc, holding(0, 0, true).arc);
            assert_eq!(Checkpoint::from_wire(wire, Some(1)), Ok(sample));
        }
    }
}

type Change = fn(&mut wire::Holding);

#[test]
fn an_arc_that_lacks_a_part_is_refused_with_the_reason() {
    let cases: [(&str, Change); 5] = [
        ("it has no arc", |held| held.arc = None),
        ("a point has 0 bytes, not 32", |held| {
            held.arc = Some(wire::Arc::default());
        }),
        ("a point has 31 bytes, not 32", |held| {
            held.arc.as_mut().unwrap().from.truncate(31);
        }),
        ("a point has 16 bytes, not 32", |held| {
            held.arc.as_mut().unwrap().to.truncate(16);
        }),
        ("a point has 33 bytes, not 32", |held| {
            held.arc.as_mut().unwrap().to = vec![9; 33].into();
        }),
    ];
    for (why, change) in cases {
        let mut last = holding(6, 9, true);
        change(&mut last);
        let refused = changed(|wire| wire.holds = vec![holding(1, 5, true), last]);
        assert_eq!(refused, Err(CheckpointError::Arc(why.to_owned())));
    }
}

/// So many arcs that do not touch.
fn many(count: u32) -> KeyRanges {
    let point = |number: u32| {
        let mut point = [0xee; 32];
        point[..4].copy_from_slice(&number.to_be_bytes());
        Point::new(point)
    };
    let arcs = (0..count).map(|number| KeyRange::new(point(2 * number), point(2 * number + 1)));
    arcs.collect()
}

#[test]
fn a_checkpoint_has_the_arcs_that_an_owner_may_hold() {
    let most = u32::try_from(HOLD_ARCS_MAX).unwrap();
    let with = |count| {
        checkpoint(
            1,
            Holdings::new(&many(count), &many(count)),
            &ThroughList::default(),
        )
    };
    let full = with(most);
    assert_eq!(
        Checkpoint::from_wire(full.to_wire(), Some(1)),
        Ok(full.clone())
    );
    let refused = Checkpoint::from_wire(with(most + 1).to_wire(), Some(1));
    assert_eq!(refused, Err(CheckpointError::TooManyArcs(401)));

    // With the longest numbers, it fits into a header and into a heartbeat.
    let largest = Checkpoint {
        height: u64::MAX - 1,
        blocks: u64::MAX,
        ..full
    };
    let (mut fields, _) = fields(0, Id::ZERO, &[]);
    (fields.incarnation, fields.height, fields.time_ms) = (u64::MAX, u64::MAX, u64::MAX);
    fields.checkpoint = Some(largest.clone());
    let header = Header::sign(overlay(), &fields, &WORLD.peers[0].key);
    assert!(header.signed().body().len() <= HEADER_BYTES_MAX);
    let found = Header::from_wire(Some(header.signed().to_wire()), overlay());
    assert_eq!(found.as_ref(), Ok(&header));
    let fields = HeartbeatFields {
        head: header.head(),
        time_ms: u64::MAX,
        nonce: Some([0xff; 16]),
        checkpoint: Some(largest),
    };
    let beat = Heartbeat::sign_fields(overlay(), fields, &WORLD.peers[0].key);
    assert!(beat.signed().body().len() <= HEARTBEAT_BYTES_MAX);
    let found = Heartbeat::from_wire(Some(beat.signed().to_wire()), overlay());
    assert_eq!(found, Ok(beat));
}

#[test]
fn a_refused_checkpoint_says_what_it_may_describe() {
    let above = |last| CheckpointError::Above { height: 5, last }.to_string();
    let expected = "checkpoint describes block 5; it may describe blocks up to 4";
    assert_eq!(above(Some(4)), expected);
    let expected = "checkpoint describes block 5; the first block cannot have one";
    assert_eq!(above(None), expected);
}

#[test]
fn a_nonce_has_16_bytes_or_none() {
    let with = |nonce: &[u8]| {
        let mut body = wire::Heartbeat::decode(heartbeat().signed().body().clone()).unwrap();
        body.nonce = Bytes::copy_from_slice(nonce);
        let body = body.encode_to_vec().into();
        let signed = Signed::new(Kind::Heartbeat, body, &WORLD.peers[0].key);
        Heartbeat::from_wire(Some(signed.to_wire()), overlay())
    };
    assert_eq!(with(&[]), Ok(heartbeat()));
    assert_eq!(with(&[0x0e; 16]), Ok(asked()));
    let zeros = with(&[0; 16]).unwrap();
    assert_eq!(zeros.nonce, Some([0; 16]), "a nonce of zeros is not none");
    for bytes in [1, 15, 17, 32] {
        let refused = with(&vec![0x0e; bytes]);
        assert_eq!(refused, Err(IdentityError::Nonce(bytes)));
    }
}

#[test]
fn holdings_are_split_into_settled_and_filling_arcs() {
    let held = arcs(&[(0x10, 0x50), (0xd0, 0x08)]);
    for (settled, expected, filling) in [
        (arcs(&[]), arcs(&[]), held.clone()),
        (KeyRanges::whole(), held.clone(), arcs(&[])),
        (
            arcs(&[(0x20, 0x30)]),
            arcs(&[(0x20, 0x30)]),
            arcs(&[(0x10, 0x20), (0x30, 0x50), (0xd0, 0x08)]),
        ),
        (
            arcs(&[(0x90, 0x40)]),
            arcs(&[(0x10, 0x40), (0xd0, 0x08)]),
            arcs(&[(0x40, 0x50)]),
        ),
        (arcs(&[(0x90, 0xa0)]), arcs(&[]), held.clone()),
    ] {
        let holds = Holdings::new(&held, &settled);
        assert_eq!((holds.settled(), holds.filling()), (&expected, &filling));
        assert_eq!(holds.held(), held);
    }
}
