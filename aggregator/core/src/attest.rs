//! Statements: what the set contains, for checkpoints, and evidence against sources.

use std::collections::BTreeMap;

use kittengrad_journal::Observed;
use kittengrad_plants::Plants;
use kittengrad_proto::{
    checkpoint::Holdings, evidence::Evidence, id::PublicKey, limits::HOLD_ARCS_MAX,
};
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

/// Adds the last `hold` of the accused to evidence that lacks it.
pub(crate) fn completed(evidence: Evidence, accused: Option<&Source>) -> Evidence {
    match accused.and_then(Source::taken) {
        Some(taken) => taken.complete(evidence),
        None => evidence,
    }
}
