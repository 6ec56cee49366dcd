//! The gRPC services of a peer besides its journal: Store and Routing.

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

/// The services of one peer. Clones share their parts.
#[derive(Clone)]
pub(crate) struct PeerService(Arc<Parts>);

/// The parts of the peer that the services use.
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
