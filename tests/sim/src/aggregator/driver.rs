//! The aggregator's driver, step by step.

use std::{collections::VecDeque, mem, sync::Arc};

use kittengrad_aggregator_core::{
    Aggregator, Config, Event as Told, Fatal, Input, Now, Timing,
    driver::{Driver, Step},
};

use kittengrad_proto::{checkpoint::Statement, id::PublicKey};

use super::Process;
use crate::{disk::SimDisk, host::Node, queue::Event, world::World};

/// Ticks between two checks of the free disk space.
const SPACE_TICKS: u64 = 5;

impl World {
    /// Starts the aggregator.
    pub(crate) fn start_aggregator(&mut self) {
        let now_us = self.queue.now_us;
        let (overlay, verifier) = (self.overlay.clone(), self.scheme.verifier());
        let plants = self.shape.plants;
        let Some(machine) = &mut self.aggregator else {
            return;
        };
        machine.host.start(now_us);
        let config = Config {
            overlay,
            signer: Arc::clone(&machine.signer),
            verifier,
            timing: Timing::default(),
        };
        let now = now_of(&machine.host, now_us);
        let aggregator = match Aggregator::planted(config, plants, &machine.disk, now) {
            Ok(aggregator) => aggregator,
            Err(fatal) => return self.aggregator_stops(&fatal),
        };
        machine.process = Some(Process {
            tip: aggregator.view(now).tip,
            driver: Driver::new(aggregator),
            statement: None,
            planned: std::collections::BTreeSet::new(),
            ask_due_ms: 0,
            inbox: VecDeque::from([Input::Network(Arc::clone(&machine.network))]),
            is_woken: false,
            steps: None,
            following: std::collections::BTreeMap::new(),
            wanted: std::collections::BTreeSet::new(),
            fetching: None,
            is_short: false,
            ticks: 0,
        });
        let run = machine.host.run;
        let key = machine.signer.public();
        self.invariants.complete.starts();
        self.invariants.contained.forget(key);
        let node = Node::Aggregator;
        self.queue
            .after(self.shape.weather.tick_us, Event::Tick { node, run });
        self.wake_aggregator();
    }

    /// Gives an input to the core.
    pub(crate) fn hand_aggregator(&mut self, input: Input) {
        if let Some(process) = self.aggregator.as_mut().and_then(|m| m.process.as_mut()) {
            process.inbox.push_back(input);
            self.wake_aggregator();
        }
    }

    pub(super) fn wake_aggregator(&mut self) {
        let Some(machine) = &mut self.aggregator else {
            return;
        };
        let (run, us) = (machine.host.run, machine.host.slowness * 10);
        let Some(process) = &mut machine.process else {
            return;
        };
        if process.steps.is_none() && !process.is_woken {
            process.is_woken = true;
            let node = Node::Aggregator;
            self.queue.after(us, Event::Round { node, run });
        }
    }

    /// Takes the queued inputs and cuts a block of them.
    pub(crate) fn aggregator_round(&mut self, run: u64) {
        let now_us = self.queue.now_us;
        let Some(machine) = self.aggregator.as_mut().filter(|m| m.host.runs(run)) else {
            return;
        };
        let now = now_of(&machine.host, now_us);
        let process = machine.process.as_mut().expect("it runs");
        process.is_woken = false;
        if let Err(fatal) = process.round(now, &machine.disk) {
            return self.aggregator_stops(&fatal);
        }
        let steps = process.steps.as_ref().expect("a round ended");
        let is_empty = steps.writes().is_empty();
        let at_us = if is_empty {
            now_us
        } else {
            let us = self.random.within(self.shape.weather.commit_us.clone());
            machine.host.synced_at_us(now_us, us)
        };
        let node = Node::Aggregator;
        self.queue.at(at_us, Event::Synced { node, run });
    }

    /// Ends a round after its commit: publishes the tip and fetches records.
    pub(crate) fn aggregator_synced(&mut self, run: u64) {
        let Some(machine) = self.aggregator.as_mut().filter(|m| m.host.runs(run)) else {
            return;
        };
        let process = machine.process.as_mut().expect("it runs");
        let steps = process.steps.as_ref().expect("a round was committed");
        if machine.host.is_failing && !steps.writes().is_empty() {
            self.commit_failed(Node::Aggregator);
            return self.aggregator_dies();
        }
        let steps = process.steps.take();
        let is_idle = process.inbox.is_empty() && !process.driver.is_due();
        for step in steps.expect("a round was committed") {
            self.perform_aggregator(step);
        }
        self.follow_plan();
        self.check_completeness();
        self.fetch();
        self.pump_all(Node::Aggregator);
        if !is_idle {
            self.wake_aggregator();
        }
    }

