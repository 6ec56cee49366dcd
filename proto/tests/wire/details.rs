//! Details of failed calls: as many responsible peers as fit, and nothing malformed.

use kittengrad_proto::{
    error::{DetailError, ErrorCode, ErrorDetail, Responsible},
    id::IdError,
    identity::{IdentityError, State},
    limits::{ERROR_HINT_BYTES_MAX, ERROR_STATUS_BYTES_MAX},
    rpc, wire,
};
use prost::Message as _;
use prost_types::Any;

use crate::samples::{identity, minimal, overlay, record};

fn responsible(canonical: u8, peers: usize) -> Responsible {
    Responsible {
        canonical: record(canonical),
        peers: vec![identity(7, State::Active); peers],
    }
}

fn detail(responsible: Vec<Responsible>) -> ErrorDetail {
    ErrorDetail {
        responsible,
        ..ErrorDetail::new(ErrorCode::NotResponsible)
    }
}

/// The responsible peers that arrive.
fn arrived(sent: Vec<Responsible>) -> Vec<Responsible> {
    let bytes = detail(sent).encode("why");
    assert!(bytes.len() <= ERROR_STATUS_BYTES_MAX);
    ErrorDetail::decode(&bytes, overlay()).unwrap().responsible
}

fn fits(peers: usize) -> bool {
    let others = detail(Vec::new()).encode("why").len();
    let replicas = responsible(0xc1, peers).to_wire().encoded_len();
    others + replicas <= ERROR_STATUS_BYTES_MAX
}

#[test]
fn a_refusal_names_as_many_responsible_peers_as_fit() {
    let found = arrived(vec![responsible(0xc1, 13)]);
    let named = found[0].peers.len();
    assert!((1..13).contains(&named), "{named}");
    assert!(fits(named) && !fits(named + 1), "{named}");

    let full = responsible(0xc1, named);
    let alone = vec![full.clone()];
    assert_eq!(arrived(alone.clone()), alone);
    // The second canonical has no room for a peer, and nothing may come after it.
    let sent = vec![full, responsible(0xc2, 1), responsible(0xc3, 0)];
    assert_eq!(arrived(sent), alone);
    let both = vec![responsible(0xc1, 1), responsible(0xc2, 1)];
    assert_eq!(arrived(both.clone()), both);
    let nobody = vec![responsible(0xc1, 1), responsible(0xc2, 0)];
    assert_eq!(arrived(nobody.clone()), nobody);
}

#[test]
fn a_detail_has_the_hint_of_its_code_or_a_short_one() {
    for code in ErrorCode::ALL {
        let found = ErrorDetail::decode(&ErrorDetail::new(code).encode("why"), overlay()).unwrap();
        assert_eq!((found.code, &found.hint[..]), (code, code.hint()));
    }
    let long = ErrorDetail {
        hint: "ü".repeat(1_000),
        ..ErrorDetail::new(ErrorCode::Internal)
    };
    let found = ErrorDetail::decode(&long.encode("why"), overlay()).unwrap();
    assert_eq!(found.hint, "ü".repeat(ERROR_HINT_BYTES_MAX / 2));
}

#[test]
fn a_detail_is_refused_for_its_malformed_part() {
    let sample = responsible(0xc1, 1).to_wire();
    let read = |responsible| {
        let code = ErrorCode::NotResponsible;
        let detail = wire::ErrorDetail {
            code: code.to_wire().into(),
            hint: String::new(),
            responsible,
        };
        let detail = Any {
            type_url: "type.googleapis.com/kittengrad.v1.ErrorDetail".to_owned(),
            value: detail.encode_to_vec(),
        };
        let status = rpc::Status {
            code: code.grpc_status(),
            message: String::new(),
            details: vec![detail],
        };
        ErrorDetail::decode(&status.encode_to_vec(), overlay())
    };
    assert!(read(vec![sample.clone()]).is_ok());
    let nameless = IdError::Length {
        what: "a record's digest",
        bytes: 0,
    };
    let empty = wire::Replicas::default();
    assert_eq!(read(vec![empty; 1_000]), Err(nameless.into()));

    let mut other = sample;
    other.peers = vec![minimal().signed().to_wire()];
    let refused = read(vec![other]);
    assert!(
        matches!(
            refused,
            Err(DetailError::Identity(IdentityError::Malformed(_)))
        ),
        "{refused:?}"
    );
}
