//! Noise: arbitrary bytes and texts that come close to what decoders expect, and changes to valid bytes.

use kittengrad_proto::id::RecordId;
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{
    checkpoint_samples::{checkpointed, checkpointed_beat},
    encodings::{content, number},
    samples::overlay,
};

/// One change to bytes, at a place given as a share of their length.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
}

pub(crate) fn changes() -> impl Strategy<Value = Change> {
    // Tags, lengths and numbers that mean something.
    let telling = prop::sample::select(vec![0, 1, 2, 8, 10, 18, 26, 32, 34, 64, 127, 128, 255]);
    let byte = prop_oneof![any::<u8>(), telling];
    prop_oneof![
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), parts(1)).prop_map(|(at, part)| Change::Insert(at, part)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, bytes)| Change::Remove(at, bytes)),
        (any::<Index>(), 1..90_usize).prop_map(|(at, bytes)| Change::Repeat(at, bytes)),
        any::<Index>().prop_map(Change::Cut),
    ]
}

impl Change {
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        match self {
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Self::Set(at, byte) => bytes[at.index(length)] = *byte,
            Self::Insert(at, new) => {
                let at = at.index(length);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = at.index(length);
                bytes.drain(at..length.min(at + count));
            }
            Self::Repeat(at, count) => {
                let at = at.index(length);
                let piece = bytes[at..length.min(at + count)].to_vec();
                bytes.splice(at..at, piece);
            }
            Self::Cut(at) => bytes.truncate(at.index(length)),
        }
    }
}

/// A field with a small number: a number, 0 to 80 bytes, or fields again.
pub(crate) fn parts(depth: u32) -> BoxedStrategy<Vec<u8>> {
    let sizes = prop::sample::select(vec![0, 1, 16, 32, 64, 80]);
    let bytes = sizes.prop_flat_map(|size| vec(any::<u8>(), size));
    let numbers = prop_oneof![0..4_u64, any::<u64>()];
    let leaf = prop_oneof![
        (1..13_u32, numbers).prop_map(|(field, value)| number(field, value)),
        (1..13_u32, bytes).prop_map(|(field, value)| content(field, &value)),
        (1..13_u32).prop_map(|field| content(field, b"works")),
        (1..4_u32).prop_map(|field| content(field, overlay().network.as_bytes())),
    ];
    leaf.prop_recursive(depth, 64, 8, |inner| {
        (1..13_u32, vec(inner, 0..8)).prop_map(|(field, inner)| content(field, &inner.concat()))
    })
    .boxed()
}

/// Arbitrary bytes that are a protobuf message of the right version, more often than not.
pub(crate) fn messages_of_any_kind() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => vec(any::<u8>(), 0..300),
        2 => vec(parts(4), 0..12).prop_map(|parts| parts.concat()),
        2 => (1..3_u64, vec(parts(4), 0..12))
            .prop_map(|(version, parts)| [number(1, version), parts.concat()].concat()),
        // As the body of something signed.
        2 => (1..3_u64, vec(parts(3), 0..12)).prop_map(|(version, parts)| {
            let body = [number(1, version), parts.concat()].concat();
            [content(1, &body), content(2, &[7; 64])].concat()
        }),
        // As a second checkpoint of a header or heartbeat, which merges into the first one.
        1 => (any::<bool>(), vec(parts(3), 0..8)).prop_map(|(is_header, parts)| {
            let sample = match is_header {
                true => checkpointed().header.signed().body().clone(),
                false => checkpointed_beat().heartbeat.signed().body().clone(),
            };
            let field = if is_header { 12 } else { 8 };
            let body = [&sample[..], &content(field, &parts.concat())].concat();
            [content(1, &body), content(2, &[7; 64])].concat()
        }),
    ]
}

/// Texts that look like names, keys, CIDs and cursors.
pub(crate) fn texts() -> impl Strategy<Value = String> {
    let cursor = "([0-9a-f]{64}|[0-9a-fA-F]{63,65})/(0|[1-9][0-9]{0,20}|[0-9+-]{0,3})/(genesis|[0-9]{1,20})(\\+[0-9]{0,3})?";
    prop_oneof![
        "\\PC{0,80}",
        cursor,
        "[0-9a-f]{64}",
        "[a-z0-9-]{0,64}",
        any::<[u8; 32]>().prop_map(|digest| RecordId::new(digest).to_string()),
        any::<[u8; 32]>().prop_map(|digest| RecordId::new(digest).to_string().to_uppercase()),
    ]
}
