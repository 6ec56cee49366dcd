//! Who is at the other end of a call.

use std::{net::SocketAddr, sync::Arc};

use kittengrad_proto::certificate::Holder;

use crate::{room::Room, status::Refusal};

/// Whom a connection is from, as its certificates say; part of every request that comes over it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Key, role and name. The key of a peer or aggregator is its journal's.
    pub holder: Arc<Holder>,
    /// The other end of the connection.
    pub address: SocketAddr,
    /// Where answers wait to be taken.
    pub room: Room,
}

impl Caller {
    /// Who sent this request.
    ///
    /// # Errors
    /// If the request came over no connection of ours, which no caller can bring about.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<&Self, Refusal> {
        let found = request.extensions().get::<Self>();
        found.ok_or_else(|| Refusal::internal("the call came over no verified connection"))
    }
}
