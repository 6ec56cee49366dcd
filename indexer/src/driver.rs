//! The driver: takes every block that is queued, then commits once.
//!
//! It runs on a thread of its own, because commits wait for the disk. Nobody else writes the index.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kittengrad_indexer_core::{
    Block, Fetched, Indexer, Input, Output, StoreError, Wanted, pace::Pace,
};
use kittengrad_proto::id::PublicKey;
use thiserror::Error;
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};

use crate::{
    feed::Feed,
    index::{Index, IndexError, Snapshot},
    metrics::IndexerMetrics,
};

/// Blocks that wait for the driver. One may have 8 MiB.
pub const COMMANDS_MAX: usize = 16;
/// Lookups that wait for whoever makes them.
pub const FETCHES_MAX: usize = 1;

/// What the driver is told.
#[derive(Debug)]
pub enum Command {
    /// The journal goes on.
    Block(Block),
    /// The journal is read again from its first block.
    Again(PublicKey),
    /// A lookup that was asked for found something.
    Fetched(Vec<Fetched>),
    /// It is done, with whatever was found.
    FetchEnded,
}

/// Why the driver stopped by itself. Everything up to the last commit is on the disk.
#[derive(Debug, Error)]
pub enum DriverError {
    /// The index cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index cannot be written.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// The ends of the driver's channels.
#[derive(Debug)]
pub struct Controls {
    /// What the driver is told. When all senders are gone it commits what it has and ends.
    pub commands: mpsc::Sender<Command>,
    /// Absent records to look up; each batch ends with [`Command::FetchEnded`], found or not.
    pub fetches: mpsc::Receiver<Vec<Wanted>>,
    /// The last commit.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
}

/// The core with everything around it.
#[derive(Debug)]
pub struct Driver {
    indexer: Indexer,
    index: Index,
    feed: Feed,
    metrics: IndexerMetrics,
    commands: mpsc::Receiver<Command>,
    fetches: mpsc::Sender<Vec<Wanted>>,
    shown: watch::Sender<Arc<Snapshot>>,
    runtime: Handle,
    began: Instant,
    pace: Pace,
}

enum Heard {
    Command(Command),
    Nothing,
    End,
}

impl Driver {
    /// Goes on where the index ends. To be called within a tokio runtime.
    #[must_use]
    pub fn new(index: Index, feed: Feed, metrics: IndexerMetrics) -> (Self, Controls) {
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let (asked, fetches) = mpsc::channel(FETCHES_MAX);
        let (shown, snapshots) = watch::channel(Arc::clone(index.snapshot()));
        let snapshot = index.snapshot();
        let indexer = Indexer::resume(snapshot.state.clone(), (*snapshot.publishers).clone());
        let driver = Self {
            indexer,
            index,
            feed,
            metrics,
            commands: received,
            fetches: asked,
            shown,
            runtime: Handle::current(),
            began: Instant::now(),
            pace: Pace::new(0),
        };
        driver.show();
        let controls = Controls {
            commands,
            fetches,
            snapshots,
        };
        (driver, controls)
    }

    /// Runs until nobody is left who could tell it anything, and commits what it has then. For a thread of its own.
    ///
    /// # Errors
    /// If the index cannot be read or written.
    pub fn run(mut self) -> Result<(), DriverError> {
        loop {
            match self.hear() {
                Heard::Command(command) => self.take(command)?,
                Heard::Nothing => {}
                Heard::End => return self.cut(),
            }
            let is_queue_empty = self.commands.is_empty();
            if self
                .pace
                .should_cut(self.now_ms(), &self.indexer, is_queue_empty)
            {
                self.cut()?;
            }
            if self.pace.should_tick(self.now_ms()) {
                self.tick()?;
            }
        }
    }

    /// The next command, or nothing when it is time to do something else.
    fn hear(&mut self) -> Heard {
        let wait = Duration::from_millis(self.pace.idle_ms(self.now_ms(), &self.indexer));
        let heard = match self.commands.try_recv() {
            Ok(command) => return Heard::Command(command),
            Err(mpsc::error::TryRecvError::Disconnected) => return Heard::End,
            Err(mpsc::error::TryRecvError::Empty) => {
                let commands = &mut self.commands;
                self.runtime
                    .block_on(async { tokio::time::timeout(wait, commands.recv()).await })
            }
        };
        match heard {
            Ok(Some(command)) => Heard::Command(command),
            Ok(None) => Heard::End,
            Err(_) => Heard::Nothing,
        }
    }

    fn take(&mut self, command: Command) -> Result<(), DriverError> {
        match command {
            Command::Block(block) => {
                self.metrics.blocks.inc();
                self.handle(Input::Block(block))?;
            }
            Command::FetchEnded => self.pace.lookup_ended(),
            Command::Again(journal) => drop(self.handle(Input::Again(journal))?),
            Command::Fetched(all) => {
                for fetched in all {
                    self.handle(Input::Fetched(fetched))?;
                }
            }
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<(), DriverError> {
        self.pace.ticked(self.now_ms());
        let fetch = self.handle(Input::Tick)?.fetch;
        // Full or closed: the turn of these records comes again.
        let is_looking = !fetch.is_empty() && self.fetches.try_send(fetch).is_ok();
        self.pace.lookups_began(usize::from(is_looking));
        Ok(())
    }

    fn cut(&mut self) -> Result<(), DriverError> {
        let Some(commit) = self.handle(Input::Cut)?.commit else {
            return Ok(());
        };
        let began = Instant::now();
        self.index.commit(&commit)?;
        let took = began.elapsed();
        self.pace.committed(self.now_ms(), millis(took));
        self.metrics.commit.committed(took);
        self.metrics
            .commit
            .elements
            .inc_by(commit.news.len() as u64);
        tracing::debug!(
            documents = commit.changed.len(),
            news = commit.news.len(),
            ?took,
            "committed"
        );
        self.show();
        self.feed.tell(&commit, &self.index.snapshot().publishers);
        Ok(())
    }

    /// Makes the last commit visible to everybody.
    fn show(&self) {
        let snapshot = self.index.snapshot();
        let counts = snapshot.state.counts;
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.documents.set(gauge(counts.documents));
        self.metrics.updates.set(gauge(counts.updates));
        self.metrics.absent.set(gauge(counts.absent));
        let height = snapshot
            .state
            .cursors
            .current()
            .and_then(|cursor| cursor.height);
        self.metrics.height.set(height.map_or(-1, gauge));
        self.shown.send_replace(Arc::clone(snapshot));
    }

    fn handle(&mut self, input: Input) -> Result<Output, DriverError> {
        let now_ms = self.now_ms();
        let mut out = Output::default();
        self.indexer.handle(now_ms, input, &self.index, &mut out)?;
        Ok(out)
    }

    fn now_ms(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
