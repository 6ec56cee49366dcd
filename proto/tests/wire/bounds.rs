//! Bounds: sizes, counts and memory that decoders hold to, and numbers at the end of their range.

use std::sync::Arc;

use bytes::Bytes;
use kittengrad_proto::{
    block::{Head, Header, HeaderError, Item, ItemError},
    certificate::CertificateError,
    cursor::Cursor,
    error::{DetailError, ErrorCode, ErrorDetail},
    id::Id,
    identity::{Heartbeat, Identity, IdentityError, State},
    limits::{
        BLOCK_ITEMS_MAX, ERROR_STATUS_BYTES_MAX, FETCH_MAX, GET_BLOCKS_MAX, HEADER_BYTES_MAX,
        HEARTBEAT_BYTES_MAX, IDENTITY_BYTES_MAX, ITEM_BYTES_MAX, MESSAGE_BYTES_MAX, PROOFS_MAX,
        SIGNED_HEAD_BYTES_MAX, SUBMISSION_RECORDS_MAX, TRANSACTION_BYTES_MAX,
    },
    link::{Frames, LinkError, Message, Push, PushResult},
    receipt::{Receipt, ReceiptError},
    signed::{Ed25519, Kind, Signed, SignedError},
    signed_head::SignedHead,
    transaction::{Envelope, Transaction, TransactionError},
    wire,
};
use prost::Message as _;

use crate::{
    encodings::{content, padded},
    samples::{
        WORLD, adds, block, envelope, fields, identity, minimal, ordinary, overlay, prove, push,
    },
};

fn sent(message: &Message) -> Result<Message, LinkError> {
    Message::decode(message.encode(overlay()).into(), overlay())
}

fn check_taken(message: &Message) {
    assert_eq!(sent(message).as_ref(), Ok(message));
}