    fn perform_aggregator(&mut self, step: Step) {
        match step {
            Step::Commit(writes) => {
                self.commit_aggregator(writes);
                self.aggregator_process().driver.committed();
            }
            Step::Publish(tip) => self.aggregator_process().tip = Some(tip),
            Step::State(statement) => {
                let process = self.aggregator_process();
                let last = process.statement.as_ref();
                if last.is_none_or(|last| !Arc::ptr_eq(last, &statement)) {
                    process.statement = Some(Arc::clone(&statement));
                    self.check_statement(&statement);
                }
            }
            Step::Fetch(fetch) => {
                self.aggregator_process().wanted.insert(fetch);
            }
            Step::Free(source, blocks) => self.source_done(source, blocks),
            Step::Tell(event) => self.aggregator_tells(&event),
        }
    }

    /// Checks what the aggregator says of its cells.
    fn check_completeness(&mut self) {
        let now_us = self.queue.now_us;
        let machine = self.aggregator.as_ref().expect("it is there");
        let process = machine.process.as_ref().expect("it runs");
        let cells = process.driver.view(now_of(&machine.host, now_us)).cells;
        let key = machine.signer.public();
        let checked = self.invariants.completes(key, &cells, &machine.disk);
        self.judge(checked);
    }

    /// Checks a statement before it is published.
    fn check_statement(&mut self, statement: &Statement) {
        let machine = self.aggregator.as_ref().expect("it is there");
        let (key, view) = (machine.signer.public(), &self.machines[0].view);
        let holds =
            |journal: &PublicKey, point| view.ring().replicas_of(point).contains(&journal.point());
        let disk = machine.disk.sound();
        let checked = self
            .invariants
            .contained
            .states(key, statement, disk, holds);
        self.judge(checked);
    }

    fn aggregator_process(&mut self) -> &mut Process {
        let machine = self.aggregator.as_mut().expect("it is there");
        machine.process.as_mut().expect("it runs")
    }

    fn commit_aggregator(&mut self, writes: Vec<kittengrad_journal::Write>) {
        let machine = self.aggregator.as_mut().expect("it is there");
        let checked = self.invariants.merges(&machine.disk, &writes);
        machine.disk.commit(writes);
        self.judge(checked);
    }

    fn aggregator_tells(&mut self, event: &Told) {
        let now_us = self.queue.now_us;
        self.trace.line(now_us, || format!("aggregator: {event:?}"));
        match event {
            Told::Lied { source, .. } => self.source_lied(*source),
            Told::Behind { source } => self.read_again(*source),
            Told::Convicted { shown, rule } => self.convicts(shown, rule),
            Told::Mode { source, .. } => self.read_otherwise(*source),
            _ => {}
        }
    }

    /// Handles a tick.
    pub(crate) fn aggregator_tick(&mut self, run: u64) {
        let Some(machine) = self.aggregator.as_mut().filter(|m| m.host.runs(run)) else {
            return;
        };
        let is_full = machine.host.is_full;
        let process = machine.process.as_mut().expect("it runs");
        let mut was_short = process.is_short;
        if process.ticks.is_multiple_of(SPACE_TICKS) {
            was_short = mem::replace(&mut process.is_short, is_full);
        }
        process.ticks += 1;
        let is_short = process.is_short;
        if was_short != is_short {
            self.hand_aggregator(Input::Short(is_short));
        }
        if was_short && !is_short {
            self.release_all();
        }
        self.ask_for_heads();
        self.hand_aggregator(Input::Tick);
        let node = Node::Aggregator;
        self.queue
            .after(self.shape.weather.tick_us, Event::Tick { node, run });
    }

    /// Kills the process. A running commit is lost or kept.
    pub(crate) fn aggregator_dies(&mut self) {
        let Some(machine) = &mut self.aggregator else {
            return;
        };
        let process = machine.process.as_mut();
        let mut steps = process.and_then(|process| process.steps.take());
        let writes = steps.as_mut().and_then(|steps| {
            steps.find_map(|step| match step {
                Step::Commit(writes) => Some(writes),
                _ => None,
            })
        });
        let writes = writes.unwrap_or_default();
        if !writes.is_empty() && self.fate.permille(500) {
            self.commit_aggregator(writes);
        }
        let machine = self.aggregator.as_mut().expect("it is there");
        machine.crash();
        self.left(Node::Aggregator);
        self.look_after(Node::Aggregator);
    }

    /// Ends the process after a fatal error of the core.
    pub(super) fn aggregator_stops(&mut self, fatal: &Fatal) {
        let line = format!("aggregator stops: {fatal}");
        self.trace.line(self.queue.now_us, || line);
        if let Some(machine) = &mut self.aggregator {
            machine.crash();
        }
        self.left(Node::Aggregator);
        self.look_after(Node::Aggregator);
    }
}

impl Process {
    /// Runs a round: takes queued inputs while the round has room.
    fn round(&mut self, now: Now, disk: &SimDisk) -> Result<(), Fatal> {
        let mut round = self.driver.begin(now, disk)?;
        while round.has_room()
            && let Some(input) = self.inbox.pop_front()
        {
            round.take(input)?;
        }
        self.steps = Some(round.end()?);
        Ok(())
    }
}

pub(super) fn now_of(host: &crate::host::Host, now_us: u64) -> Now {
    Now {
        monotonic_ms: host.monotonic_ms(now_us),
        wall_ms: host.wall_ms(now_us),
    }
}
