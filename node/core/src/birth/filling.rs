//! How far the journals of partners have to be read before a filling peer is settled.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_overlay::view::View;
use kittengrad_proto::{block::Head, id::PublicKey};
use kittengrad_ring::KeyRange;

/// How far the journals of partners have to be read.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    /// For each partner that said hello: where its journal ended then. `None`: it had none.
    targets: BTreeMap<PublicKey, Option<Head>>,
}

impl Filling {
    /// A partner said hello. The last hello counts: while the link was down, writes passed this peer by.
    pub(crate) fn heard(&mut self, partner: PublicKey, head: Option<Head>) {
        let target = self.targets.entry(partner).or_insert(head);
        if let Some(head) = head
            && target.is_none_or(|target| target.place() < head.place())
        {
            *target = Some(head);
        }
    }

    /// Whether every cell that this peer holds was read from enough of its other replicas.
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
