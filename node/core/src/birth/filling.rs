//! The heads up to which partners' journals must be read before a filling peer is settled.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_overlay::view::View;
use kittengrad_proto::{block::Head, id::PublicKey};
use kittengrad_ring::KeyRange;

/// The heads up to which partners' journals must be read.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    /// The highest head in the hellos of each partner; `None` if the partner has no block yet.
    targets: BTreeMap<PublicKey, Option<Head>>,
}

impl Filling {
    /// Takes the head of a partner's hello. The highest one counts: while the link was down, this peer missed writes.
    pub(crate) fn heard(&mut self, partner: PublicKey, head: Option<Head>) {
        let target = self.targets.entry(partner).or_insert(head);
        if let Some(head) = head
            && target.is_none_or(|target| target.place() < head.place())
        {
            *target = Some(head);
        }
    }

    /// Whether this peer has read enough other replicas of every cell that it holds.
    pub(crate) fn is_done(
        &self,
        view: &View,
        settled: &BTreeSet<PublicKey>,
        has_reached: impl Fn(&PublicKey, KeyRange, Head) -> bool,
    ) -> bool {
        let is_level = |key: &PublicKey, arc| match self.targets.get(key) {
            Some(Some(target)) => has_reached(key, arc, *target),
            Some(None) => true,
            None => false,
        };
        let quorum = view.replication().quorum();
        view.cells_here().iter().all(|cell| {
            let mut level = view.replicas(cell);
            let count = level.len();
            let needed = (count + 1).saturating_sub(quorum);
            level.retain(|member| Some(*member) != view.me() && is_level(member, cell.arc()));
            let settled = level.iter().filter(|key| settled.contains(key)).count();
            level.len() + 1 == count || settled >= needed
        })
    }
}
