//! Asks: questions to several replicas, and their state.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kittengrad_client_core::{
    merge::{Consistency, Reply},
    routing::{Call, Health},
};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::id::{PublicKey, RecordId};

use crate::{host::Node, publisher::Publication};

/// The purpose of an ask.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    /// To write a transaction.
    Put { publication: Publication, ack: Ack },
    /// To read the set of a canonical.
    Get {
        canonical: RecordId,
        consistency: Consistency,
    },
    /// To read the records of canonicals that an indexer lacks; from the aggregator as the last resort.
    Absent {
        canonicals: Vec<RecordId>,
        is_last: bool,
    },
}

/// A question to several replicas that waits for their answers.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) node: Node,
    pub(crate) call: Call,
    pub(crate) purpose: Purpose,
    pub(crate) began_us: u64,
    /// The number of faults at the start, if none lasted then.
    pub(crate) faults: Option<u64>,
    pub(crate) running: BTreeMap<u64, PublicKey>,
    pub(crate) replies: Vec<Reply>,
    pub(crate) records: BTreeMap<RecordId, Bytes>,
    pub(crate) due_us: u64,
}

/// All asks that wait, and the health of replicas as each process knows it.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    pub(crate) asks: BTreeMap<u64, Ask>,
    pub(crate) count: u64,
    pub(crate) health: BTreeMap<Node, Health>,
    /// Pairs of a process and a peer that has the certificates of its publisher.
    pub(crate) told: BTreeSet<(Node, PublicKey)>,
}
