//! The steps of a story about the whole network: the view and the index.

use crate::{host::Node, world::World};

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

    /// Starts the aggregator again, and runs until it follows its sources.
    pub fn restart_aggregator(&mut self) {
        self.start_aggregator();
        self.await_plan();
    }

    /// An aggregator plans its sources in its first rounds, not before it starts.
    fn await_plan(&mut self) {
        self.run_until("a plan of sources", |c| !c.sources().is_empty());
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

    /// Runs until view and index have every element of any peer, and checks all disks.
    pub fn settle_readers(&mut self) {
        let end_ms = self.now_ms() + PATIENCE_MS;
        while let Some(why) = self.view_lacks().or_else(|| self.index_lacks()) {
            assert!(
                self.now_ms() < end_ms,
                "view and index are not complete: {why}"
            );
            self.run_for(100);
        }
        self.check_all().unwrap();
    }
}
