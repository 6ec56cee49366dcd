//! The driver: one thread that owns the core and the store's writes, and keeps the core's contract.
//!
//! It takes everything that is queued, hands it to the core, ends the round, and then: forwards, one synced commit,
//! sends, replies. While a commit is under way the next round collects, so blocks grow under load and are small
//! when idle.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use kittengrad_journal::{StateError, StoreError, Tip, Write};
use kittengrad_node_core::{
    Event, Fatal, Input, Now, Outbound, Peer, Refusal, Reply, RequestId, Status, Submitted,
    driver::{self, Step},
};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{certificate::Chain, submission::Submission};
use kittengrad_service::views::Views;
use kittengrad_store::RocksStore;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{link::Lanes, metrics::PeerMetrics};

/// Commands that may wait for the driver.
pub(crate) const COMMANDS_MAX: usize = 8_192;
/// Commands taken into one round.
const ROUND_MAX: usize = 4_096;

/// Why the driver stopped. The process ends: recovery is a restart.
#[derive(Debug, Error)]
pub enum DriverError {
    /// The core could not go on.
    #[error(transparent)]
    Core(#[from] Fatal),
    /// A commit failed; nothing of it was acknowledged.
    #[error("commit: {0}")]
    Commit(StoreError),
    /// Somebody read what is damaged, for a client or a partner.
    #[error("a read found the store damaged: {0}")]
    Damage(String),
}

impl DriverError {
    /// What is on the disk is not what was written, so that a restart alone does not help.
    pub(crate) const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damage(_)
                | Self::Commit(StoreError::Damaged(_))
                | Self::Core(Fatal::Store(StoreError::Damaged(_)))
                | Self::Core(Fatal::State(
                    StateError::Store(StoreError::Damaged(_)) | StateError::Form { .. }
                ))
        )
    }
}

/// What others ask of the driver.
#[expect(
    clippy::large_enum_variant,
    reason = "under load most commands are the larger ones"
)]
pub(crate) enum Command {
    /// For the core.
    Core(driver::Command<Lanes>),
    /// A client's transaction.
    Submit {
        submission: Submission,
        chain: Arc<Chain>,
        ack: Ack,
        receipt: bool,
        answer: oneshot::Sender<Result<Submitted, Refusal>>,
    },
    /// Finish: everything queued before this is still done.
    Stop,
}

impl Command {
    /// An input that no connection brought.
    pub(crate) const fn input(input: Input) -> Self {
        Self::Core(driver::Command::Input(input))
    }
}

impl From<driver::Command<Lanes>> for Command {
    fn from(command: driver::Command<Lanes>) -> Self {
        Self::Core(command)
    }
}

/// What the driver shows: only what is committed.
struct Senders {
    tip: watch::Sender<Option<Tip>>,
    status: watch::Sender<Status>,
}

/// The other ends of what the driver shows.
pub(crate) struct Seen {
    pub(crate) tip: watch::Receiver<Option<Tip>>,
    pub(crate) status: watch::Receiver<Status>,
}

/// The core with everything around it.
pub(crate) struct Driver {
    core: driver::Driver<Lanes>,
    store: Arc<RocksStore>,
    commands: mpsc::Receiver<Command>,
    views: Views,
    answers: HashMap<RequestId, oneshot::Sender<Result<Submitted, Refusal>>>,
    next_request: RequestId,
    shown: Senders,
    metrics: PeerMetrics,
    started: Instant,
}

impl Driver {
    pub(crate) fn new(
        config: kittengrad_node_core::PeerConfig,
        views: Views,
        store: Arc<RocksStore>,
        commands: mpsc::Receiver<Command>,
        metrics: PeerMetrics,
    ) -> Result<(Self, Seen), DriverError> {
        let started = Instant::now();
        let peer = Peer::new(config, &*store, now(started))?;
        let (tip, tip_seen) = watch::channel(None);
        let (status, status_seen) = watch::channel(peer.status());
        let seen = Seen {
            tip: tip_seen,
            status: status_seen,
        };
        let driver = Self {
            core: driver::Driver::new(peer),
            store,
            commands,
            views,
            answers: HashMap::new(),
            next_request: 0,
            shown: Senders { tip, status },
            metrics,
            started,
        };
        Ok((driver, seen))
    }

