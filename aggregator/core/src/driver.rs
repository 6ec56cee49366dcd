//! The deciding part of an aggregator's driver: what one round takes, and in which order its outcome is performed. The
//! process and the simulator run the same one.

use std::{collections::btree_map, mem, vec};

use kittengrad_journal::{Follower, Store, Tip, Write};
use kittengrad_proto::id::PublicKey;

use crate::{
    aggregator::Aggregator,
    io::{Event, Fatal, Fetch, Input, Now, Output},
    signals::Status,
};

/// Inputs taken into one round.
pub const ROUND_MAX: usize = 256;

/// An aggregator between two rounds.
pub struct Driver {
    aggregator: Aggregator,
    /// The last block was full: the aggregator has more to emit, whether anything comes or not.
    is_full: bool,
}

impl Driver {
    /// A driver that has taken nothing.
    #[must_use]
    pub const fn new(aggregator: Aggregator) -> Self {
        Self {
            aggregator,
            is_full: false,
        }
    }

    /// Whether a round is due although no input waits.
    #[must_use]
    pub const fn is_due(&self) -> bool {
        self.is_full
    }

    /// Whether what can be read is complete and fresh.
    #[must_use]
    pub fn view(&self, now: Now) -> Status {
        self.aggregator.view(now)
    }

    /// Where to go on in the journal of a source, after all inputs so far.
    #[must_use]
    pub fn taken(&self, source: &PublicKey) -> Option<Follower> {
        self.aggregator.taken(source)
    }

    /// The writes of the last round are on disk. Its later steps, and any [`Driver::view`], are to come after this.
    pub fn committed(&mut self) {
        self.aggregator.committed();
    }

    /// Begins a round.
    ///
    /// # Errors
    /// If the store fails: the process stops without a commit.
    pub fn begin<'a>(&'a mut self, now: Now, store: &'a dyn Store) -> Result<Taking<'a>, Fatal> {
        let is_due = mem::take(&mut self.is_full);
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
    /// Whether the round has room for another input. Without room it is to be ended first.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        !self.out.is_full && self.count < ROUND_MAX
    }

    /// Takes an input.
    ///
    /// # Errors
    /// If the store fails: the process stops without a commit.
    pub fn take(&mut self, input: Input) -> Result<(), Fatal> {
        self.count += 1;
        let aggregator = &mut self.driver.aggregator;
        aggregator.handle(self.now, input, self.store, &mut self.out)
    }

    /// Where to go on in the journal of a source, after all inputs so far.
    #[must_use]
    pub fn taken(&self, source: &PublicKey) -> Option<Follower> {
        self.driver.taken(source)
    }

    /// Ends the round: what was added becomes a block. Its steps have to be performed before the next round begins.
    ///
    /// # Errors
    /// If the store fails: the process stops without a commit.
    pub fn end(mut self) -> Result<Steps, Fatal> {
        self.driver.is_full = mem::take(&mut self.out.is_full);
        self.take(Input::Flush)?;
        Ok(Steps::of(self.out))
    }
}

/// One step of a round's outcome.
#[derive(Debug)]
pub enum Step {
    /// Commit these writes in one synced batch, then say [`Driver::committed`]. If the commit fails, stop the process.
    /// Every round has this step once; without writes there is nothing to wait for.
    Commit(Vec<Write>),
    /// Publish the journal's head.
    Publish(Tip),
    /// Fetch a record; what comes is handed in as [`Input::Records`].
    Fetch(Fetch),
    /// Free the memory of so many blocks of a source, oldest first.
    Free(PublicKey, usize),
    /// Log and count an event.
    Tell(Event),
}

/// The steps of one round, in the order in which they have to be performed.
#[derive(Debug)]
pub struct Steps {
    commit: Option<Vec<Write>>,
    tip: Option<Tip>,
    fetches: vec::IntoIter<Fetch>,
    done: btree_map::IntoIter<PublicKey, usize>,
    events: vec::IntoIter<Event>,
}

impl Steps {
    /// The steps of an output.
    #[must_use]
    pub fn of(out: Output) -> Self {
        Self {
            commit: Some(out.writes),
            tip: out.tip,
            fetches: out.fetches.into_iter(),
            done: out.done.into_iter(),
            events: out.events.into_iter(),
        }
    }

    /// What is not committed yet.
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
            .or_else(|| self.fetches.next().map(Step::Fetch))
            .or_else(|| {
                let (source, blocks) = self.done.next()?;
                Some(Step::Free(source, blocks))
            })
            .or_else(|| self.events.next().map(Step::Tell))
    }
}
