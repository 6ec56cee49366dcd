//! A complete answer has every element that was acknowledged before the question (S1), because any n−W+1 replicas have
//! one of the W disks.

use kittengrad_client_core::merge::Merged;
use kittengrad_proto::id::RecordId;

use super::{Verdict, acknowledged::Acknowledged, check};

/// Checks the complete answer of a reader that started to ask at `began_us`.
pub(super) fn looks(
    acknowledged: &Acknowledged,
    canonical: RecordId,
    answer: &Merged,
    began_us: u64,
) -> Verdict {
    let Some(elements) = acknowledged.of.get(&canonical) else {
        return Ok(());
    };
    for (element, at_us) in elements {
        let is_seen = match element.update {
            Some(update) => answer.updates.contains(&update),
            None => answer.exists,
        };
        check(*at_us >= began_us || is_seen, "looked-up", "S1", || {
            let by = &answer.answered_by;
            format!("{element:?} was acknowledged at {at_us} us, and {by:?} do not show it")
        })?;
    }
    Ok(())
}
