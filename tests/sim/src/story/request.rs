//! A submission of a client in a story.

use kittengrad_node_core::{Refusal, Submitted};
use kittengrad_overlay::quorum::Ack;

use crate::publisher::Publication;

/// A submission of a client.
#[derive(Debug)]
pub struct Request {
    pub(crate) publication: Publication,
    pub(crate) ack: Ack,
    pub(crate) asked_us: u64,
    pub(crate) outcome: Option<Result<Submitted, Refusal>>,
}
