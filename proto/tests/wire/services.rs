//! Golden vectors of what is called over gRPC: one of each message, in a file that never changes.

use std::fmt::Debug;

use bytes::Bytes;
use kittengrad_proto::{
    error::{ErrorCode, ErrorDetail, Responsible},
    id::RecordId,
    identity::State,
    wire::{self, subscribe_request::From},
};
use prost::Message;

use crate::{
    golden::{check, cursors, read},
    samples::{
        TIME_MS, WORLD, heartbeat, identity, ordinary, overlay, push, receipt, record, updates,
    },
};

const SERVICES: &str = include_str!("../../testdata/services.txt");

/// A message by its name: encoded, and read and encoded again.
fn sample<M: Message + Default + PartialEq + Debug>(
    name: &'static str,
    message: &M,
) -> (&'static str, String) {
    let bytes = message.encode_to_vec();
    assert_eq!(M::decode(&bytes[..]).as_ref(), Ok(message), "{name}");
    (name, hex::encode(bytes))
}

fn key(peer: usize) -> Bytes {
    Bytes::copy_from_slice(WORLD.peers[peer].public.as_bytes())
}

fn names(bytes: &[u8]) -> Bytes {
    RecordId::concat(&bytes.iter().map(|byte| record(*byte)).collect::<Vec<_>>())
}

fn member() -> wire::Signed {
    identity(7, State::Active).signed().to_wire()
}

fn store() -> Vec<(&'static str, String)> {
    let (namespace, push) = ("works".to_owned(), push());
    let submit = wire::SubmitRequest {
        namespace: namespace.clone(),
        transaction: Some(push.transaction.signed().to_wire()),
        records: push.records,
        chain: push.chain.map(|chain| chain.to_wire()),
        ack: wire::Ack::All.into(),
        receipt: true,
    };
    let submitted = wire::SubmitResponse {
        id: Bytes::copy_from_slice(updates().id().as_bytes()),
        added: Bytes::from_static(&[3]),
        block: Some(ordinary().header.head().to_wire()),
        synced: vec![key(0), key(1)],
        acknowledged: true,
        receipt: Some(receipt().to_wire()),
        created: names(&[0xc1]),
    };
    let lookup = wire::LookupRequest {
        namespace: namespace.clone(),
        canonicals: names(&[0xc1, 0xc2]),
        records: true,
        after: names(&[0x33]),
    };
    let set = |canonical, updates: &[u8], more| wire::Set {
        canonical: names(&[canonical]),
        exists: !updates.is_empty(),
        updates: names(updates),
        record: Bytes::from_static(b"record"),
        records: updates
            .iter()
            .map(|byte| Bytes::from(vec![*byte]))
            .collect(),
        more,
    };
    let found = wire::LookupResponse {
        peer: key(0),
        head: Some(ordinary().header.head().to_wire()),
        sets: vec![set(0xc1, &[0x33, 0x44], true), set(0xc2, &[], false)],
        chains: vec![WORLD.publisher.chain.to_wire()],
    };
    let get = wire::GetRecordRequest {
        namespace,
        digests: names(&[0x33, 0x44]),
    };
    let got = wire::GetRecordResponse {
        records: vec![Bytes::from_static(b"record"), Bytes::new()],
    };
    vec![
        sample("submit.request", &submit),
        sample("submit.response", &submitted),
        sample("lookup.request", &lookup),
        sample("lookup.response", &found),
        sample("get-record.request", &get),
        sample("get-record.response", &got),
    ]
}

fn routing() -> Vec<(&'static str, String)> {
    let namespace = "works".to_owned();
    let get_ring = wire::GetRingRequest {
        namespace: namespace.clone(),
    };
    let status = wire::MemberStatus {
        key: key(1),
        state: "settled".to_owned(),
        head: Some(ordinary().header.head().to_wire()),
    };
    let ring = wire::GetRingResponse {
        namespace: namespace.clone(),
        network: Bytes::copy_from_slice(overlay().network.as_bytes()),
        replicas: 3,
        members: vec![member()],
        statuses: vec![status],
        aggregators: vec![member()],
        policy: 1,
        cells: Vec::new(),
    };
    let route = wire::RouteRequest {
        namespace,
        canonicals: names(&[0xc1]),
    };
    let replicas = vec![wire::Replicas {
        canonical: names(&[0xc1]),
        peers: vec![member()],
    }];
    vec![
        sample("get-ring.request", &get_ring),
        sample("get-ring.response", &ring),
        sample("route.request", &route),
        sample("route.response", &wire::RouteResponse { replicas }),
    ]
}

