//! Questions, answers, and the calls that wait for one.

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_node_core::{Refusal, Submitted};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{block::Head, error::ErrorCode, id::RecordId};

use crate::{host::Node, publisher::Publication};

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    /// To take a transaction; with its certificates or without.
    Submit {
        said: Publication,
        ack: Ack,
        chain: bool,
    },
    /// For the sets of some canonicals, with their records or without.
    Lookup {
        canonicals: Vec<RecordId>,
        records: bool,
    },
    /// For some records.
    Records(Vec<RecordId>),
}

/// What comes back.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A transaction was taken.
    Submitted(Box<Submitted>),
    /// Sets.
    Looked(Box<Looked>),
    /// Records, as far as they are there.
    Records(Vec<Bytes>),
    /// No, and why.
    Refused(ErrorCode),
    /// Nobody is there.
    Unreachable,
    /// Nothing came in time.
    TimedOut,
}

/// What a replica has.
#[derive(Debug, Clone)]
pub(crate) struct Looked {
    pub(crate) head: Head,
    /// One for each canonical.
    pub(crate) sets: Vec<Option<Vec<RecordId>>>,
    pub(crate) records: BTreeMap<RecordId, Bytes>,
}

/// Who is told of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Somebody who waits for several answers.
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
    /// The process that has it.
    pub(crate) at: Option<u64>,
}

/// All calls that wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) calls: BTreeMap<u64, Call>,
    pub(crate) count: u64,
}

/// Why a core refused, in a word.
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
