//! The driver: takes every block that is queued, then commits once.
//!
//! The driver runs on a thread of its own, because commits wait for the disk. It is the only writer of the index.

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

/// Commands that wait for the driver. A block may have 8 MiB.
pub const COMMANDS_MAX: usize = 16;
/// Batches of lookups that wait for [`crate::source::fetch()`].
pub const FETCHES_MAX: usize = 1;

/// A message to the driver.
#[derive(Debug)]
pub enum Command {
    /// The next block of the journal.
    Block(Block),
    /// The journal is read again from its first block.
    Again(PublicKey),
    /// Records that a lookup found.
    Fetched(Vec<Fetched>),
    /// A lookup ended, with or without records.
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
    /// Messages to the driver. When all senders are dropped, the driver makes a last commit and ends.
    pub commands: mpsc::Sender<Command>,
    /// Absent records to look up. [`Command::FetchEnded`] answers each batch at the end, with or without records.
    pub fetches: mpsc::Receiver<Vec<Wanted>>,
    /// The snapshot of the last commit.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
}

/// The core with its channels, its index and its clock.
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

enum Received {
    Command(Command),
    Nothing,
    End,
}

impl Driver {
    /// Resumes from the last commit of the index. Must be called within a tokio runtime.
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

    /// Runs until all senders of commands are dropped, and makes a last commit. Blocks its thread.
    ///
    /// # Errors
    /// If the index cannot be read or written.
    pub fn run(mut self) -> Result<(), DriverError> {
        loop {
            match self.receive() {
                Received::Command(command) => self.take(command)?,
                Received::Nothing => {}
                Received::End => return self.cut(),
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

    /// Waits for the next command, until a commit or a tick is due.
    fn receive(&mut self) -> Received {
        let wait = Duration::from_millis(self.pace.idle_ms(self.now_ms(), &self.indexer));
        let received = match self.commands.try_recv() {
            Ok(command) => return Received::Command(command),
            Err(mpsc::error::TryRecvError::Disconnected) => return Received::End,
            Err(mpsc::error::TryRecvError::Empty) => {
                let commands = &mut self.commands;
                self.runtime
                    .block_on(async { tokio::time::timeout(wait, commands.recv()).await })
            }
        };
        match received {
            Ok(Some(command)) => Received::Command(command),
            Ok(None) => Received::End,
            Err(_) => Received::Nothing,
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
        // If the channel is full or closed, a later tick asks for these records again.
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

    /// Publishes the last commit: as snapshot to readers, and in the metrics.
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
