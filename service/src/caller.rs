//! The caller of a request.

use std::{net::SocketAddr, sync::Arc};

use kittengrad_proto::certificate::Holder;

use crate::{room::Room, status::Refusal};

/// The caller of a connection, from its certificates. Every request of the connection carries it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Key, role and name. The key of a peer or aggregator is also the key of its journal.
    pub holder: Arc<Holder>,
    /// Its address.
    pub address: SocketAddr,
    /// The room for answers that it has not taken yet.
    pub room: Room,
}

impl Caller {
    /// The caller of `request`.
    ///
    /// # Errors
    /// If the request did not come through a [`Door`](crate::tls::Door). No caller can cause that.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<&Self, Refusal> {
        let found = request.extensions().get::<Self>();
        found.ok_or_else(|| Refusal::internal("the call did not come over a verified connection"))
    }
}
