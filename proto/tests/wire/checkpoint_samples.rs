//! Checkpoints, the lists beside them, and answers to questions: the state of the journal of `samples`.

use bytes::Bytes;
use kittengrad_proto::{
    block::{Block, Head},
    checkpoint::{Checkpoint, Holdings, Through, ThroughList},
    id::{Id, PublicKey},
    identity::{Beat, Heartbeat, HeartbeatFields, State, ring_id},
    limits::NONCE_BYTES,
    merkle::Tree,
    signed::{Kind, Signed},
    wire,
};
use kittengrad_ring::{KeyRange, KeyRanges, Point, Replicas};
use prost::Message as _;

use crate::samples::{TIME_MS, WORLD, genesis, half, ordinary, overlay, whole};

pub(crate) const NONCE: [u8; NONCE_BYTES] = [0x0e; NONCE_BYTES];

/// A field of a header that no version knows: number 1023, "new".
pub(crate) const UNKNOWN: [u8; 6] = [0xfa, 0x3f, 3, b'n', b'e', b'w'];

/// The arc between two points, each 32 times the same byte.
pub(crate) fn arc(from: u8, to: u8) -> KeyRange {
    KeyRange::new(Point::new([from; 32]), Point::new([to; 32]))
}

pub(crate) fn arcs(arcs: &[(u8, u8)]) -> KeyRanges {
    arcs.iter().map(|&(from, to)| arc(from, to)).collect()
}

/// The key of a peer of the world, from 0.
pub(crate) fn key(peer: usize) -> PublicKey {
    WORLD.peers[peer].public
}

/// The id of the ring of `objects.txt`.
pub(crate) fn ring() -> Id {
    let states = [State::Leaving, State::Joining, State::Active];
    let members = WORLD.peers.iter().zip(states);
    let members = members.map(|(peer, state)| (&peer.public, state));
    ring_id(Replicas::new(3).unwrap(), members)
}

pub(crate) fn position(height: u64, hash: u8, arcs: Option<KeyRanges>) -> Through {
    let head = Head {
        incarnation: TIME_MS,
        height,
        hash: Id::new([hash; 32]),
    };
    Through { head, arcs }
}

/// Positions in the journals of peer 3 and peer 2, ascending by key. The second one speaks for one arc only.
pub(crate) fn through() -> ThroughList {
    let third = position(0, 0x0a, None);
    let second = position(17, 0x17, Some(half().into()));
    [(key(1), second), (key(2), third)].into_iter().collect()
}

/// The hashes of the journal up to a height: 41 invented ones and the fork, the genesis, and the block after it.
fn hashes(height: u64) -> Vec<Id> {
    let invented = (0..41).map(|number| Id::new([number; 32]));
    let fork = genesis().header.fork.unwrap().hash;
    let own = [genesis().header.hash(), ordinary().header.hash()];
    let own = own.into_iter().take(usize::try_from(height).unwrap() + 1);
    invented.chain([fork]).chain(own).collect()
}

pub(crate) fn blocks_root(height: u64) -> Id {
    let hashes = hashes(height);
    Tree::new(hashes.iter().map(|hash| &hash.as_bytes()[..])).root()
}

pub(crate) fn checkpoint(height: u64, holds: Holdings, through: &ThroughList) -> Checkpoint {
    Checkpoint {
        height,
        ring: ring(),
        holds,
        blocks: hashes(height).len() as u64,
        blocks_root: blocks_root(height),
        through_root: through.root(),
    }
}

/// At height 0. The owner holds the whole circle, and nothing is settled.
pub(crate) fn early(through: &ThroughList) -> Checkpoint {
    let holds = Holdings::new(&whole().into(), &KeyRanges::EMPTY);
    checkpoint(0, holds, through)
}

/// At height 1. Half of the circle is settled.
pub(crate) fn later() -> Checkpoint {
    let holds = Holdings::new(&whole().into(), &half().into());
    checkpoint(1, holds, &through())
}

/// At height 1. Three arcs: one settled, the next one not, and one that runs on past zero.
pub(crate) fn cut() -> Checkpoint {
    let held = arcs(&[(0x10, 0x50), (0x50, 0x90), (0xd0, 0x08)]);
    let settled = arcs(&[(0x10, 0x50), (0xd0, 0x08)]);
    checkpoint(1, Holdings::new(&held, &settled), &through())
}

/// The second block of the journal with the early checkpoint, its list, and a field that nobody knows yet.
pub(crate) fn checkpointed() -> Block {
    let plain = ordinary();
    let mut body = wire::BlockHeader::decode(plain.header.signed().body().clone()).unwrap();
    body.checkpoint = Some(early(&through()).to_wire());
    let body = [body.encode_to_vec(), UNKNOWN.to_vec()].concat();
    let signed = Signed::new(Kind::Block, body.into(), &WORLD.peers[0].key).to_wire();
    let through = through().to_wire();
    Block::from_wire(Some(signed), plain.items, through, overlay()).unwrap()
}

fn answer(checkpoint: Option<Checkpoint>) -> Heartbeat {
    let fields = HeartbeatFields {
        head: ordinary().head(),
        time_ms: TIME_MS + 5,
        nonce: Some(NONCE),
        checkpoint,
    };
    Heartbeat::sign_fields(overlay(), fields, &WORLD.peers[0].key)
}

/// The answer to a question.
pub(crate) fn asked() -> Heartbeat {
    answer(None)
}

/// The same with a checkpoint and its list.
pub(crate) fn checkpointed_beat() -> Beat {
    Beat {
        heartbeat: answer(Some(later())),
        through: through(),
    }
}

/// The wire form of a position of a peer, as the list has it.
pub(crate) fn entry(peer: usize, position: Through) -> Bytes {
    let list: ThroughList = [(key(peer), position)].into_iter().collect();
    list.to_wire().remove(0)
}
