//! Attesting: what the set contains as of the last block, for checkpoints in headers and heartbeats.

use kittengrad_journal::Observed;
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::Item,
    checkpoint::{Holdings, Through, ThroughList},
    id::Id,
};
use kittengrad_ring::KeyRanges;

use crate::{birth::life::Life, catch_up::follow::Following, partners::Partners};

/// Time between two statements, in milliseconds. Each costs a hash per partner.
const ATTEST_EVERY_MS: u64 = 250;

/// When the next statement is due.
#[derive(Debug, Default)]
pub(crate) struct Attested {
    due_ms: u64,
    /// The last positions, for a planted bug.
    last: ThroughList,
}

impl Attested {
    /// Makes a statement as of the block that this round cut last, if one is due. All transactions of this round are in
    /// it, so the positions of this round hold for it. `ring` is the id of the ring in force.
    pub(crate) fn attest(
        &mut self,
        now_ms: u64,
        ring: Id,
        life: &mut Life,
        partners: &Partners,
        plants: Plants,
    ) {
        if now_ms < self.due_ms {
            return;
        }
        let held = life.held().clone();
        let through = partners.iter();
        let through = through
            .filter_map(|(partner, link)| {
                Some((*partner, position(&link.following, &held, plants)?))
            })
            .collect::<ThroughList>();
        let is_answered = plants.has(Plant::CheckpointAnswered) && through != self.last;
        self.last = through.clone();
        let settled = life.settled().clone();
        let observed = Observed {
            ring,
            holds: Holdings::new(&held, &settled),
            through,
        };
        if let Some(journal) = life.journal_mut()
            && journal.attest(observed).is_some()
        {
            self.due_ms = now_ms + ATTEST_EVERY_MS;
            if is_answered {
                journal.note(&Item::Settled(settled));
            }
        }
    }
}

/// The position in a partner's journal, for the arcs that were held all the while it was read. `None` without a block
/// or without such an arc.
fn position(following: &Following, held: &KeyRanges, plants: Plants) -> Option<Through> {
    let head = match plants.has(Plant::ThroughBeforeApply) {
        true => following.accepted_head()?,
        false => following.applied_head()?,
    };
    let spoken = following.held().intersection(held);
    let arcs = (spoken != *held).then_some(spoken);
    let is_empty = arcs.as_ref().is_some_and(KeyRanges::is_empty);
    (!is_empty).then_some(Through { head, arcs })
}