fn journal() -> Vec<(&'static str, String)> {
    let namespace = "works".to_owned();
    let subscribe = |from| wire::SubscribeRequest {
        namespace: namespace.clone(),
        bodies: wire::WithBodies::Records.into(),
        no_follow: true,
        from: Some(from),
        head: None,
    };
    let get_blocks = wire::GetBlocksRequest {
        namespace: namespace.clone(),
        incarnation: TIME_MS,
        from_height: 42,
        limit: 10,
        bodies: wire::WithBodies::Transactions.into(),
    };
    let block = wire::FrameBlock {
        header: Some(ordinary().header.signed().to_wire()),
        items: ordinary().items,
        bodies: Vec::new(),
        offset: 5,
        through: Vec::new(),
    };
    let blocks = vec![block];
    let get_head = wire::GetHeadRequest {
        namespace: namespace.clone(),
        nonce: Bytes::new(),
    };
    let head = wire::GetHeadResponse {
        heartbeat: Some(heartbeat().signed().to_wire()),
        incarnations: vec![TIME_MS - 1_000, TIME_MS],
        elements: 12,
        chain: Some(WORLD.peers[0].chain.to_wire()),
        through: Vec::new(),
    };
    let cursor = cursors()[1].1.cursor.to_wire();
    vec![
        sample("subscribe.cursor", &subscribe(From::Cursor(cursor))),
        sample("subscribe.genesis", &subscribe(From::Genesis(true))),
        sample("subscribe.now", &subscribe(From::Now(true))),
        sample("get-blocks.request", &get_blocks),
        sample("get-blocks.response", &wire::GetBlocksResponse { blocks }),
        sample("get-head.request", &get_head),
        sample("get-head.response", &head),
    ]
}

fn detail() -> ErrorDetail {
    let responsible = Responsible {
        canonical: record(0xc1),
        peers: vec![identity(7, State::Active)],
    };
    ErrorDetail {
        code: ErrorCode::NotResponsible,
        hint: "ask one of the peers named".to_owned(),
        retry_after_ms: None,
        responsible: vec![responsible],
    }
}

/// An error that waiting may end.
fn busy() -> ErrorDetail {
    ErrorDetail {
        retry_after_ms: Some(1_500),
        ..ErrorDetail::new(ErrorCode::Overloaded)
    }
}

/// The errors in the file: their names, messages and details.
fn errors() -> [(&'static str, &'static str, ErrorDetail); 2] {
    [
        ("error.not-responsible", "another peer has it", detail()),
        ("error.overloaded", "no room", busy()),
    ]
}

#[test]
fn calls_have_the_bytes_that_they_always_had() {
    let mut made = store();
    made.extend(routing());
    made.extend(journal());
    let errors = errors().map(|(name, why, detail)| (name, hex::encode(detail.encode(why))));
    made.extend(errors);
    check(SERVICES, &made);
}

#[test]
fn an_error_in_the_file_means_what_it_always_meant() {
    let vectors = read(SERVICES);
    for (expected, _, detail) in errors() {
        let mut found = vectors.iter().filter(|(name, _)| name == expected);
        let bytes = hex::decode(&found.next().unwrap().1).unwrap();
        assert_eq!(ErrorDetail::decode(&bytes, overlay()), Ok(detail));
    }
}

#[test]
fn codes_are_the_names_and_numbers_that_they_always_were() {
    let codes = ErrorCode::ALL
        .map(|code| format!("{code} {} {}", code.to_wire() as i32, code.grpc_status()));
    let expected = [
        "NOT_RESPONSIBLE 1 9",
        "FILLING 2 14",
        "STARTING 3 14",
        "CHAIN_UNKNOWN 4 9",
        "INVALID 5 3",
        "NOT_FRESH 6 9",
        "UNKNOWN_CANONICAL 7 5",
        "OVERLOADED 8 8",
        "DISK_FULL 9 8",
        "TOO_LARGE 10 3",
        "WRONG_NAMESPACE 11 9",
        "INTERNAL 12 13",
    ];
    assert_eq!(codes, expected);
}