/// A message is refused because it has too many of `what`.
fn check_too_many(what: &str, taken: Result<Message, LinkError>) {
    match taken {
        Err(LinkError::Malformed(why)) => {
            assert!(why.contains(&format!(" {what}, at most")), "{what}: {why}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

/// A message whose only content is `part`, nested as `path` says, as often as fits into a megabyte.
fn many(path: &[u32], part: &[u8]) -> Bytes {
    let (last, above) = path.split_last().unwrap();
    let parts = content(*last, part).repeat((1 << 20) / (part.len() + 2));
    above
        .iter()
        .rev()
        .fold(parts, |inner, field| content(*field, &inner))
        .into()
}

#[test]
fn messages_with_too_many_parts_are_refused_undecoded() {
    let cases: [(&str, &[u32]); 14] = [
        ("records of a push", &[2, 2]),
        ("certificates of a push", &[2, 3, 2]),
        ("proofs", &[3, 3]),
        ("blocks", &[5, 1]),
        ("items of a block", &[5, 1, 2]),
        ("positions of a block", &[5, 1, 4]),
        ("bodies", &[7, 1]),
        ("records of a body", &[7, 1, 2]),
        ("certificates of a body", &[7, 1, 3, 2]),
        ("chains that are merged into one", &[2, 3]),
        ("pushes that are merged into one", &[2]),
        ("results that are merged into one", &[3]),
        ("frames that are merged into one", &[5]),
        ("bodies that are merged into one", &[7]),
    ];
    for (what, path) in cases {
        match Message::decode(many(path, b""), overlay()) {
            Err(LinkError::Malformed(why)) => assert!(why.contains("more parts"), "{what}: {why}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    let receipts: [(&str, &[u32]); 6] = [
        ("cells", &[4]),
        ("peers of a cell", &[4, 2]),
        ("confirmations", &[5]),
        ("proofs of a peer", &[5, 3]),
        ("certificates of a peer", &[5, 2, 2]),
        ("chains that are merged into one", &[5, 2]),
    ];
    for (what, path) in receipts {
        match Receipt::decode(many(path, b""), overlay()) {
            Err(ReceiptError::Malformed(why)) => {
                assert!(why.contains("more parts"), "{what}: {why}")
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn checkpoints_with_too_many_parts_are_refused_undecoded() {
    // About as many as fit into a header or heartbeat.
    let many = |part: &[u8]| part.repeat(16_000);
    let signed = |kind, field| {
        let inside = content(field, &many(&content(4, b"")));
        let merged = many(&content(field, b""));
        [inside, merged].map(|body| {
            let signed = Signed::new(kind, body.into(), &WORLD.peers[0].key);
            Some(signed.to_wire())
        })
    };
    for wire in signed(Kind::Block, 12) {
        match Header::from_wire(wire, overlay()) {
            Err(HeaderError::Malformed(why)) => assert!(why.contains("more parts"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    for wire in signed(Kind::Heartbeat, 8) {
        match Heartbeat::from_wire(wire, overlay()) {
            Err(IdentityError::Malformed(why)) => assert!(why.contains("more parts"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_largest_honest_messages_are_taken() {
    let smallest = Bytes::from(vec![0xa0; 60]);
    let records = vec![smallest; SUBMISSION_RECORDS_MAX];
    check_taken(&Message::Push(Push { records, ..push() }));
    let bodies = vec![
        Push {
            records: Vec::new(),
            chain: None,
            ..push()
        };
        FETCH_MAX
    ];
    check_taken(&Message::Bodies {
        bodies,
        missing: vec![Id::ZERO; FETCH_MAX],
    });
    check_taken(&Message::Fetch(vec![Id::ZERO; FETCH_MAX]));
    let items = vec![adds(&minimal(), &[true]); BLOCK_ITEMS_MAX];
    let full = block(&WORLD.peers[0], 1, Id::ZERO, &items);
    let frames = |blocks| Message::Frames(Frames { blocks, head: None });
    check_taken(&frames(vec![full.clone()]));
    check_taken(&frames(vec![ordinary(); GET_BLOCKS_MAX as usize]));
    let outcome = Ok(vec![prove(&full, BLOCK_ITEMS_MAX - 1); PROOFS_MAX]);
    check_taken(&Message::PushResult(PushResult {
        id: minimal().id(),
        outcome,
    }));
}

#[test]
fn messages_beyond_a_limit_are_refused() {
    let records = vec![Bytes::from(vec![0xa0; 60]); SUBMISSION_RECORDS_MAX + 1];
    check_too_many("records", sent(&Message::Push(Push { records, ..push() })));
    check_too_many("ids", sent(&Message::Fetch(vec![Id::ZERO; FETCH_MAX + 1])));
    let bodies = vec![
        Push {
            records: Vec::new(),
            chain: None,
            ..push()
        };
        FETCH_MAX + 1
    ];
    check_too_many(
        "bodies",
        sent(&Message::Bodies {
            bodies,
            missing: Vec::new(),
        }),
    );
    let missing = vec![Id::ZERO; FETCH_MAX + 1];
    check_too_many(
        "ids",
        sent(&Message::Bodies {
            bodies: Vec::new(),
            missing,
        }),
    );
    let blocks = vec![ordinary(); GET_BLOCKS_MAX as usize + 1];
    check_too_many(
        "blocks",
        sent(&Message::Frames(Frames { blocks, head: None })),
    );
    let outcome = Ok(vec![prove(&ordinary(), 0); PROOFS_MAX + 1]);
    check_too_many(
        "proofs",
        sent(&Message::PushResult(PushResult {
            id: minimal().id(),
            outcome,
        })),
    );
}

#[test]
fn messages_and_details_are_read_up_to_their_size_limit() {
    let message = Message::Fetch(vec![Id::ZERO]);
    let read = |bytes| Message::decode(padded(&message.encode(overlay()), bytes), overlay());
    assert_eq!(read(MESSAGE_BYTES_MAX).as_ref(), Ok(&message));
    let beyond = MESSAGE_BYTES_MAX + 1;
    let why = format!("it has {beyond} bytes");
    assert_eq!(read(beyond), Err(LinkError::Malformed(why)));

    let detail = ErrorDetail::new(ErrorCode::Overloaded);
    let read = |bytes| ErrorDetail::decode(&padded(&detail.encode("why"), bytes), overlay());
    assert_eq!(read(ERROR_STATUS_BYTES_MAX).as_ref(), Ok(&detail));
    let beyond = ERROR_STATUS_BYTES_MAX + 1;
    let why = format!("it has {beyond} bytes");
    assert_eq!(read(beyond), Err(DetailError::Malformed(why)));
}

#[test]
fn a_stored_head_is_read_up_to_its_size_limit() {
    let head = SignedHead::Header(Box::new(ordinary().header));
    let read = |bytes| SignedHead::decode(padded(&head.encode(), bytes), overlay());
    assert_eq!(read(SIGNED_HEAD_BYTES_MAX).as_ref(), Ok(&head));
    let refused = read(SIGNED_HEAD_BYTES_MAX + 1);
    assert!(
        matches!(refused, Err(IdentityError::Malformed(_))),
        "{refused:?}"
    );
}

#[test]
fn bodies_beyond_their_size_are_refused_unread() {
    let signed =
        |kind, bytes| Some(Signed::new(kind, vec![0; bytes].into(), &WORLD.peers[0].key).to_wire());
    let too_large = |bytes, max| SignedError::TooLarge { bytes, max };
    let max = TRANSACTION_BYTES_MAX;
    let refused = Transaction::from_wire(signed(Kind::Transaction, max + 1), overlay());
    assert_eq!(refused, Err(too_large(max + 1, max).into()));
    let max = HEADER_BYTES_MAX;
    let refused = Header::from_wire(signed(Kind::Block, max + 1), overlay());
    assert_eq!(refused, Err(too_large(max + 1, max).into()));
    let max = IDENTITY_BYTES_MAX;
    let refused = Identity::from_wire(signed(Kind::Identity, max + 1), overlay());
    assert_eq!(refused, Err(too_large(max + 1, max).into()));
    let max = HEARTBEAT_BYTES_MAX;
    let refused = Heartbeat::from_wire(signed(Kind::Heartbeat, max + 1), overlay());
    assert_eq!(refused, Err(too_large(max + 1, max).into()));
    let item = Bytes::from(vec![0; ITEM_BYTES_MAX + 1]);
    assert_eq!(
        Item::decode(&item),
        Err(ItemError::TooLarge(ITEM_BYTES_MAX + 1))
    );
}

#[test]
fn times_at_the_end_of_their_range_do_not_overflow() {
    let holder = WORLD.publisher.chain.verify(&WORLD.root, &Ed25519).unwrap();
    for created_ms in [0, u64::MAX] {
        let late = Envelope {
            created_ms,
            ..envelope(1)
        };
        let entries = minimal().entries().to_vec();
        let sample = Transaction::sign(overlay(), &late, entries, &WORLD.publisher.key).unwrap();
        assert_eq!(sample.envelope().created_ms, created_ms);
        let refused = holder.check_at(created_ms).unwrap_err();
        let is_early = matches!(refused, CertificateError::NotYetValid { .. });
        assert_eq!(is_early, created_ms == 0, "{refused}");
    }
    let (mut fields, _) = fields(0, Id::ZERO, &[]);
    (fields.incarnation, fields.height, fields.time_ms) = (u64::MAX, u64::MAX, u64::MAX);
    let header = Header::sign(overlay(), &fields, &WORLD.peers[0].key);
    let head = header.head();
    assert_eq!(
        Header::from_wire(Some(header.signed().to_wire()), overlay()),
        Ok(header)
    );
    assert_eq!(
        head,
        Head {
            incarnation: u64::MAX,
            height: u64::MAX,
            hash: head.hash
        }
    );
    let beat = Heartbeat::sign(overlay(), head, u64::MAX, &WORLD.peers[0].key);
    assert_eq!(
        Heartbeat::from_wire(Some(beat.signed().to_wire()), overlay()),
        Ok(beat)
    );
    let last = identity(u64::MAX, State::Leaving);
    assert_eq!(
        Identity::decode(last.signed().encode().into(), overlay()),
        Ok(last)
    );
    let journal = WORLD.peers[0].public;
    let cursor = Cursor {
        journal,
        incarnation: u64::MAX,
        height: Some(u64::MAX),
    };
    assert_eq!(cursor.next_height(), u64::MAX);
    assert_eq!(cursor.to_string().parse(), Ok(cursor));
    let gap = Item::Gap {
        incarnation: u64::MAX,
        from_height: u64::MAX,
    };
    assert_eq!(Item::decode(&gap.encode()), Ok(gap));
}

#[test]
fn a_push_names_what_it_is_for() {
    let bare = wire::LinkMessage {
        kind: Some(wire::link_message::Kind::Push(wire::Push {
            transaction: None,
            records: Vec::new(),
            chain: None,
        })),
    };
    let refused = Message::decode(bare.encode_to_vec().into(), overlay());
    let missing = TransactionError::Signed(SignedError::Missing);
    assert_eq!(refused, Err(LinkError::Transaction(missing)));
    let shared = Arc::new(minimal());
    check_taken(&Message::Push(Push {
        transaction: shared,
        records: Vec::new(),
        chain: None,
    }));
}
