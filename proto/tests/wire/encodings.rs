//! Encodings: values with several accepted encodings, and refused values.

use std::ops::Range;

use bytes::Bytes;
use kittengrad_proto::{
    block::{Block, BlockError, Header, HeaderError, Item, ItemError},
    identity::{Heartbeat, Identity, IdentityError, State},
    link::{LinkError, Message},
    namespace::Overlay,
    receipt::{Receipt, ReceiptError},
    signed::{Ed25519, Kind, Signed, SigningKey},
    transaction::{Transaction, TransactionError},
    wire,
};
use prost::encoding::encode_varint;

use crate::samples::{
    WORLD, genesis, heartbeat, identity, messages, minimal, ordinary, overlay, receipt, updates,
};

/// A field of 32 bits or fewer, as its number and value say.
pub(crate) fn number(field: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_varint(u64::from(field << 3), &mut out);
    encode_varint(value, &mut out);
    out
}

/// A field of bytes, text, or another message.
pub(crate) fn content(field: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_varint(u64::from(field << 3 | 2), &mut out);
    encode_varint(value.len() as u64, &mut out);
    [&out, value].concat()
}

/// `message` with a field behind it that no reader knows, which makes it `bytes` long.
pub(crate) fn padded(message: &[u8], bytes: usize) -> Bytes {
    let room = bytes - message.len();
    let padding = |bytes| content(1_000, &vec![0; bytes]);
    let head = padding(room).len() - room;
    let padded = [message, &padding(room - head)].concat();
    assert_eq!(padded.len(), bytes, "the head is as long for a little less");
    padded.into()
}

/// The byte ranges of the fields of a message.
pub(crate) fn fields(message: &[u8]) -> Vec<Range<usize>> {
    let mut rest = message;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let start = message.len() - rest.len();
        let (_, wire_type) = prost::encoding::decode_key(&mut rest).unwrap();
        let bytes = prost::encoding::decode_varint(&mut rest).unwrap();
        if wire_type == prost::encoding::WireType::LengthDelimited {
            rest = &rest[usize::try_from(bytes).unwrap()..];
        }
        found.push(start..message.len() - rest.len());
    }
    found
}

fn sign(kind: Kind, body: Vec<u8>, key: &SigningKey) -> wire::Signed {
    Signed::new(kind, body.into(), key).to_wire()
}

fn by_publisher(body: Vec<u8>) -> Result<Transaction, TransactionError> {
    Transaction::from_wire(
        Some(sign(Kind::Transaction, body, &WORLD.publisher.key)),
        overlay(),
    )
}

fn by_peer(kind: Kind, body: Vec<u8>) -> wire::Signed {
    sign(kind, body, &WORLD.peers[0].key)
}

/// Unknown fields, which later versions may add and today's readers ignore.
const UNKNOWN: [&[u8]; 3] = [
    &[0xf8, 0x3f, 1],
    &[0xfa, 0x3f, 3, b'n', b'e', b'w'],
    &[0xf2, 0x3f, 0],
];

fn with_unknown(body: &[u8]) -> Vec<u8> {
    [body, UNKNOWN[0], UNKNOWN[1], UNKNOWN[2]].concat()
}

#[test]
fn a_transaction_has_no_unknown_and_no_duplicate_field() {
    let sample = minimal();
    let body = sample.signed().body().to_vec();
    assert_eq!(by_publisher(body.clone()), Ok(sample));
    let digest = [0xc1; 32];
    let entry = content(10, &[content(1, &digest), number(2, 1)].concat());
    let before_entry = body.strip_suffix(&entry[..]).unwrap();
    let with_entry = |inner: &[Vec<u8>]| [before_entry, &content(10, &inner.concat())].concat();
    let cases = [
        ("an unknown number", [&body[..], UNKNOWN[0]].concat()),
        ("unknown bytes", [&body[..], UNKNOWN[1]].concat()),
        (
            "its publisher twice",
            [&body[..], &content(4, WORLD.publisher.public.as_bytes())].concat(),
        ),
        ("its policy twice", [&body[..], &number(6, 1)].concat()),
        ("an empty stamp", [&body[..], &content(9, b"")].concat()),
        (
            "its version in two bytes",
            [&[8, 0x81, 0], &body[2..]].concat(),
        ),
        (
            "a version beyond 32 bits",
            [&number(1, (1 << 32) + 1), &body[2..]].concat(),
        ),
        (
            "no updates, spelled out",
            with_entry(&[content(1, &digest), number(2, 1), content(3, b"")]),
        ),
        (
            "more in an entry",
            with_entry(&[content(1, &digest), number(2, 1), number(4, 1)]),
        ),
        (
            "a canonical twice",
            with_entry(&[content(1, &digest), content(1, &digest), number(2, 1)]),
        ),
    ];
    for (what, body) in cases {
        let refused = by_publisher(body);
        assert!(
            matches!(refused, Err(TransactionError::Malformed(_))),
            "{what}: {refused:?}"
        );
    }
}

