//! Errors of calls and pushes: their standard form, and readers of less, of more and of something else.

use bytes::Bytes;
use kittengrad_proto::{
    error::{DetailError, ErrorCode, ErrorDetail},
    id::Id,
    limits::{
        ERROR_DETAILS_MAX, ERROR_HINT_BYTES_MAX, ERROR_MESSAGE_BYTES_MAX, RETRY_AFTER_MS_MAX,
    },
    link::{Message as Link, PushRefusal, PushResult},
    rpc, wire,
};
use proptest::{collection::vec, prelude::*, sample::select};
use prost::Message;
use prost_types::{Any, Duration};

use crate::{noise::parts, samples::overlay};

/// A detail with the name of its type.
fn packed(name: &str, value: Vec<u8>) -> Any {
    let type_url = format!("type.googleapis.com/{name}");
    Any { type_url, value }
}

fn info(domain: &str, reason: &str) -> Any {
    let info = rpc::ErrorInfo {
        reason: reason.to_owned(),
        domain: domain.to_owned(),
        ..rpc::ErrorInfo::default()
    };
    packed("google.rpc.ErrorInfo", info.encode_to_vec())
}

fn ours(code: i32) -> Any {
    let detail = wire::ErrorDetail {
        code,
        ..wire::ErrorDetail::default()
    };
    packed("kittengrad.v1.ErrorDetail", detail.encode_to_vec())
}

fn retry(seconds: i64, nanos: i32) -> Any {
    let retry_delay = Some(Duration { seconds, nanos });
    let retry = rpc::RetryInfo { retry_delay };
    packed("google.rpc.RetryInfo", retry.encode_to_vec())
}

fn read(code: i32, details: Vec<Any>) -> Result<ErrorDetail, DetailError> {
    let status = rpc::Status {
        code,
        message: "why".to_owned(),
        details,
    };
    ErrorDetail::decode(&status.encode_to_vec(), overlay())
}

#[test]
fn a_standard_client_reads_cause_and_time_to_wait() {
    for code in ErrorCode::ALL {
        let detail = ErrorDetail::new(code);
        let bytes = detail.encode("the message");
        let status = rpc::Status::decode(bytes).unwrap();
        assert_eq!(status.code, code.grpc_status());
        assert_eq!(status.message, "the message");
        let mut expected = vec![info("kittengrad", code.as_str())];
        expected.extend(
            code.retry_after_ms()
                .map(|ms| retry((ms / 1_000).try_into().unwrap(), 0)),
        );
        let (last, first) = status.details.split_last().unwrap();
        assert_eq!(first, expected);
        let found = wire::ErrorDetail::decode(last.value.as_slice()).unwrap();
        assert_eq!(found.code(), code.to_wire());
        assert_eq!(found.hint, detail.hint);
    }
}

#[test]
fn the_most_telling_part_that_is_known_names_the_code() {
    const DISK_FULL: i32 = wire::ErrorCode::DiskFull as i32;
    const UNKNOWN: i32 = 1_000;
    let named = info("kittengrad", "FILLING");
    let foreign = info("example.org", "FILLING");
    let newer = info("kittengrad", "TOO_NEW");
    for (status, details, expected) in [
        (3, vec![named.clone(), ours(DISK_FULL)], ErrorCode::DiskFull),
        (3, vec![named.clone(), ours(UNKNOWN)], ErrorCode::Filling),
        (3, vec![named.clone(), ours(0)], ErrorCode::Filling),
        (3, vec![named.clone()], ErrorCode::Filling),
        (3, vec![foreign.clone()], ErrorCode::Invalid),
        (8, vec![newer.clone(), ours(UNKNOWN)], ErrorCode::Overloaded),
        (14, vec![newer, ours(UNKNOWN)], ErrorCode::Internal),
        (14, vec![foreign], ErrorCode::Internal),
        (9, Vec::new(), ErrorCode::Invalid),
        (1_000, Vec::new(), ErrorCode::Internal),
        (-1, vec![named, ours(-1)], ErrorCode::Filling),
    ] {
        let shown = format!("{status} {details:?}");
        let found = read(status, details).unwrap();
        assert_eq!(found.code, expected, "{shown}");
        assert_eq!(found.hint, expected.hint(), "{shown}");
        assert_eq!(found.retry_after_ms, None, "{shown}");
    }
}

#[test]
fn details_of_other_software_are_skipped() {
    let unknown = packed("google.rpc.Help", vec![0xff; 100]);
    let elsewhere = Any {
        type_url: "example.org/types/kittengrad.v1.ErrorDetail".to_owned(),
        ..ours(wire::ErrorCode::Filling.into())
    };
    let found = read(3, vec![unknown.clone(), elsewhere]).unwrap();
    assert_eq!(found.code, ErrorCode::Filling);
    let nameless = Any::default();
    let found = read(3, vec![unknown, nameless]).unwrap();
    assert_eq!(found.code, ErrorCode::Invalid);
}

