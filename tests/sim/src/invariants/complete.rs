//! Complete is true (S5). Whatever a quorum acknowledged before the time to which a cell of the view is complete is in
//! the view, on disk.

use std::collections::BTreeMap;

use kittengrad_aggregator_core::{CellReport, Now};
use kittengrad_journal::ElementStore as _;

use super::{Verdict, acknowledged::Acknowledged, check};
use crate::disk::SimDisk;

/// The questions of the running aggregator, and what was checked of its answers.
#[derive(Debug, Default)]
pub(crate) struct Complete {
    /// The time of each question, in microseconds of the world, by the wall clock of the aggregator.
    asked_us: BTreeMap<u64, u64>,
    /// The time up to which each cell was checked, by its end.
    checked_us: BTreeMap<[u8; 32], u64>,
}

impl Complete {
    /// Notes a question to all peers.
    pub(crate) fn asks(&mut self, at: Now, now_us: u64) {
        // After a small step back of the clock, a time comes again. Its first question promises less.
        self.asked_us.entry(at.wall_ms).or_insert(now_us);
    }

    /// Forgets everything: the aggregator starts.
    pub(crate) fn starts(&mut self) {
        *self = Self::default();
    }

    /// Checks what the aggregator says of its cells.
    pub(crate) fn says(
        &mut self,
        cells: &[CellReport],
        acknowledged: &Acknowledged,
        disk: &SimDisk,
    ) -> Verdict {
        for cell in cells {
            let Some(to_ms) = cell.complete_to_ms else {
                continue;
            };
            let to_us = self.asked_us.get(&to_ms).copied();
            check(to_us.is_some(), "complete", "S5", || {
                format!(
                    "cell {:?} is complete to {to_ms}, when nobody was asked",
                    cell.arc
                )
            })?;
            let to_us = to_us.unwrap_or_default();
            let checked_us = self.checked_us.entry(*cell.arc.to.as_bytes()).or_default();
            let is_new = |at_us: u64| at_us >= *checked_us && at_us < to_us;
            for acked in acknowledged.all.iter().filter(|acked| is_new(acked.at_us)) {
                for element in &acked.elements {
                    let is_missing = cell.arc.contains(element.canonical.point())
                        && disk.sound().contains(&[*element]) != Ok(vec![true]);
                    check(!is_missing, "complete", "S5", || {
                        format!(
                            "cell {:?} is complete to {to_us} µs; {element:?} was acknowledged at {} µs and \
                             is not in the view",
                            cell.arc, acked.at_us
                        )
                    })?;
                }
            }
            *checked_us = to_us.max(*checked_us);
        }
        Ok(())
    }
}
