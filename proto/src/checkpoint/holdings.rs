//! Holdings: the arcs that a journal's owner holds, each settled or filling.

use kittengrad_ring::{KeyRange, KeyRanges};

use super::{CheckpointError, arcs};
use crate::{block::arc_to_wire, limits::HOLD_ARCS_MAX, wire};

/// The arcs that an owner holds at one height.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    settled: KeyRanges,
    filling: KeyRanges,
}

impl Holdings {
    /// Splits the `held` arcs into those that are `settled` and the others.
    #[must_use]
    pub fn new(held: &KeyRanges, settled: &KeyRanges) -> Self {
        Self {
            settled: held.intersection(settled),
            filling: held.difference(settled),
        }
    }

    /// The arcs of which everything that they ever had is in the set.
    #[must_use]
    pub const fn settled(&self) -> &KeyRanges {
        &self.settled
    }

    /// The other arcs.
    #[must_use]
    pub const fn filling(&self) -> &KeyRanges {
        &self.filling
    }

    /// All held arcs.
    #[must_use]
    pub fn held(&self) -> KeyRanges {
        let arcs = [self.settled.arcs(), self.filling.arcs()];
        arcs.into_iter().flatten().copied().collect()
    }

    /// The arcs in their one order, each with whether it is settled.
    fn listed(&self) -> Vec<(KeyRange, bool)> {
        let settled = self.settled.arcs().iter().map(|arc| (*arc, true));
        let filling = self.filling.arcs().iter().map(|arc| (*arc, false));
        let mut listed: Vec<_> = settled.chain(filling).collect();
        listed.sort_by_key(|(arc, _)| arc.from);
        listed
    }

    pub(super) fn to_wire(&self) -> Vec<wire::Holding> {
        let listed = self.listed().into_iter();
        let holding = |(arc, settled)| wire::Holding {
            arc: Some(arc_to_wire(&arc)),
            settled,
        };
        listed.map(holding).collect()
    }

    pub(super) fn from_wire(wire: &[wire::Holding]) -> Result<Self, CheckpointError> {
        if wire.len() > HOLD_ARCS_MAX {
            return Err(CheckpointError::TooManyArcs(wire.len()));
        }
        let read = |holding: &wire::Holding| {
            let arc = arcs::from_wire(holding.arc.as_ref()).map_err(CheckpointError::Arc)?;
            Ok::<_, CheckpointError>((arc, holding.settled))
        };
        let listed = wire.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if !arcs::is_canonical(&listed) {
            return Err(CheckpointError::ArcOrder);
        }
        let of = |state: bool| -> KeyRanges {
            let arcs = listed.iter().filter(|(_, settled)| *settled == state);
            arcs.map(|(arc, _)| *arc).collect()
        };
        Ok(Self {
            settled: of(true),
            filling: of(false),
        })
    }
}
