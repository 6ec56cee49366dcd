//! Attesting: what the set contains as of the last block, for checkpoints in headers and heartbeats.

use kittengrad_journal::Observed;
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::Item,
    checkpoint::{Holdings, Through, ThroughList},
};
use kittengrad_ring::KeyRanges;

use crate::{birth::life::Life, catch_up::follow::Following, partners::Partners, scope::Scope};

/// Time between two statements, in milliseconds. Each costs a hash per partner.
const ATTEST_EVERY_MS: u64 = 250;

/// When the next statement is due.
#[derive(Debug, Default)]
pub(crate) struct Attested {
    due_ms: u64,
    /// The last positions, for a planted bug.
    last: ThroughList,
}

/// States what the set contains.
pub(crate) struct Attesting<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) life: &'a mut Life,
    pub(crate) partners: &'a Partners,
    pub(crate) attested: &'a mut Attested,
    #[expect(dead_code, reason = "every handler has the output")]
    pub(crate) out: &'a mut crate::io::Output,
}

impl Attesting<'_> {
    /// Makes a statement as of the block that this round cut last, if one is due. All transactions of this round are in
    /// it, so the positions of this round hold for it.
    pub(crate) fn attest(self) {
        let now_ms = self.scope.now.monotonic_ms;
        if now_ms < self.attested.due_ms {
            return;
        }
        let held = self.life.held().clone();
        let plants = self.scope.plants;
        let through = self.partners.iter();
        let through = through
            .filter_map(|(partner, link)| {
                Some((*partner, position(&link.following, &held, plants)?))
            })
            .collect::<ThroughList>();
        let is_answered = plants.has(Plant::CheckpointAnswered) && through != self.attested.last;
        self.attested.last = through.clone();
        let settled = self.life.settled().clone();
        let observed = Observed {
            ring: self.scope.view().ring_id(),
            holds: Holdings::new(&held, self.life.settled()),
            through,
        };
        if let Some(journal) = self.life.journal_mut()
            && journal.attest(observed).is_some()
        {
            self.attested.due_ms = now_ms + ATTEST_EVERY_MS;
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
