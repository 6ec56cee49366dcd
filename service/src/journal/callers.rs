//! The last heads of the callers' own journals, as the callers signed them.
//!
//! An aggregator sends its head with each subscription. If one key signs two blocks for one height, two sources that
//! compare notes would see it; here one source sees it alone, once both heads came to it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use kittengrad_proto::{
    certificate::{Holder, Role},
    evidence::Evidence,
    id::PublicKey,
    namespace::Overlay,
    signed::Ed25519,
    signed_head::SignedHead,
    wire,
};

use super::TakeEvidence;
use crate::{
    metrics::ServiceMetrics,
    status::{ErrorCode, Refusal},
};

/// Callers whose heads are kept, at most. Heads of further callers are not compared.
const CALLERS_MAX: usize = 1_024;

/// The highest head of one caller's journal.
struct Kept {
    head: SignedHead,
    /// Whether its two blocks were shown to the owner of this journal.
    is_reported: bool,
}

/// The highest head of each caller's journal.
pub(super) struct CallerHeads {
    heads: Mutex<BTreeMap<PublicKey, Kept>>,
    metrics: ServiceMetrics,
    evidence: TakeEvidence,
}

impl CallerHeads {
    pub(super) fn new(metrics: ServiceMetrics, evidence: TakeEvidence) -> Self {
        Self {
            heads: Mutex::default(),
            metrics,
            evidence,
        }
    }

    /// Compares a head that `caller` sent with the one kept, and keeps the higher one. Only peers and aggregators have a
    /// journal: heads of other roles are ignored.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] if it is malformed or not signed by the caller, or if the caller signed another block for
    /// its height. Then both heads are evidence, and the caller is counted.
    pub(super) fn note(
        &self,
        caller: &Holder,
        head: wire::SignedHead,
        overlay: &Overlay,
    ) -> Result<(), Refusal> {
        if !matches!(caller.role, Role::Peer | Role::Aggregator) {
            return Ok(());
        }
        let caller = caller.key;
        let invalid = |why: String| {
            Refusal::new(ErrorCode::Invalid, format!("the head of the caller: {why}"))
                .hint("send the last head of your own journal, signed by its key, or none")
        };
        let head = SignedHead::from_wire(head, overlay).map_err(|e| invalid(e.to_string()))?;
        head.verify(&caller, &Ed25519)
            .map_err(|e| invalid(e.to_string()))?;
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = heads.get_mut(&caller) else {
            if heads.len() < CALLERS_MAX {
                let is_reported = false;
                heads.insert(caller, Kept { head, is_reported });
            }
            return Ok(());
        };
        if kept.head.contradicts(&head) {
            self.metrics.equivocations.inc();
            if !std::mem::replace(&mut kept.is_reported, true) {
                (self.evidence)(caller, Evidence::Heads(kept.head.clone(), head.clone()));
            }
            let (incarnation, height) = head.head().place();
            return Err(Refusal::new(
                ErrorCode::Invalid,
                format!("you signed two blocks for height {height} of incarnation {incarnation}"),
            )
            .hint("never run two processes with one key; start again with an empty directory"));
        }
        if kept.head.head().place() < head.head().place() {
            kept.head = head;
        }
        Ok(())
    }
}
