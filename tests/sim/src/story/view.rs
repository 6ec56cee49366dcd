//! The steps of a story about the whole network: the view and the index.

use std::collections::BTreeSet;

use kittengrad_journal::{RecordStore as _, RowKey, Write};
use kittengrad_proto::{id::RecordId, submission::Submission, transaction::Element};

use crate::{host::Node, publisher::Publication, world::World};

/// The longest wait for view and index, in virtual milliseconds.
const PATIENCE_MS: u64 = 60_000;

impl World {
    /// Starts aggregator and indexer, and runs until the aggregator follows its sources.
    pub fn start_readers(&mut self) {
        self.start_aggregator();
        self.start_indexer();
        self.await_plan();
    }

    /// Kills the aggregator.
    pub fn crash_aggregator(&mut self) {
        self.aggregator_dies();
    }

    /// Kills the aggregator and empties its disk.
    pub fn wipe_aggregator(&mut self) {
        self.aggregator_dies();
        let machine = self.aggregator.as_mut().expect("the world is whole");
        machine.disk.wipe();
        self.invariants.merged_anew();
    }

    /// Moves the aggregator's clock.
    pub fn skew_aggregator(&mut self, skew_ms: i64) {
        self.host_mut(Node::Aggregator).skew_ms = skew_ms;
    }

    /// Kills the indexer.
    pub fn crash_indexer(&mut self) {
        self.indexer_dies();
    }

    /// Starts the indexer again.
    pub fn restart_indexer(&mut self) {
        self.start_indexer();
    }

    /// Starts the aggregator again, and runs until it follows its sources.
    pub fn restart_aggregator(&mut self) {
        self.start_aggregator();
        self.await_plan();
    }

    /// An aggregator plans its sources in its first rounds, not before it starts. A promise may break before that.
    fn await_plan(&mut self) {
        let end_us = self.queue.now_us + PATIENCE_MS * 1_000;
        while self.violation.is_none() && self.sources().is_empty() {
            let has_more = self.step(end_us);
            assert!(has_more, "no plan of sources within {PATIENCE_MS} ms");
        }
    }

    /// The members whose journals the aggregator reads.
    #[must_use]
    pub fn sources(&self) -> Vec<usize> {
        let aggregator = self.aggregator.as_ref().expect("the world is whole");
        let process = aggregator.process.as_ref().expect("it runs");
        let sources = process.planned.iter();
        let sources = sources.filter_map(|source| self.peer_of(source));
        let members = sources.filter_map(|node| match node {
            Node::Peer(member) => Some(member),
            _ => None,
        });
        members.collect()
    }

    /// Blocks the ways between the aggregator and a member.
    pub fn cut_source(&mut self, member: usize) {
        self.block(Node::Aggregator, Node::Peer(member));
        self.block(Node::Peer(member), Node::Aggregator);
    }

    /// Unblocks the ways between the aggregator and a member.
    pub fn join_source(&mut self, member: usize) {
        self.unblock(Node::Aggregator, Node::Peer(member));
        self.unblock(Node::Peer(member), Node::Aggregator);
    }

    /// The elements of a publication that the view has.
    #[must_use]
    pub fn viewed(&self, publication: &Publication) -> Vec<Element> {
        let aggregator = self.aggregator.as_ref().expect("the world is whole");
        let view = aggregator.disk.elements();
        let mut elements = publication.elements();
        elements.retain(|element| view.contains(element));
        elements
    }

    /// The time to which the whole view is complete, in Unix milliseconds.
    #[must_use]
    pub fn complete_to_ms(&self) -> Option<u64> {
        self.aggregator_view()?.complete_to_ms
    }

    /// The records of a publication that the aggregator's disk lacks.
    #[must_use]
    pub fn lacked(&self, publication: &Publication) -> BTreeSet<RecordId> {
        let aggregator = self.aggregator.as_ref().expect("the world is whole");
        let ids: Vec<_> = publication.submission.records.keys().copied().collect();
        let found = aggregator.disk.sound().records(&ids).unwrap();
        let found = ids.into_iter().zip(found);
        found
            .filter_map(|(id, found)| found.is_none().then_some(id))
            .collect()
    }

    /// The number of absent records that the aggregator reports.
    #[must_use]
    pub fn absent_count(&self) -> usize {
        self.aggregator_view()
            .expect("the aggregator runs")
            .records_absent
    }

    /// The disks of all peers lose the records of a publication.
    pub fn lose_records(&mut self, publication: &Publication) {
        let ids = publication.submission.records.keys();
        let writes: Vec<_> = ids.map(|id| Write::Remove(RowKey::Record(*id))).collect();
        for machine in &mut self.machines {
            machine.disk.commit(writes.clone());
        }
    }

    /// The disks of the replicas get the records of a publication again.
    pub fn find_records(&mut self, publication: &Publication) {
        let Submission {
            transaction,
            records,
        } = &publication.submission;
        for entry in transaction.entries() {
            let names = entry.updates.iter().chain([&entry.canonical]);
            let found = names.filter_map(|id| Some((*id, records.get(id)?.clone())));
            let writes: Vec<_> = found.map(|(id, bytes)| Write::Record(id, bytes)).collect();
            for member in self.holders(&entry.canonical) {
                self.machines[member].disk.commit(writes.clone());
            }
        }
    }

    /// Runs until the view has every element of any peer.
    pub fn settle_view(&mut self) {
        self.settle_until(Self::view_lacks);
    }

    /// Runs until view and index have every element of any peer, and checks all disks.
    pub fn settle_readers(&mut self) {
        self.settle_until(Self::readers_lack);
        self.check_all().unwrap();
    }

    fn settle_until(&mut self, why_not: impl Fn(&Self) -> Option<String>) {
        let end_ms = self.now_ms() + PATIENCE_MS;
        while let Some(why) = why_not(self) {
            assert!(
                self.now_ms() < end_ms,
                "view and index are not complete: {why}"
            );
            self.run_for(100);
        }
    }
}
