//! Attesting: what the set contains as of the last block, for the next header and for heartbeats.

use std::sync::Arc;

use kittengrad_proto::{
    checkpoint::{Checkpoint, Holdings, Statement, ThroughList},
    id::Id,
    limits::HEADER_BYTES_MAX,
};

use super::Journal;

/// Time between two headers with a checkpoint, in milliseconds.
const CHECKPOINT_EVERY_MS: u64 = 1_000;

/// What the owner of a journal knows besides it, as of the last block that it cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Id of the ring.
    pub ring: Id,
    /// The arcs that the owner holds, each settled or filling.
    pub holds: Holdings,
    /// The blocks of other journals up to which everything is in the set.
    pub through: ThroughList,
}

/// The last statement, and the time at which a header had one.
#[derive(Debug, Default)]
pub(super) struct Attesting {
    last: Option<Arc<Statement>>,
    /// Bytes of the positions in it.
    through_bytes: usize,
    /// Wall time of the last header with a checkpoint, in milliseconds, and the height in that checkpoint.
    signed: Option<(u64, u64)>,
}

impl Attesting {
    /// The last statement, if the next header is to have one: there was none for a second, or the clock was set back.
    pub(super) fn take_due(&mut self, wall_ms: u64) -> Option<Arc<Statement>> {
        let statement = self.last.as_ref()?;
        let height = statement.checkpoint.height;
        let is_due = self.signed.is_none_or(|(at_ms, before)| {
            height > before && wall_ms.abs_diff(at_ms) >= CHECKPOINT_EVERY_MS
        });
        if !is_due {
            return None;
        }
        self.signed = Some((wall_ms, height));
        Some(Arc::clone(statement))
    }
}

impl Attesting {
    /// Bytes of a header with the last statement and of the list beside it, at most.
    pub(super) const fn bytes_max(&self) -> usize {
        HEADER_BYTES_MAX + self.through_bytes
    }
}

impl Journal {
    /// States what the set contains as of the last block cut. Call it after a cut, and before anything else is added.
    /// `None` before the first block.
    ///
    /// The next header has the statement as its checkpoint, at most once a second. Heartbeats may have it once all
    /// writes so far are on disk.
    pub fn attest(&mut self, observed: Observed) -> Option<&Arc<Statement>> {
        let height = self.tip?.head.height;
        let Observed {
            ring,
            holds,
            through,
        } = observed;
        let checkpoint = Checkpoint {
            height,
            ring,
            holds,
            blocks: self.blocks.count(),
            blocks_root: self.blocks.root(),
            through_root: through.root(),
        };
        let statement = Statement {
            incarnation: self.incarnation,
            checkpoint,
            through,
        };
        self.attesting.through_bytes = statement.through.size_bytes();
        Some(self.attesting.last.insert(Arc::new(statement)))
    }

    /// The last statement.
    #[must_use]
    pub const fn statement(&self) -> Option<&Arc<Statement>> {
        self.attesting.last.as_ref()
    }
}