#[test]
fn one_meaning_in_another_order_is_another_transaction() {
    let sample = updates();
    let body = sample.signed().body();
    let turned = fields(body)
        .into_iter()
        .rev()
        .flat_map(|field| body[field].to_vec())
        .collect();
    // Entries are ordered, and thus turned with the fields around them.
    assert!(matches!(
        by_publisher(turned),
        Err(TransactionError::Entry { entry: 1, .. })
    ));
    let [version, rest @ ..] = &fields(body)[..] else {
        panic!()
    };
    let turned = [&body[rest[0].start..], &body[version.clone()]].concat();
    let found = by_publisher(turned).unwrap();
    assert_eq!(found.verify(&Ed25519), Ok(()));
    assert_eq!(found.entries(), sample.entries());
    assert_ne!(found.id(), sample.id());
}

#[test]
fn what_later_versions_add_is_skipped_everywhere_else() {
    let overlay = overlay();
    let header = genesis().header;
    let signed = by_peer(Kind::Block, with_unknown(header.signed().body()));
    let found = Header::from_wire(Some(signed), overlay).unwrap();
    assert_eq!(found.verify(&Ed25519), Ok(()));
    assert_eq!(
        (found.peer, found.items_root, found.fork),
        (header.peer, header.items_root, header.fork)
    );

    let sample = identity(7, State::Active);
    let signed = by_peer(Kind::Identity, with_unknown(sample.signed().body()));
    let found = Identity::from_wire(Some(signed), overlay).unwrap();
    assert!(found.verify(&WORLD.root, &Ed25519).is_ok());
    assert_eq!((found.seq, found.addresses), (sample.seq, sample.addresses));

    let signed = by_peer(Kind::Heartbeat, with_unknown(heartbeat().signed().body()));
    let found = Heartbeat::from_wire(Some(signed), overlay).unwrap();
    assert_eq!(found.verify(&Ed25519), Ok(()));
    assert_eq!(found.head, heartbeat().head);

    let found = Receipt::decode(with_unknown(&receipt().encode()).into(), overlay);
    assert_eq!(found, Ok(receipt()));
    for (name, message) in messages() {
        let more = with_unknown(&message.encode(overlay));
        assert_eq!(Message::decode(more.into(), overlay), Ok(message), "{name}");
    }
}

#[test]
fn an_item_has_one_encoding() {
    for bytes in genesis().items.iter().chain(&ordinary().items) {
        assert!(Item::decode(bytes).is_ok());
        let twice = [&bytes[..], &bytes[..]].concat();
        for other in [with_unknown(bytes), twice] {
            let refused = Item::decode(&other.into());
            assert!(
                matches!(refused, Err(ItemError::Malformed(_) | ItemError::Holds(_))),
                "{refused:?}"
            );
        }
    }
}

#[test]
fn a_version_that_is_not_known_is_refused_by_name() {
    let overlay = overlay();
    let version_2 = |body: &[u8]| [&[8, 2], &body[2..]].concat();
    let version_3 = |body: &[u8]| [&[8, 3], &body[2..]].concat();
    let body = version_2(minimal().signed().body());
    assert_eq!(by_publisher(body), Err(TransactionError::Version(2)));
    let signed = by_peer(Kind::Block, version_3(genesis().header.signed().body()));
    assert_eq!(
        Header::from_wire(Some(signed), overlay),
        Err(HeaderError::Version(3))
    );
    let signed = by_peer(
        Kind::Identity,
        version_2(identity(7, State::Active).signed().body()),
    );
    assert_eq!(
        Identity::from_wire(Some(signed), overlay),
        Err(IdentityError::Version(2))
    );
    let signed = by_peer(Kind::Heartbeat, version_2(heartbeat().signed().body()));
    assert_eq!(
        Heartbeat::from_wire(Some(signed), overlay),
        Err(IdentityError::Version(2))
    );
    let refused = Receipt::decode(version_2(&receipt().encode()).into(), overlay);
    assert!(
        matches!(refused, Err(ReceiptError::Malformed(_))),
        "{refused:?}"
    );
}

