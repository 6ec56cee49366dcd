//! Questions, answers, and the calls that wait for one.

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_node_core::{Refusal, Submitted};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{block::Head, error::ErrorCode, id::RecordId};

use crate::{host::Node, publisher::Publication};

/// The question of a call.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    /// Takes a transaction, with or without its certificates.
    Submit {
        publication: Publication,
        ack: Ack,
        chain: bool,
    },
    /// Reads the sets of some canonicals, with or without their records.
    Lookup {
        canonicals: Vec<RecordId>,
        records: bool,
    },
    /// Reads some records.
    Records(Vec<RecordId>),
}

/// The answer to a call.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The outcome of a transaction that was taken.
    Submitted(Box<Submitted>),
    /// Sets.
    Looked(Box<Looked>),
    /// The records that are present.
    Records(Vec<Bytes>),
    /// A refusal with its code.
    Refused(ErrorCode),
    /// The process is down.
    Unreachable,
    /// No answer came in time.
    TimedOut,
}

/// The answer of a replica to a lookup.
#[derive(Debug, Clone)]
pub(crate) struct Looked {
    pub(crate) head: Head,
    /// One set for each canonical.
    pub(crate) sets: Vec<Option<Vec<RecordId>>>,
    pub(crate) records: BTreeMap<RecordId, Bytes>,
}

/// The receiver of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// An ask to several replicas, by its number.
    Ask(u64),
    /// The aggregator, which fetches records.
    Fetch,
}

/// A call that waits for an answer.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) from: Node,
    pub(crate) from_run: u64,
    pub(crate) to: Node,
    pub(crate) question: Question,
    pub(crate) by: By,
    /// The process that handles the question.
    pub(crate) at: Option<u64>,
}

/// All calls that wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) calls: BTreeMap<u64, Call>,
    pub(crate) count: u64,
}

/// The error code of a core's refusal.
pub(crate) const fn code_of(refusal: &Refusal) -> ErrorCode {
    match refusal {
        Refusal::NotResponsible(_) => ErrorCode::NotResponsible,
        Refusal::Starting(_) | Refusal::Clock(_) => ErrorCode::Starting,
        Refusal::UnknownCanonical(_) => ErrorCode::UnknownCanonical,
        Refusal::DiskFull => ErrorCode::DiskFull,
        Refusal::Overloaded => ErrorCode::Overloaded,
        Refusal::Internal(_) => ErrorCode::Internal,
    }
}
