//! The driver: takes every block that is queued, then commits once.
//!
//! It runs on a thread of its own, because commits wait for the disk. Nobody else writes the index.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kittengrad_indexer_core::{Block, Fetched, Indexer, Input, Output, StoreError, Wanted};
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
    /// The next commit is not before.
    cut_from: Instant,
    /// The next tick is not before.
    tick_from: Instant,
    /// Whether a lookup is under way.
    is_fetching: bool,
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
        let now = Instant::now();
        let driver = Self {
            indexer,
            index,
            feed,
            metrics,
            commands: received,
            fetches: asked,
            shown,
            runtime: Handle::current(),
            began: now,
            cut_from: now,
            tick_from: now,
            is_fetching: false,
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
            if self.should_cut() {
                self.cut()?;
            }
            if self.tick_from <= Instant::now() && !self.is_fetching {
                self.tick()?;
            }
        }
    }

    /// The next command, or nothing when it is time to do something else.
    fn hear(&mut self) -> Heard {
        let now = Instant::now();
        let until = match (self.indexer.has_pending(), self.is_fetching) {
            (true, _) => self.cut_from,
            (false, false) => self.tick_from,
            (false, true) => now + TICK,
        };
        let wait = until.saturating_duration_since(now);
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
            Command::FetchEnded => self.is_fetching = false,
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
        self.tick_from = Instant::now() + TICK;
        let fetch = self.handle(Input::Tick)?.fetch;
        // Full or closed: the turn of these records comes again.
        self.is_fetching = !fetch.is_empty() && self.fetches.try_send(fetch).is_ok();
        Ok(())
    }

    /// Whether to commit now: enough is pending, or nothing is queued and the last commit is long ago.
    fn should_cut(&self) -> bool {
        if !self.indexer.has_pending() {
            return false;
        }
        let is_full = self.indexer.pending_bytes() >= PENDING_BYTES_MAX
            || self.indexer.pending_weight_bytes() >= PENDING_WEIGHT_BYTES_MAX;
        let now = Instant::now();
        let is_late = now >= self.cut_from + INTERVAL_MAX;
        is_full || is_late || now >= self.cut_from && self.commands.is_empty()
    }

    fn cut(&mut self) -> Result<(), DriverError> {
        let Some(commit) = self.handle(Input::Cut)?.commit else {
            return Ok(());
        };
        let began = Instant::now();
        self.index.commit(&commit)?;
        let took = began.elapsed();
        // Commits take at most a fifth of the time: the slower they are, the larger they become.
        self.cut_from = Instant::now() + (took * 4).clamp(INTERVAL_MIN, INTERVAL_MAX);
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
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut out = Output::default();
        self.indexer.handle(now_ms, input, &self.index, &mut out)?;
        Ok(out)
    }
}

/// Time between two commits at least: a search sees an update after about this.
const INTERVAL_MIN: Duration = Duration::from_millis(200);
/// Time between two commits at most, while anything is pending.
const INTERVAL_MAX: Duration = Duration::from_secs(2);
/// How often it is asked whether absent records should be looked up again.
const TICK: Duration = Duration::from_secs(1);
/// Bytes of new records of one commit.
const PENDING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of memory of one commit, with what the touched sets had before.
const PENDING_WEIGHT_BYTES_MAX: usize = 256 * 1024 * 1024;
