//! The plan of followed sources, which may change while the process runs.
//!
//! One task makes a new plan when the view of the ring changes. The driver passes the newest plan to the core. A second
//! task follows exactly the sources of that plan.

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

/// Plans a cover of all peers, including those that are down. The aggregator waits for a peer that is down, because
/// others may lack transactions that only it signed.
pub(crate) fn plan(view: &View) -> Arc<Plan> {
    Arc::new(Plan::cover(
        view.ring(),
        |point| view.key_at(point),
        |_| true,
    ))
}

/// Sends a new plan for each newer view, if it differs from the last plan. Never returns.
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

/// The followers of the newest plan's sources.
pub(crate) struct Followers {
    pub(crate) client: Client,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    pub(crate) readers: Readers,
    /// The reason to pause reading, such as a full disk. `None` while there is room.
    pub(crate) shortage: watch::Receiver<Option<String>>,
    pub(crate) stop: CancellationToken,
}

impl Followers {
    /// Follows the sources of the newest plan, and no others, until the process stops or the driver has ended.
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
                // The sender is dropped only when the process stops.
                Ok(()) = self.plans.changed() => {}
                Some(stopped) = tasks.join_next() => {
                    // A follower that ends without a request to stop has lost the driver.
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
            notices: self.readers.of(source),
            shortage: self.shortage.clone(),
            shutdown,
        }
    }
}
