//! A settled peer has every element that was acknowledged before it started (S1; rfd 4).

use kittengrad_journal::ElementStore as _;

use super::{Verdict, acknowledged::Acknowledged, check};
use crate::peer::Machine;

/// Checks a peer that reports to be settled.
pub(super) fn settles(acknowledged: &Acknowledged, machine: &Machine, started_us: u64) -> Verdict {
    let before = acknowledged.all.iter();
    for acked in before.filter(|acked| acked.at_us < started_us) {
        for element in &acked.elements {
            let is_mine = machine.view.holds_here(&element.canonical);
            let is_here = machine.disk.sound().contains(&[*element]) == Ok(vec![true]);
            check(!is_mine || is_here, "settled", "S1", || {
                let (me, id) = (machine.key(), acked.id);
                format!("{me:?} reports to be settled and lacks {id:?}")
            })?;
        }
    }
    Ok(())
}
