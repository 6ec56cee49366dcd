//! The deciding part of an aggregator's driver: the inputs of a round, and the order of the steps that follow. The
//! process and the simulator run the same code.

use std::{collections::btree_map, mem, sync::Arc, vec};

use kittengrad_journal::{Follower, Store, Tip, Write};
use kittengrad_proto::{checkpoint::Statement, id::PublicKey};

use crate::{
    aggregator::Aggregator,
    io::{Event, Fatal, Fetch, Input, Now, Output},
    plan::{Mode, Plan},
    planner::Planner,
    signals::Status,
};

/// Inputs of one round, at most.
pub const ROUND_MAX: usize = 256;

/// An aggregator between two rounds.
pub struct Driver {
    aggregator: Aggregator,
    planner: Planner,
    /// The aggregator has more to do even without a new input: the last block was full, or an item waits for the elements
    /// in it.
    is_due: bool,
}

impl Driver {
    /// Makes a driver for an opened aggregator.
    #[must_use]
    pub fn new(aggregator: Aggregator) -> Self {
        Self {
            planner: Planner::planted(aggregator.plants()),
            aggregator,
            is_due: false,
        }
    }

    /// Whether a round is due even without an input.
    #[must_use]
    pub const fn is_due(&self) -> bool {
        self.is_due
    }

    /// The status at `now`, as of the last commit.
    #[must_use]
    pub fn view(&self, now: Now) -> Status {
        self.aggregator.view(now)
    }

    /// The sources to follow. `None` until the ring is known.
    #[must_use]
    pub const fn plan(&self) -> Option<&Plan> {
        self.planner.plan()
    }

    /// The position in the journal of a source after all inputs so far. `None` before its first block.
    #[must_use]
    pub fn taken(&self, source: &PublicKey) -> Option<Follower> {
        self.aggregator.taken(source)
    }

    /// How the next subscription to a source reads its journal.
    #[must_use]
    pub fn mode(&self, source: &PublicKey) -> Mode {
        self.aggregator.mode(source)
    }

    /// Notes that the writes of the last round are on disk. Call it before the later steps and before [`Driver::view`].
    pub fn committed(&mut self) {
        self.aggregator.committed();
    }

    /// Begins a round, with a tick if one [is due](Driver::is_due).
    ///
    /// # Errors
    /// If the store fails. The process must stop without a commit.
    pub fn begin<'a>(&'a mut self, now: Now, store: &'a dyn Store) -> Result<Taking<'a>, Fatal> {
        let is_due = mem::take(&mut self.is_due);
        let mut taking = Taking {
            driver: self,
            now,
            store,
            out: Output::default(),
            count: 0,
        };
        if is_due {
            taking.take(Input::Tick)?;
        }
        Ok(taking)
    }
}

/// A round that takes inputs.
pub struct Taking<'a> {
    driver: &'a mut Driver,
    now: Now,
    store: &'a dyn Store,
    out: Output,
    count: usize,
}

impl Taking<'_> {
    /// Whether the round has room for another input. Without room, end it first.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        !self.out.is_full && self.count < ROUND_MAX
    }

    /// Takes an input.
    ///
    /// # Errors
    /// If the store fails. The process must stop without a commit.
    pub fn take(&mut self, input: Input) -> Result<(), Fatal> {
        self.count += 1;
        let now_ms = self.now.monotonic_ms;
        let planner = &mut self.driver.planner;
        let is_due = match &input {
            Input::Network(network) => {
                planner.network(Arc::clone(network), now_ms);
                true
            }
            Input::Asked { member, .. } => {
                planner.answered(*member, now_ms);
                false
            }
            Input::Short(is_short) => {
                planner.short(*is_short);
                false
            }
            Input::Tick => true,
            _ => false,
        };
        self.pass(input)?;
        if is_due {
            let status = self.driver.aggregator.view(self.now);
            if let Some(plan) = self.driver.planner.look(&status, now_ms) {
                self.pass(Input::Plan(plan))?;
            }
        }
        Ok(())
    }

    fn pass(&mut self, input: Input) -> Result<(), Fatal> {
        let aggregator = &mut self.driver.aggregator;
        aggregator.handle(self.now, input, self.store, &mut self.out)
    }

    /// The position in the journal of a source after all inputs so far. `None` before its first block.
    #[must_use]
    pub fn taken(&self, source: &PublicKey) -> Option<Follower> {
        self.driver.taken(source)
    }

    /// How the next subscription to a source reads its journal.
    #[must_use]
    pub fn mode(&self, source: &PublicKey) -> Mode {
        self.driver.mode(source)
    }

    /// Ends the round: the added elements become a block. Perform its steps before the next round begins.
    ///
    /// # Errors
    /// If the store fails. The process must stop without a commit.
    pub fn end(mut self) -> Result<Steps, Fatal> {
        let is_full = mem::take(&mut self.out.is_full);
        self.take(Input::Flush)?;
        self.driver.is_due = is_full || self.out.is_awaited;
        Ok(Steps::of(self.out))
    }
}

/// One step of a round's outcome.
#[derive(Debug)]
pub enum Step {
    /// Commit these writes in one synced batch, then call [`Driver::committed`]. If the commit fails, stop the process.
    /// Every round has this step once, possibly without writes.
    Commit(Vec<Write>),
    /// Publish the journal's head.
    Publish(Tip),
    /// Publish what the set contains as of that head or an earlier one, for heartbeats.
    State(Arc<Statement>),
    /// Fetch a record. Its bytes come back as [`Input::Records`].
    Fetch(Fetch),
    /// Free the memory of this number of a source's blocks, oldest first.
    Free(PublicKey, usize),
    /// Log and count an event.
    Tell(Event),
}

/// The steps of one round, in the order of their performance.
#[derive(Debug)]
pub struct Steps {
    commit: Option<Vec<Write>>,
    tip: Option<Tip>,
    statement: Option<Arc<Statement>>,
    fetches: vec::IntoIter<Fetch>,
    done: btree_map::IntoIter<PublicKey, usize>,
    events: vec::IntoIter<Event>,
}

impl Steps {
    /// Orders the parts of an output as steps.
    #[must_use]
    pub fn of(out: Output) -> Self {
        Self {
            commit: Some(out.writes),
            tip: out.tip,
            statement: out.statement,
            fetches: out.fetches.into_iter(),
            done: out.done.into_iter(),
            events: out.events.into_iter(),
        }
    }

    /// The writes that are not committed yet.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        self.commit.as_deref().unwrap_or_default()
    }
}

impl Iterator for Steps {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        None.or_else(|| self.commit.take().map(Step::Commit))
            .or_else(|| self.tip.take().map(Step::Publish))
            .or_else(|| self.statement.take().map(Step::State))
            .or_else(|| self.fetches.next().map(Step::Fetch))
            .or_else(|| {
                let (source, blocks) = self.done.next()?;
                Some(Step::Free(source, blocks))
            })
            .or_else(|| self.events.next().map(Step::Tell))
    }
}
