//! Routes: the peers that hold canonicals, as many as fit one message.

use bytes::Bytes;
use kittengrad_proto::{
    id::RecordId,
    identity::Identity,
    limits::{LOOKUP_CANONICALS_MAX, MESSAGE_BYTES_MAX},
    namespace::Overlay,
    wire,
};
use prost::Message;

use crate::{
    lookup::names,
    status::{Refusal, check_namespace},
};

/// Answers with the `holders` of each canonical, the owner first.
///
/// The answer ends before the canonical that would make it larger than a message. The caller asks again for the others.
/// The first canonical always fits.
///
/// # Errors
/// If the request is malformed, beyond [`LOOKUP_CANONICALS_MAX`], or for another namespace.
pub fn route<'n>(
    request: &wire::RouteRequest,
    overlay: &Overlay,
    holders: impl Fn(&RecordId) -> Vec<&'n Identity>,
) -> Result<wire::RouteResponse, Refusal> {
    check_namespace(overlay, &request.namespace)?;
    let canonicals = names(&request.canonicals, "canonicals", LOOKUP_CANONICALS_MAX)?;
    let mut response = wire::RouteResponse::default();
    let mut left_bytes = MESSAGE_BYTES_MAX;
    for canonical in canonicals {
        let peers = holders(&canonical).into_iter();
        let replicas = wire::Replicas {
            canonical: Bytes::copy_from_slice(canonical.as_bytes()),
            peers: peers.map(|peer| peer.signed().to_wire()).collect(),
        };
        match left_bytes.checked_sub(replicas.encoded_len() + TAG_BYTES) {
            Some(left) => left_bytes = left,
            None => break,
        }
        response.replicas.push(replicas);
    }
    Ok(response)
}

/// Bytes of the tag and the length before each part of the answer, at most.
const TAG_BYTES: usize = 1 + 5;
