//! Which sources are followed: a plan that may change while the process runs.
//!
//! One task plans anew whenever the view of the ring changes. The driver hands the newest plan to the core, and
//! another task follows exactly its sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kittengrad_aggregator_core::Plan;
use kittengrad_client::Client;
use kittengrad_overlay::view::View;
use kittengrad_proto::id::PublicKey;
use kittengrad_service::{process::joined, views::Views};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{driver::Command, follow::Following, readers::Readers};

/// A cover of all peers: one that is down is waited for, because others may lack what only it signed.
pub(crate) fn plan(view: &View) -> Arc<Plan> {
    Arc::new(Plan::cover(
        view.ring(),
        |point| view.key_at(point),
        |_| true,
    ))
}

/// Plans anew whenever there is a newer view, for as long as it is awaited.
pub(crate) async fn plan_anew(mut views: Views, plans: watch::Sender<Arc<Plan>>) {
    loop {
        let view = views.changed().await;
        let newer = plan(&view);
        plans.send_if_modified(|last| {
            let is_new = *last != newer;
            *last = newer;
            is_new
        });
    }
}

/// Everybody who reads a source of the newest plan.
pub(crate) struct Followers {
    pub(crate) client: Client,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    pub(crate) readers: Readers,
    /// Why nothing is to be read at the moment.
    pub(crate) shortage: watch::Receiver<Option<String>>,
    pub(crate) stop: CancellationToken,
}

impl Followers {
    /// Follows the sources of the newest plan, and no others, until the process stops or the driver is gone.
    pub(crate) async fn run(mut self) {
        let mut tasks = JoinSet::new();
        let mut followed = BTreeMap::<PublicKey, CancellationToken>::new();
        loop {
            let plan = Arc::clone(&self.plans.borrow_and_update());
            let planned: BTreeSet<_> = plan.sources.iter().map(|of| of.source).collect();
            followed.retain(|source, stop| {
                let is_planned = planned.contains(source);
                if !is_planned {
                    stop.cancel();
                }
                is_planned
            });
            for source in planned {
                followed.entry(source).or_insert_with(|| {
                    let stop = self.stop.child_token();
                    let following = self.following(source, stop.clone());
                    tasks.spawn(following.run());
                    stop
                });
            }
            tokio::select! {
                () = self.stop.cancelled() => break,
                // The sender is gone only when the process stops.
                Ok(()) = self.plans.changed() => {}
                Some(stopped) = tasks.join_next() => {
                    // One that nobody asked to stop has lost the driver.
                    if !joined(stopped) {
                        break;
                    }
                }
            }
        }
        followed.into_values().for_each(|stop| stop.cancel());
        while let Some(stopped) = tasks.join_next().await {
            joined(stopped);
        }
    }

    fn following(&self, source: PublicKey, shutdown: CancellationToken) -> Following {
        Following {
            source,
            client: self.client.clone(),
            commands: self.commands.clone(),
            told: self.readers.of(source),
            shortage: self.shortage.clone(),
            shutdown,
        }
    }
}
