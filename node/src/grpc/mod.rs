//! What a peer answers over gRPC, beside its journal.

mod fresh;
mod routing;
mod store;

use std::{ops::Deref, sync::Arc};

use kittengrad_node_core::Status;
use kittengrad_proto::{id::PublicKey, namespace::Overlay};
use kittengrad_service::views::Views;
use kittengrad_store::RocksStore;
use tokio::sync::{mpsc, watch};

use crate::{driver::Command, verify::Verifying};

/// The services of one peer. Clones are the same.
#[derive(Clone)]
pub(crate) struct PeerService(Arc<Parts>);

/// What the services need of the peer.
pub(crate) struct Parts {
    pub(crate) me: PublicKey,
    pub(crate) overlay: Overlay,
    pub(crate) views: Views,
    pub(crate) store: Arc<RocksStore>,
    pub(crate) verifying: Arc<Verifying>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) status: watch::Receiver<Status>,
}

impl PeerService {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for PeerService {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
