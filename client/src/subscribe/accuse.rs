//! Evidence against a source whose frame is refused for its checkpoint, before the frame can be read as a whole.

use bytes::Bytes;
use kittengrad_proto::{
    block::{BlockError, HeaderError},
    evidence::{Evidence, RefutedCheckpoint},
    identity::IdentityError,
    namespace::Overlay,
    wire::{self, signed_head::Kind},
};

use super::frame::FrameFault;

/// A frame that was refused.
pub(super) struct Refused {
    pub(super) fault: FrameFault,
    /// Evidence against the source, if it may have signed the fault.
    pub(super) evidence: Option<Box<Evidence>>,
}

impl From<FrameFault> for Refused {
    fn from(fault: FrameFault) -> Self {
        let evidence = None;
        Self { fault, evidence }
    }
}

/// Keeps the signed parts of a block. The result accuses the source, if the block is refused for its checkpoint.
pub(super) fn accuse_of_block<'a>(
    block: &wire::FrameBlock,
    overlay: &'a Overlay,
) -> impl FnOnce(FrameFault) -> Refused + use<'a> {
    let (kind, through) = (
        block.header.clone().map(Kind::Header),
        block.through.clone(),
    );
    move |fault| accuse(fault, kind, through, overlay)
}

/// The same for a heartbeat.
pub(super) fn accuse_of_heartbeat<'a>(
    heartbeat: Option<&wire::Signed>,
    through: &[Bytes],
    overlay: &'a Overlay,
) -> impl FnOnce(FrameFault) -> Refused + use<'a> {
    let (kind, through) = (heartbeat.cloned().map(Kind::Heartbeat), through.to_vec());
    move |fault| accuse(fault, kind, through, overlay)
}

fn accuse(
    fault: FrameFault,
    kind: Option<Kind>,
    through: Vec<Bytes>,
    overlay: &Overlay,
) -> Refused {
    let is_of_checkpoint = matches!(
        fault,
        FrameFault::Block(BlockError::Header(HeaderError::Checkpoint(_)))
            | FrameFault::Heartbeat(IdentityError::Checkpoint(_))
    );
    let refuted = is_of_checkpoint
        .then(|| RefutedCheckpoint::of_wire(wire::SignedHead { kind }, through, overlay));
    let evidence = refuted.flatten();
    Refused {
        evidence: evidence.map(|it| Box::new(Evidence::Checkpoint(Box::new(it)))),
        fault,
    }
}