#[test]
fn a_status_has_a_bounded_number_of_details() {
    let many = |count| read(3, vec![packed("google.rpc.Help", Vec::new()); count]);
    assert!(many(ERROR_DETAILS_MAX).is_ok());
    let why = format!("{} details", ERROR_DETAILS_MAX + 1);
    assert_eq!(
        many(ERROR_DETAILS_MAX + 1),
        Err(DetailError::Malformed(why))
    );
}

#[test]
fn noise_and_success_are_no_error() {
    for bytes in [&b""[..], b"\xff\xff", &[0x12, 1, b'x']] {
        let found = ErrorDetail::decode(bytes, overlay());
        assert!(matches!(found, Err(DetailError::Malformed(_))), "{found:?}");
    }
    let broken = packed("kittengrad.v1.ErrorDetail", vec![0xff]);
    assert!(matches!(
        read(3, vec![broken]),
        Err(DetailError::Malformed(_))
    ));
}

#[test]
fn a_time_to_wait_is_rounded_up_and_bounded() {
    for ((seconds, nanos), expected) in [
        ((0, 0), Some(0)),
        ((0, 1), Some(1)),
        ((1, 500_000_000), Some(1_500)),
        ((1, 500_000_001), Some(1_501)),
        ((0, i32::MAX), Some(2_148)),
        ((i64::MAX, i32::MAX), Some(RETRY_AFTER_MS_MAX)),
        ((-1, 0), None),
        ((0, -1), None),
        ((i64::MIN, i32::MIN), None),
    ] {
        let found = read(14, vec![retry(seconds, nanos)]).unwrap();
        assert_eq!(found.retry_after_ms, expected, "{seconds} s {nanos} ns");
    }
    let endless = packed("google.rpc.RetryInfo", Vec::new());
    assert_eq!(read(14, vec![endless]).unwrap().retry_after_ms, None);
}

#[test]
fn a_long_hint_is_cut_between_characters() {
    let detail = wire::ErrorDetail {
        hint: format!("x{}", "ü".repeat(ERROR_HINT_BYTES_MAX)),
        ..wire::ErrorDetail::default()
    };
    let detail = packed("kittengrad.v1.ErrorDetail", detail.encode_to_vec());
    let found = read(3, vec![detail]).unwrap();
    assert_eq!(found.hint.len(), ERROR_HINT_BYTES_MAX - 1);
}

/// The refusal that arrives.
fn arrived(refusal: wire::PushRefusal) -> PushRefusal {
    let result = wire::PushResult {
        id: Bytes::copy_from_slice(Id::ZERO.as_bytes()),
        refusal: Some(refusal),
        proofs: Vec::new(),
    };
    let kind = Some(wire::link_message::Kind::PushResult(result));
    let bytes = wire::LinkMessage { kind }.encode_to_vec();
    match Link::decode(bytes.into(), overlay()) {
        Ok(Link::PushResult(result)) => result.outcome.unwrap_err(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_push_is_refused_with_code_and_words() {
    let after_travelling = |code, words: &str| {
        let outcome = Err(PushRefusal::new(code, words));
        let id = Id::ZERO;
        let sent = Link::PushResult(PushResult { id, outcome }).encode(overlay());
        match Link::decode(sent.into(), overlay()) {
            Ok(Link::PushResult(result)) => result.outcome.unwrap_err(),
            other => panic!("{other:?}"),
        }
    };
    for code in ErrorCode::ALL {
        for words in ["", "the disk is full"] {
            let expected = PushRefusal::new(code, words);
            assert_eq!(after_travelling(code, words), expected);
        }
    }
    let long = "ü".repeat(ERROR_MESSAGE_BYTES_MAX);
    let cut = after_travelling(ErrorCode::DiskFull, &long).message;
    assert_eq!(cut, "ü".repeat(ERROR_MESSAGE_BYTES_MAX / 2));
}

#[test]
fn a_push_refused_by_a_newer_replica_failed_there() {
    for code in [-1, 0, 1_000] {
        let message = "why".to_owned();
        let found = arrived(wire::PushRefusal { code, message });
        assert_eq!(found, PushRefusal::new(ErrorCode::Internal, "why"));
    }
}

prop_compose! {
    /// A status with details of known and unknown names and arbitrary content.
    fn statuses()(
        code in any::<i32>(),
        message in "\\PC{0,40}",
        details in vec((select(NAMES), vec(parts(3), 0..4)), 0..6),
    ) -> rpc::Status {
        let details = details.into_iter().map(|(name, parts)| packed(name, parts.concat()));
        rpc::Status { code, message, details: details.collect() }
    }
}

const NAMES: &[&str] = &[
    "google.rpc.ErrorInfo",
    "google.rpc.RetryInfo",
    "google.rpc.Help",
    "kittengrad.v1.ErrorDetail",
    "",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn any_status_is_read_as_one_error_or_refused(status in statuses()) {
        let bytes = status.encode_to_vec();
        if let Ok(found) = ErrorDetail::decode(&bytes, overlay()) {
            let again = ErrorDetail::decode(&found.encode(&status.message), overlay());
            prop_assert_eq!(again, Ok(found));
        }
    }
}
