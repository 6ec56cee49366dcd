//! The driver: one thread that owns the core and the store's writes, and keeps the core's contract.
//!
//! It takes everything that is queued, hands it to the core, ends the round, and then: forwards, one synced commit,
//! sends, replies. While a commit is under way the next round collects, so blocks grow under load and are small
//! when idle.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use kittengrad_journal::{StateError, StoreError, Tip};
use kittengrad_node_core::{
    Event, Fatal, Input, Now, Outbound, Output, Peer, Refusal, Reply, RequestId, Status, Submitted,
};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{certificate::Chain, id::PublicKey, submission::Submission};
use kittengrad_service::views::Views;
use kittengrad_store::RocksStore;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    link::{Lanes, Links},
    metrics::PeerMetrics,
};

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
pub(crate) enum Command {
    /// For the core.
    Input(Input),
    /// For the core, as long as the connection is the partner's newest.
    Heard {
        partner: PublicKey,
        connection: u64,
        input: Input,
    },
    /// A link is up; messages for it go to `to`.
    LinkUp {
        partner: PublicKey,
        connection: u64,
        to: Lanes,
    },
    /// That connection is gone.
    LinkDown { partner: PublicKey, connection: u64 },
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

/// What the driver shows: only what is committed.
struct Shown {
    tip: watch::Sender<Option<Tip>>,
    status: watch::Sender<Status>,
}

/// The other ends of what the driver shows.
pub(crate) struct Seen {
    pub(crate) tip: watch::Receiver<Option<Tip>>,
    pub(crate) status: watch::Receiver<Status>,
}

/// What a command comes down to.
#[expect(clippy::large_enum_variant, reason = "it lives for one call")]
enum Next {
    Input(Input),
    Nothing,
    Stop,
}

/// The core with everything around it.
pub(crate) struct Driver {
    peer: Peer,
    store: Arc<RocksStore>,
    commands: mpsc::Receiver<Command>,
    links: Links,
    /// Partners whose queue overflowed in the last round: the core hears of it in the next one.
    fallen: Vec<PublicKey>,
    views: Views,
    answers: HashMap<RequestId, oneshot::Sender<Result<Submitted, Refusal>>>,
    next_request: RequestId,
    shown: Shown,
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
            peer,
            store,
            commands,
            links: Links::default(),
            fallen: Vec::new(),
            views,
            answers: HashMap::new(),
            next_request: 0,
            shown: Shown { tip, status },
            metrics,
            started,
        };
        Ok((driver, seen))
    }

    /// Runs until it is told to stop, or everybody who could is gone.
    pub(crate) fn run(mut self) -> Result<(), DriverError> {
        let mut batch = Vec::with_capacity(ROUND_MAX);
        loop {
            if self.commands.blocking_recv_many(&mut batch, ROUND_MAX) == 0 {
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
            && is_spared(&self.peer.status())
        {
            return Err(DriverError::Damage(damage.to_owned()));
        }
        let now = now(self.started);
        let mut out = Output::default();
        let mut is_last = false;
        if let Some(view) = self.views.newer() {
            self.peer
                .handle(now, Input::View(view), &*self.store, &mut out)?;
        }
        for partner in std::mem::take(&mut self.fallen) {
            self.peer
                .handle(now, Input::LinkDown(partner), &*self.store, &mut out)?;
        }
        for command in batch.drain(..) {
            match self.input_of(command) {
                Next::Input(input) => self.peer.handle(now, input, &*self.store, &mut out)?,
                Next::Nothing => {}
                Next::Stop => is_last = true,
            }
        }
        self.peer
            .handle(now, Input::Flush, &*self.store, &mut out)?;
        self.perform(out)?;
        Ok(is_last)
    }

    /// What a command means to the core.
    fn input_of(&mut self, command: Command) -> Next {
        match command {
            Command::Input(input) => Next::Input(input),
            Command::Heard {
                partner,
                connection,
                input,
            } => match self.links.is_current(partner, connection) {
                true => Next::Input(input),
                false => Next::Nothing,
            },
            Command::LinkUp {
                partner,
                connection,
                to,
            } => {
                self.links.up(partner, connection, to);
                Next::Input(Input::LinkUp(partner))
            }
            Command::LinkDown {
                partner,
                connection,
            } => match self.links.down(partner, connection) {
                true => Next::Input(Input::LinkDown(partner)),
                false => Next::Nothing,
            },
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
                Next::Input(Input::Submit {
                    request,
                    submission,
                    chain,
                    ack,
                    receipt,
                })
            }
            Command::Stop => Next::Stop,
        }
    }

    /// The core's contract, in its order.
    fn perform(&mut self, out: Output) -> Result<(), DriverError> {
        let Output {
            forwards,
            writes,
            sends,
            replies,
            events,
        } = out;
        self.send(forwards);
        if !writes.is_empty() {
            self.metrics.journal.commit(&writes);
            let begun = Instant::now();
            self.store.commit(writes).map_err(DriverError::Commit)?;
            self.metrics.journal.commit.committed(begun.elapsed());
        }
        self.send(sends);
        for Reply { request, outcome } in replies {
            if let Some(answer) = self.answers.remove(&request) {
                // Whoever asked may have gone away.
                let _ = answer.send(outcome);
            }
        }
        self.show();
        for event in events {
            self.log(&event);
        }
        Ok(())
    }

    /// Hands messages to their links. A link whose queue is full is too slow and is closed; it catches up later.
    fn send(&mut self, sends: Vec<Outbound>) {
        for send in sends {
            let to = send.to;
            if self.links.send(send) {
                self.metrics.link_overflowed();
                self.fallen.push(to);
            }
        }
    }

    fn show(&self) {
        let status = self.peer.status();
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

/// Whether the others can do without this peer's disk: all that share anything with it are there, and have everything.
///
/// What a reader found damaged is refused, and the rest of the disk is as good as it was. Whoever reads all journals finds
/// the damage of all disks at once: they must not be put aside at once.
fn is_spared(status: &Status) -> bool {
    let mut partners = status.partners.iter();
    !status.partners.is_empty() && partners.all(|(_, of)| of.is_up && of.is_open && of.is_settled)
}

fn now(started: Instant) -> Now {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let millis =
        |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Now {
        monotonic_ms: millis(started.elapsed()),
        wall_ms: millis(wall),
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_node_core::StatusOf;

    use super::*;

    #[test]
    fn a_disk_that_the_others_may_need_is_not_put_aside_for_what_a_reader_found() {
        let whole = StatusOf {
            is_up: true,
            is_open: true,
            is_settled: true,
            head: None,
            applied: None,
        };
        let filling = StatusOf {
            is_settled: false,
            ..whole
        };
        let down = StatusOf {
            is_up: false,
            ..whole
        };
        let spares = |partners: &[&StatusOf]| {
            let key = |number: usize| PublicKey::new([number as u8; 32]);
            let partners = partners.iter().enumerate();
            let partners = partners.map(|(number, of)| (key(number), **of));
            is_spared(&Status {
                tip: None,
                is_open: true,
                is_settled: true,
                missing: 0,
                clock_behind_ms: 0,
                why_clock: None,
                waiting: 0,
                waiting_bytes: 0,
                partners: partners.collect(),
            })
        };
        assert!(spares(&[&whole, &whole]));
        assert!(!spares(&[&whole, &filling]));
        assert!(!spares(&[&down, &whole]));
        assert!(!spares(&[]), "nobody has what a single peer has");
    }
}
