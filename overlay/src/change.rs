//! The rings in force: those in which a promise must hold while the ring changes.
//!
//! A member whose change is not finished is *doubtful*: some members count it as in, others as out. All rings that
//! result from counting each doubtful member in or out are in force, and a promise must hold in every one of them.
//! Membership is fixed today, so one ring is in force: that of the newest view.

use std::{collections::BTreeSet, sync::Arc};

use kittengrad_proto::id::PublicKey;

use crate::{
    quorum::Ack,
    view::{Cell, View},
};

/// The rings in force, and the members that must confirm in them.
#[derive(Debug, Clone)]
pub struct Change {
    newest: Arc<View>,
}

impl Change {
    /// No member is doubtful: only the ring of `newest` is in force.
    #[must_use]
    pub const fn none(newest: Arc<View>) -> Self {
        Self { newest }
    }

    /// The newest view.
    #[must_use]
    pub const fn newest(&self) -> &Arc<View> {
        &self.newest
    }

    /// The views whose rings are in force.
    pub fn in_force(&self) -> impl Iterator<Item = &View> {
        std::iter::once(&*self.newest)
    }

    /// All members that keep one of `cells` in a ring in force, in the order in which they stand on the circle.
    #[must_use]
    pub fn replicas(&self, cells: &BTreeSet<Cell>) -> Vec<PublicKey> {
        let mut members: Vec<_> = self
            .in_force()
            .flat_map(|view| cells.iter().flat_map(|cell| view.replicas(cell)))
            .collect();
        members.sort_by_cached_key(PublicKey::point);
        members.dedup();
        members
    }

    /// **The quorum**: whether enough replicas of a cell confirmed, in every ring in force.
    ///
    /// `confirmed` says whether one member confirmed.
    pub fn is_confirmed(
        &self,
        cell: &Cell,
        ack: Ack,
        confirmed: impl Fn(&PublicKey) -> bool,
    ) -> bool {
        self.in_force().all(|view| {
            let replicas = view.replicas(cell);
            let needed = ack.needed(view.replication(), replicas.len());
            let count = replicas.iter().filter(|member| confirmed(member)).count();
            count >= needed
        })
    }
}