    /// Runs until it is told to stop, or everybody who could is gone.
    pub(crate) fn run(mut self) -> Result<(), DriverError> {
        let mut batch = Vec::with_capacity(ROUND_MAX);
        loop {
            // A link that had no room is a reason for a round, even if nobody says anything.
            if !self.core.is_due() && self.commands.blocking_recv_many(&mut batch, ROUND_MAX) == 0 {
                return Ok(());
            }
            let is_last = self.round(&mut batch)?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// One round; says whether it was the last one. There is one with every tick, so that damage does not stay unnoticed.
    fn round(&mut self, batch: &mut Vec<Command>) -> Result<bool, DriverError> {
        if let Some(damage) = self.store.damage()
            && self.core.status().is_spared()
        {
            return Err(DriverError::Damage(damage.to_owned()));
        }
        let mut is_last = false;
        let mut round = self.core.begin(now(self.started), &*self.store)?;
        if let Some(view) = self.views.newer() {
            round.take(driver::Command::Input(Input::View(view)))?;
        }
        for command in batch.drain(..) {
            match command {
                Command::Core(command) => {
                    round.take(command)?;
                }
                Command::Submit {
                    submission,
                    chain,
                    ack,
                    receipt,
                    answer,
                } => {
                    let request = self.next_request;
                    self.next_request += 1;
                    self.answers.insert(request, answer);
                    let submit = Input::Submit {
                        request,
                        submission,
                        chain,
                        ack,
                        receipt,
                    };
                    round.take(driver::Command::Input(submit))?;
                }
                Command::Stop => is_last = true,
            }
        }
        for step in round.end()? {
            self.perform(step)?;
        }
        self.show();
        Ok(is_last)
    }

    fn perform(&mut self, step: Step) -> Result<(), DriverError> {
        match step {
            Step::Forward(message) | Step::Send(message) => self.send(message),
            Step::Commit(writes) => self.commit(writes)?,
            Step::Tell(event) => self.log(&event),
            Step::Reply(Reply { request, outcome }) => {
                if let Some(answer) = self.answers.remove(&request) {
                    // Whoever asked may have gone away.
                    let _ = answer.send(outcome);
                }
            }
        }
        Ok(())
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), DriverError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.metrics.journal.commit(&writes);
        let begun = Instant::now();
        self.store.commit(writes).map_err(DriverError::Commit)?;
        self.metrics.journal.commit.committed(begun.elapsed());
        Ok(())
    }

    /// Hands a message to its link. A link whose queue is full is too slow and is closed; its partner catches up later.
    fn send(&mut self, Outbound { to, message }: Outbound) {
        let Some(link) = self.core.link(&to) else {
            return;
        };
        if link.to.send(message).is_err() {
            self.metrics.link_overflowed();
            self.core.fell(to);
        }
    }

    fn show(&self) {
        let status = self.core.status();
        self.metrics.status(&status);
        self.shown.tip.send_if_modified(|tip| {
            let is_new = *tip != status.tip;
            *tip = status.tip;
            is_new
        });
        self.shown.status.send_if_modified(|shown| {
            let is_new = *shown != status;
            *shown = status;
            is_new
        });
    }

    fn log(&self, event: &Event) {
        self.metrics.event(event);
        match event {
            Event::Opened {
                incarnation,
                began_after: None,
            } => {
                tracing::info!(incarnation, "journal goes on");
            }
            Event::Opened {
                incarnation,
                began_after: Some(None),
            } => {
                tracing::info!(incarnation, "first journal begins");
            }
            Event::Opened {
                incarnation,
                began_after: Some(Some(seen)),
            } => {
                tracing::warn!(
                    incarnation,
                    ?seen,
                    "others saw more than the disk has: a new incarnation begins"
                );
            }
            Event::Settled => tracing::info!("settled: everything that the arc ever had is here"),
            Event::Misbehaved { peer, what } => {
                tracing::warn!(?peer, %what, "partner broke the rules")
            }
            Event::Unavailable(id) => tracing::warn!(transaction = %id, "no partner can show it"),
            Event::Invalid { peer, id, why } => {
                tracing::warn!(?peer, transaction = %id, why, "partner journalled an invalid transaction");
            }
        }
    }
}

fn now(started: Instant) -> Now {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Now {
        monotonic_ms: millis(started.elapsed()),
        wall_ms: millis(wall),
    }
}
