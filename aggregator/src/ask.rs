//! Asking every peer for its head, once a second. The answers date the view, and show which peers are up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kittengrad_aggregator_core::{Input, Network};
use kittengrad_client::Client;
use kittengrad_proto::{id::PublicKey, identity::Beat, limits::NONCE_BYTES};
use kittengrad_service::process::joined;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::driver::{Command, now};

/// Time between two questions to one peer.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Time for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Questions that wait for an answer, at most. A peer that does not answer keeps one place for [`ANSWER_WITHIN`].
const ASKED_MAX: usize = 4_096;

/// Asks all peers of the newest ring, until the driver ends.
pub(crate) async fn run(
    client: Client,
    networks: watch::Receiver<Arc<Network>>,
    commands: mpsc::Sender<Command>,
    started: Instant,
) {
    let mut due = interval(ASK_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = JoinSet::new();
    loop {
        tokio::select! {
            Some(ended) = asked.join_next() => joined(ended),
            _ = due.tick() => {
                let members = networks.borrow().members();
                for member in members {
                    if asked.len() < ASKED_MAX {
                        asked.spawn(ask(client.clone(), member, commands.clone(), started));
                    }
                }
            }
            () = commands.closed() => return,
        }
    }
}

/// Asks one peer. A failure needs no report: a peer without answers is down.
async fn ask(client: Client, member: PublicKey, commands: mpsc::Sender<Command>, started: Instant) {
    let mut nonce = [0; NONCE_BYTES];
    if let Err(error) = getrandom::fill(&mut nonce) {
        tracing::error!(%error, "no random number for a question");
        return;
    }
    let at = now(started);
    let answer = match timeout(ANSWER_WITHIN, client.head_now(&member, nonce)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::debug!(?member, %error, "no head");
            return;
        }
        Err(_) => return,
    };
    if let Some(heartbeat) = answer.heartbeat {
        let through = answer.through;
        let beat = Box::new(Beat { heartbeat, through });
        // The driver may have ended.
        let asked = Input::Asked { member, at, beat };
        let _ = commands.send(Command::Input(asked)).await;
    }
}