#[test]
fn kinds_that_are_not_known_are_refused() {
    for kind in [content(6, b""), Vec::new()] {
        let refused = Item::decode(&Bytes::from(kind));
        assert!(
            matches!(refused, Err(ItemError::Malformed(_))),
            "{refused:?}"
        );
    }
    for kind in [content(9, b""), Vec::new()] {
        let refused = Message::decode(kind.into(), overlay());
        assert!(
            matches!(refused, Err(LinkError::Malformed(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn nothing_signed_for_one_overlay_is_taken_in_another() {
    let namespace = Overlay {
        namespace: "other".parse().unwrap(),
        ..overlay().clone()
    };
    let network = Overlay {
        network: minimal().id(),
        ..overlay().clone()
    };
    for other in [&namespace, &network] {
        let wire = Some(minimal().signed().to_wire());
        let refused = Transaction::from_wire(wire, other).unwrap_err();
        assert!(matches!(refused, TransactionError::Foreign(_)));
        let refused =
            Header::from_wire(Some(genesis().header.signed().to_wire()), other).unwrap_err();
        assert!(matches!(refused, HeaderError::Foreign(_)));
        let wire = Some(identity(7, State::Active).signed().to_wire());
        let refused = Identity::from_wire(wire, other).unwrap_err();
        assert!(matches!(refused, IdentityError::Foreign(_)));
        let refused =
            Heartbeat::from_wire(Some(heartbeat().signed().to_wire()), other).unwrap_err();
        assert!(matches!(refused, IdentityError::Foreign(_)));
        assert!(Receipt::decode(receipt().encode().into(), other).is_err());
        for (name, message) in messages() {
            let taken = Message::decode(message.encode(overlay()).into(), other);
            // Of the others nothing is signed; the link itself belongs to one overlay.
            let is_bare = matches!(name, "push-result.refused" | "follow" | "fetch");
            assert_eq!(taken.is_ok(), is_bare, "{name}");
        }
    }
}

#[test]
fn a_body_of_one_kind_does_not_pass_for_another() {
    let kinds = [
        Kind::Transaction,
        Kind::Block,
        Kind::Identity,
        Kind::Heartbeat,
        Kind::Chain,
    ];
    let key = &WORLD.peers[0].key;
    for made in kinds {
        let wire = sign(made, b"body".to_vec(), key);
        for read in kinds {
            let signed = Signed::from_wire(read, Some(wire.clone()), 4).unwrap();
            let is_genuine = signed.verify(&WORLD.peers[0].public, &Ed25519).is_ok();
            assert_eq!(is_genuine, read == made, "{made:?} read as {read:?}");
            assert_eq!(signed.id() == made.id(b"body"), read == made);
        }
    }
}

#[test]
fn a_block_has_exactly_the_items_that_its_header_signs() {
    let sample = ordinary();
    let header = || Some(sample.header.signed().to_wire());
    let read = |items: Vec<Bytes>| Block::from_wire(header(), items, Vec::new(), overlay());
    assert_eq!(read(sample.items.clone()), Ok(sample.clone()));
    let mut turned = sample.items.clone();
    turned.swap(0, 1);
    assert_eq!(read(turned), Err(BlockError::Root { height: 1 }));
    let mut encoded_again = sample.items.clone();
    encoded_again[0] = with_unknown(&sample.items[0]).into();
    assert_eq!(read(encoded_again), Err(BlockError::Root { height: 1 }));
    let more = read([&sample.items[..], &sample.items[..1]].concat());
    assert_eq!(
        more,
        Err(BlockError::Count {
            height: 1,
            found: 4,
            said: 3
        })
    );
    let fewer = read(sample.items[1..].to_vec());
    assert_eq!(
        fewer,
        Err(BlockError::Count {
            height: 1,
            found: 2,
            said: 3
        })
    );
}
