//! Statements: what the set contains as of the last block, for checkpoints in headers and heartbeats.

use std::collections::BTreeMap;

use kittengrad_journal::Observed;
use kittengrad_plants::Plants;
use kittengrad_proto::{checkpoint::Holdings, id::PublicKey, limits::HOLD_ARCS_MAX};
use kittengrad_ring::KeyRanges;

use crate::{complete::Completeness, io::Now, source::Source};

/// What the set contains as of the last block. `None` before the ring is known.
///
/// The set is settled where its cells are complete to some time.
pub(crate) fn observed(
    completeness: &mut Completeness,
    sources: &BTreeMap<PublicKey, Source>,
    now: Now,
    plants: Plants,
) -> Option<Observed> {
    let ring = completeness.cells()?.ring;
    let complete = completeness.report(now, plants).into_iter();
    let settled: KeyRanges = complete
        .filter(|cell| cell.complete_to_ms.is_some())
        .map(|cell| cell.arc)
        .collect();
    // Between two settled arcs is a filling one, and a checkpoint lists both.
    let listed = settled.arcs().iter().take(HOLD_ARCS_MAX / 2 - 1).copied();
    Some(Observed {
        ring,
        holds: Holdings::new(&KeyRanges::whole(), &listed.collect()),
        through: completeness.through(sources, plants),
    })
}
