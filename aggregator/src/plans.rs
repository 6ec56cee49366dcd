//! The plan of followed sources, which may change while the process runs.
//!
//! One task passes newer rings to the driver, whose core plans. A second task follows exactly the sources of the newest
//! plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kittengrad_aggregator_core::{Network, Plan};
use kittengrad_client::Client;
use kittengrad_overlay::view::View;
use kittengrad_proto::{id::PublicKey, signed_head::SignedHead};
use kittengrad_service::{process::joined, views::Views};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{driver::Command, follow::Following, readers::Readers};

/// The ring of a view, with the number of faulty replicas to tolerate in each cell.
pub(crate) fn network(view: &View, tolerate: usize) -> Arc<Network> {
    let keys = view.peers().map(|peer| peer.key);
    let ring = view.ring().clone();
    Arc::new(Network::new(view.ring_id(), ring, keys, tolerate))
}

/// Sends the ring of each newer view. Never returns.
pub(crate) async fn watch_ring(
    mut views: Views,
    tolerate: usize,
    networks: watch::Sender<Arc<Network>>,
) {
    loop {
        let view = views.changed().await;
        let newer = network(&view, tolerate);
        networks.send_if_modified(|last| {
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
    /// The last head of our own journal, for the sources.
    pub(crate) own_head: watch::Receiver<Option<Arc<SignedHead>>>,
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
            own_head: self.own_head.clone(),
            shutdown,
        }
    }
}
