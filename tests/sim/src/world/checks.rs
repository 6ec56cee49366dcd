//! Checks of whole disks: after the death of a process, when a peer settles, and at the end.

use std::collections::BTreeSet;

use kittengrad_aggregator_core::{Now, Status};
use kittengrad_journal::Shown;
use kittengrad_proto::{evidence::Rule, transaction::Element};

use crate::{
    host::Node,
    invariants::{Replica, Verdict, Violation, check_disk, check_positions, indexed, merged},
    peer::Machine,
    world::World,
};

/// Dead processes of a thousand whose disk is checked during trouble; a check takes long.
const BURIALS_PERMILLE: u64 = 60;

impl World {
    /// Checks a peer that reports to be settled.
    pub(crate) fn settles(&mut self, member: usize, started_us: u64) {
        let checked = self.invariants.settles(&self.machines[member], started_us);
        self.judge(checked);
    }

    /// Checks evidence that a process keeps. All members are honest, whatever happens to their disks and links.
    pub(crate) fn convicts(&mut self, shown: &Shown, rule: &Rule) {
        if self.director.is_some() {
            let accused = shown.evidence.accused();
            let what = format!("evidence convicts {accused:?}, which is honest: {rule}");
            self.judge(Err(Violation::new("innocent", "S7", what)));
        }
    }

    /// Checks the disk of a dead process: no position passes an element that the disk lacks.
    pub(crate) fn check_burial(&mut self, member: usize) {
        if self.director.is_none() || self.fate.permille(BURIALS_PERMILLE) {
            let replicas = self.disks();
            let checked = check_positions(replicas[member], &replicas);
            self.judge(checked);
        }
    }

    /// Checks the index of a dead indexer: it is the fold of the journal up to its cursor.
    pub(crate) fn check_index(&mut self) {
        let checked = self.index_has_everything();
        self.judge(checked);
    }

    fn index_has_everything(&self) -> Verdict {
        let Some(indexer) = &self.indexer else {
            return Ok(());
        };
        let journal = self.key_of(Node::Aggregator);
        let merged = &self.invariants.merged;
        indexed::has_everything(&indexer.disk, journal, &self.overlay, merged)
    }

    /// All peers with their disks.
    pub(crate) fn disks(&self) -> Vec<Replica<'_>> {
        self.machines.iter().map(Machine::replica).collect()
    }

    /// Checks that the journal of each peer explains its set.
    pub(crate) fn check_disks(&self) -> Verdict {
        let verifier = self.scheme.verifier();
        let replicas = self.disks();
        for machine in &self.machines {
            check_disk(
                machine.disk.sound(),
                &machine.disk.elements(),
                machine.key(),
                &self.overlay,
                &*verifier,
                |element| machine.view.holds_here(&element.canonical),
                true,
            )?;
            check_positions(machine.replica(), &replicas)?;
        }
        Ok(())
    }

    /// The union of the sets of all peers.
    pub(crate) fn union(&self) -> BTreeSet<Element> {
        let elements = self
            .machines
            .iter()
            .flat_map(|machine| machine.disk.elements());
        elements.collect()
    }

    /// The status of the aggregator, if it runs.
    pub(crate) fn aggregator_view(&self) -> Option<Status> {
        let aggregator = self.aggregator.as_ref()?;
        let now = Now {
            monotonic_ms: aggregator.host.monotonic_ms(self.queue.now_us),
            wall_ms: aggregator.host.wall_ms(self.queue.now_us),
        };
        Some(aggregator.process.as_ref()?.driver.view(now))
    }

    /// Returns why the view is not complete.
    pub(crate) fn view_lacks(&self) -> Option<String> {
        let aggregator = self.aggregator.as_ref()?;
        let Some(view) = self.aggregator_view() else {
            return Some("the aggregator does not run".to_owned());
        };
        let verdict = merged::is_union(&aggregator.disk.elements(), &self.union());
        let why = verdict.err().map(|violation| violation.what);
        let absent = view.records_absent;
        let why = why.or_else(|| (absent > 0).then(|| format!("{absent} records are absent")));
        why.map(|why| format!("{why}; {:?}", view.reasons))
    }

    /// Returns why the index is not complete.
    pub(crate) fn index_lacks(&self) -> Option<String> {
        let indexer = self.indexer.as_ref()?;
        let view = self.aggregator.as_ref()?.disk.elements();
        let verdict = indexed::is_view(|element| indexer.disk.has(element), view.iter());
        verdict.err().map(|violation| violation.what)
    }

    /// Checks all disks after everything converged.
    pub(crate) fn check_all(&self) -> Verdict {
        self.check_disks()?;
        let acknowledged = &self.invariants.acknowledged;
        acknowledged.is_everywhere(&self.disks())?;
        if let (Some(aggregator), Some(indexer)) = (&self.aggregator, &self.indexer) {
            let verifier = self.scheme.verifier();
            let key = self.key_of(Node::Aggregator);
            let disk = aggregator.disk.sound();
            let view = disk.elements();
            check_disk(disk, &view, key, &self.overlay, &*verifier, |_| true, false)?;
            merged::is_union(&view, &self.union())?;
            self.index_has_everything()?;
            indexed::is_whole(&indexer.disk, &self.overlay)?;
            indexed::is_view(|element| indexer.disk.has(element), view.iter())?;
        }
        Ok(())
    }
}
