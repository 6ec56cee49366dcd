//! The indexer's driver, step by step.

use std::collections::{BTreeMap, VecDeque};

use kittengrad_indexer_core::{
    Fetched, Indexer, Input, Output,
    follow::Following,
    pace::{Pace, TICK_MS},
};
use kittengrad_proto::id::RecordId;

use super::Process;
use crate::{asks::Purpose, host::Node, queue::Event, stream::Reader, world::World};

/// The time between two checks whether a tick is due, in microseconds.
const LOOK_US: u64 = 100_000;

impl World {
    /// Starts the indexer.
    pub(crate) fn start_indexer(&mut self) {
        let now_us = self.queue.now_us;
        let journal = self.key_of(Node::Aggregator);
        let Some(machine) = &mut self.indexer else {
            return;
        };
        machine.host.start(now_us);
        let state = machine.disk.state(&self.overlay);
        let mut following = Following::new(state.cursors.last(&journal));
        let now_ms = machine.host.monotonic_ms(now_us);
        let indexer = Indexer::planted(state, machine.disk.publishers(), self.shape.plants);
        machine.process = Some(Process {
            indexer,
            inbox: VecDeque::new(),
            is_woken: false,
            commit: None,
            began_us: now_us,
            pace: Pace::new(now_ms),
            stream: None,
            reader: Reader::new(journal, following.begin()),
            following,
            failures: 0,
        });
        let run = machine.host.run;
        let node = Node::Indexer;
        self.queue.after(1_000_000, Event::Tick { node, run });
        let source = journal;
        self.queue
            .after(1_000, Event::Follows { node, run, source });
    }

    /// Gives an input to the core.
    pub(super) fn hand_indexer(&mut self, input: Input, stream: Option<u64>) {
        if let Some(process) = self.indexer.as_mut().and_then(|m| m.process.as_mut()) {
            process.inbox.push_back((input, stream));
            self.wake_indexer(0);
        }
    }

    fn wake_indexer(&mut self, us: u64) {
        let Some(machine) = &mut self.indexer else {
            return;
        };
        let (run, slowness) = (machine.host.run, machine.host.slowness);
        let Some(process) = &mut machine.process else {
            return;
        };
        if process.commit.is_none() && !process.is_woken {
            process.is_woken = true;
            let node = Node::Indexer;
            self.queue
                .after(us + slowness * 10, Event::Round { node, run });
        }
    }

    /// Takes the queued inputs, and commits if a commit is due.
    pub(crate) fn indexer_round(&mut self, run: u64) {
        let now_us = self.queue.now_us;
        let Some(machine) = self.indexer.as_mut().filter(|m| m.host.runs(run)) else {
            return;
        };
        let now_ms = machine.host.monotonic_ms(now_us);
        let process = machine.process.as_mut().expect("it runs");
        process.is_woken = false;
        let mut out = Output::default();
        let mut let_go = Vec::new();
        let mut inputs: Vec<Input> = Vec::new();
        for (input, stream) in process.inbox.drain(..) {
            inputs.push(input);
            let_go.extend(stream);
        }
        let indexer = &mut process.indexer;
        let mut handle = |indexer: &mut Indexer, input| {
            let handled = indexer.handle(now_ms, input, &machine.disk, &mut out);
            handled.expect("an index in memory answers");
        };
        for input in inputs {
            if matches!(input, Input::Again(_)) {
                self.invariants.indexed_again();
            }
            handle(indexer, input);
        }
        if process.pace.should_cut(now_ms, indexer, true) {
            handle(indexer, Input::Cut);
        }
        let is_pending = indexer.has_pending();
        let wait_us = process.pace.idle_ms(now_ms, indexer) * 1_000;
        process.began_us = now_us;
        process.commit = out.commit.map(Box::new);
        if process.commit.is_some() {
            let us = self.random.within(self.shape.weather.commit_us.clone());
            let at_us = machine.host.synced_at_us(now_us, us);
            let node = Node::Indexer;
            self.queue.at(at_us, Event::Synced { node, run });
        } else if is_pending {
            self.wake_indexer(wait_us);
        }
        for stream in let_go {
            self.let_go(stream);
        }
        let wanted = out.fetch.iter().map(|wanted| wanted.canonical);
        self.look_up_absent(&wanted.collect::<Vec<_>>());
    }

