//! Messages of links say what their senders know, and name what they lack.

use bytes::Bytes;
use kittengrad_proto::{
    block::{BlockError, HeaderError},
    certificate::CertificateError,
    error::ErrorCode,
    id::{Id, IdError},
    identity::IdentityError,
    limits::ERROR_MESSAGE_BYTES_MAX,
    link::{Hello, LinkError, Message, PushRefusal},
    receipt::ReceiptError,
    signed::SignedError,
    signed_head::SignedHead,
    wire::{self, link_message::Kind},
};
use prost::Message as _;

use crate::samples::{TIME_MS, heartbeat, messages, ordinary, overlay, prove, push, updates};

fn read(kind: Kind) -> Result<Message, LinkError> {
    let message = wire::LinkMessage { kind: Some(kind) };
    Message::decode(message.encode_to_vec().into(), overlay())
}

fn hello() -> Hello {
    match messages().swap_remove(0) {
        (_, Message::Hello(hello)) => *hello,
        (name, _) => panic!("{name}"),
    }
}

fn as_sent(hello: Hello) -> wire::Hello {
    let bytes = Message::Hello(Box::new(hello)).encode(overlay());
    match wire::LinkMessage::decode(&bytes[..]).unwrap().kind {
        Some(Kind::Hello(hello)) => hello,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hello_says_what_its_sender_knows() {
    for (is_settled, is_open) in [(false, false), (false, true), (true, false), (true, true)] {
        let sample = Hello {
            head: None,
            seen: Some(SignedHead::Heartbeat(Box::new(heartbeat()))),
            is_settled,
            is_open,
            time_ms: TIME_MS + 1,
            ..hello()
        };
        let sent = as_sent(sample.clone());
        assert_eq!((sent.settled, sent.open), (is_settled, is_open));
        let expected = Message::Hello(Box::new(sample));
        assert_eq!(read(Kind::Hello(sent)), Ok(expected));
    }
    let new = Hello {
        seen: None,
        ..hello()
    };
    let expected = Message::Hello(Box::new(new.clone()));
    assert_eq!(read(Kind::Hello(as_sent(new))), Ok(expected));
}

#[test]
fn a_message_with_a_part_of_a_name_is_refused() {
    let names = |bytes: usize| Bytes::from(vec![7; bytes]);
    let fetch = |bytes| Kind::Fetch(wire::Fetch { ids: names(bytes) });
    assert_eq!(
        read(fetch(64)),
        Ok(Message::Fetch(vec![Id::new([7; 32]); 2]))
    );
    let bodies = wire::Bodies {
        bodies: Vec::new(),
        missing: names(33),
    };
    let result = wire::PushResult {
        id: names(33),
        ..wire::PushResult::default()
    };
    let to_ring = wire::Hello {
        ring: names(33),
        ..as_sent(hello())
    };
    let head = wire::Head {
        hash: names(33),
        ..ordinary().head().to_wire()
    };
    let frames = wire::Frames {
        blocks: Vec::new(),
        head: Some(head.clone()),
    };
    let with_head = wire::Hello {
        head: Some(head),
        ..as_sent(hello())
    };
    let refused = IdError::Length {
        what: "an id",
        bytes: 33,
    };
    for kind in [
        fetch(33),
        Kind::Bodies(bodies),
        Kind::PushResult(result),
        Kind::Hello(to_ring),
        Kind::Frames(frames),
        Kind::Hello(with_head),
    ] {
        assert_eq!(read(kind), Err(refused.clone().into()));
    }
}

#[test]
fn a_message_without_its_signed_object_is_refused() {
    let missing = SignedError::Missing;
    let no_identity = LinkError::Identity(IdentityError::Signed(missing.clone()));
    let no_header = HeaderError::Signed(missing);
    let alive = Kind::Alive(wire::Alive { heartbeat: None });
    assert_eq!(read(alive), Err(no_identity.clone()));
    let hello = wire::Hello {
        identity: None,
        ..as_sent(hello())
    };
    assert_eq!(read(Kind::Hello(hello)), Err(no_identity));
    let frames = wire::Frames {
        blocks: vec![wire::Block::default()],
        head: None,
    };
    let refused = BlockError::Header(no_header.clone());
    assert_eq!(read(Kind::Frames(frames)), Err(refused.into()));
    let proof = wire::ItemProof {
        header: None,
        ..prove(&ordinary(), 0).to_wire()
    };
    let result = wire::PushResult {
        proofs: vec![proof],
        ..pushed(None)
    };
    let refused = ReceiptError::Header(no_header);
    assert_eq!(read(Kind::PushResult(result)), Err(refused.into()));
    let push = wire::Push {
        transaction: Some(push().transaction.signed().to_wire()),
        records: Vec::new(),
        chain: Some(wire::Chain {
            version: 1,
            certificates: vec![Bytes::from_static(b"leaf")],
        }),
    };
    let refused = CertificateError::Count(1);
    assert_eq!(read(Kind::Push(push)), Err(refused.into()));
}

fn pushed(refusal: Option<(wire::ErrorCode, &str)>) -> wire::PushResult {
    let refusal = refusal.map(|(code, message)| wire::PushRefusal {
        code: code.into(),
        message: message.to_owned(),
    });
    wire::PushResult {
        id: Bytes::copy_from_slice(updates().id().as_bytes()),
        refusal,
        proofs: Vec::new(),
    }
}

#[test]
fn a_result_with_a_reason_is_a_refusal_beside_any_proof() {
    let outcome = |result| match read(Kind::PushResult(result)) {
        Ok(Message::PushResult(result)) => result.outcome,
        other => panic!("{other:?}"),
    };
    let proof = prove(&ordinary(), 0);
    let with_proof = |refusal| wire::PushResult {
        proofs: vec![proof.to_wire()],
        ..pushed(refusal)
    };
    assert_eq!(outcome(with_proof(None)), Ok(vec![proof.clone()]));
    assert_eq!(outcome(pushed(None)), Ok(Vec::new()));
    let full = Some((wire::ErrorCode::DiskFull, "full"));
    let expected = PushRefusal::new(ErrorCode::DiskFull, "full");
    assert_eq!(outcome(with_proof(full)), Err(expected));
    let nothing = Some((wire::ErrorCode::Unspecified, ""));
    let expected = PushRefusal::new(ErrorCode::Internal, "");
    assert_eq!(outcome(with_proof(nothing)), Err(expected));
}

#[test]
fn a_reason_to_refuse_is_read_up_to_its_limit() {
    let read = |bytes| {
        let long = "x".repeat(bytes);
        let refusal = (wire::ErrorCode::DiskFull, long.as_str());
        read(Kind::PushResult(pushed(Some(refusal))))
    };
    assert!(read(ERROR_MESSAGE_BYTES_MAX).is_ok());
    let why = "it has 1025 bytes of refusal, at most 1024 are allowed";
    let refused = LinkError::Malformed(why.to_owned());
    assert_eq!(read(ERROR_MESSAGE_BYTES_MAX + 1), Err(refused));
}
