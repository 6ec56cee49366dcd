//! Those who wait for answers of several replicas.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kittengrad_client_core::{
    merge::{Consistency, Reply},
    routing::{Call, Health},
};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::id::{PublicKey, RecordId};

use crate::{host::Node, publisher::Publication};

/// What somebody wants.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    /// That a transaction is taken.
    Put { said: Publication, ack: Ack },
    /// To know the set of a canonical.
    Get {
        canonical: RecordId,
        consistency: Consistency,
    },
    /// The records of canonicals that an indexer lacks; at the aggregator, as the last resort.
    Absent {
        canonicals: Vec<RecordId>,
        is_last: bool,
    },
}

/// Somebody who waits for answers.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) node: Node,
    pub(crate) call: Call,
    pub(crate) purpose: Purpose,
    pub(crate) began_us: u64,
    /// How many faults there had been, if none lasted.
    pub(crate) faults: Option<u64>,
    pub(crate) running: BTreeMap<u64, PublicKey>,
    pub(crate) replies: Vec<Reply>,
    pub(crate) records: BTreeMap<RecordId, Bytes>,
    pub(crate) due_us: u64,
}

/// All who wait, and what each learnt about replicas.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    pub(crate) asks: BTreeMap<u64, Ask>,
    pub(crate) count: u64,
    pub(crate) health: BTreeMap<Node, Health>,
    /// Who was sent whose certificates.
    pub(crate) told: BTreeSet<(Node, PublicKey)>,
}