    /// Ends a round after its commit.
    pub(crate) fn indexer_synced(&mut self, run: u64) {
        let now_us = self.queue.now_us;
        let Some(machine) = self.indexer.as_mut().filter(|m| m.host.runs(run)) else {
            return;
        };
        if machine.host.is_failing {
            self.commit_failed(Node::Indexer);
            return self.indexer_dies();
        }
        let now_ms = machine.host.monotonic_ms(now_us);
        let process = machine.process.as_mut().expect("it runs");
        let took_ms = (now_us - process.began_us) / 1_000;
        process.pace.committed(now_ms, took_ms);
        let commit = process.commit.take().expect("a commit was under way");
        let has_more = !process.inbox.is_empty();
        self.commit_index(*commit);
        if has_more {
            self.wake_indexer(0);
        }
    }

    fn commit_index(&mut self, commit: kittengrad_indexer_core::Commit) {
        let machine = self.indexer.as_mut().expect("it is there");
        let checked = self.invariants.indexes(&machine.disk, &commit);
        machine.disk.commit(commit);
        self.judge(checked);
    }

    /// Handles a tick.
    pub(crate) fn indexer_tick(&mut self, run: u64) {
        let now_us = self.queue.now_us;
        let Some(machine) = self.indexer.as_mut().filter(|m| m.host.runs(run)) else {
            return;
        };
        let now_ms = machine.host.monotonic_ms(now_us);
        let process = machine.process.as_mut().expect("it runs");
        let is_due = process.pace.should_tick(now_ms);
        if is_due {
            process.pace.ticked(now_ms);
            self.hand_indexer(Input::Tick, None);
        }
        let us = if is_due { TICK_MS * 1_000 } else { LOOK_US };
        let node = Node::Indexer;
        self.queue.after(us, Event::Tick { node, run });
    }

    /// Looks up canonicals with absent records, grouped by the peers that hold them.
    fn look_up_absent(&mut self, canonicals: &[RecordId]) {
        let ring = self.view().ring();
        let mut groups: BTreeMap<_, Vec<RecordId>> = BTreeMap::new();
        for canonical in canonicals {
            let owner = ring.owner(canonical.point());
            groups.entry(owner).or_default().push(*canonical);
        }
        if let Some(process) = self.indexer.as_mut().and_then(|m| m.process.as_mut()) {
            process.pace.lookups_began(groups.len());
        }
        for canonicals in groups.into_values() {
            self.ask(
                Node::Indexer,
                Purpose::Absent {
                    canonicals,
                    is_last: false,
                },
            );
        }
    }

    /// Gives the result of a lookup to the core. Records may still be absent.
    pub(crate) fn found_absent(
        &mut self,
        canonicals: &[RecordId],
        records: &BTreeMap<RecordId, bytes::Bytes>,
    ) {
        let Some(process) = self.indexer.as_mut().and_then(|m| m.process.as_mut()) else {
            return;
        };
        process.pace.lookup_ended();
        for canonical in canonicals {
            let fetched = Fetched {
                canonical: *canonical,
                records: records.clone(),
            };
            self.hand_indexer(Input::Fetched(fetched), None);
        }
    }

    /// Kills the process. A running commit is lost or kept.
    pub(crate) fn indexer_dies(&mut self) {
        let Some(machine) = &mut self.indexer else {
            return;
        };
        let commit = machine
            .process
            .as_mut()
            .and_then(|process| process.commit.take());
        if let Some(commit) = commit
            && self.fate.permille(500)
        {
            self.commit_index(*commit);
        }
        let machine = self.indexer.as_mut().expect("it is there");
        machine.crash();
        self.left(Node::Indexer);
        self.check_index();
        self.look_after(Node::Indexer);
    }
}
