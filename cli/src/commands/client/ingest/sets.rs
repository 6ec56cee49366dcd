//! What the network knows of the canonicals of a batch, read from a quorum so that nothing acknowledged is missed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use kittengrad_client::{Client, lookup::Consistency};
use kittengrad_proto::id::RecordId;
use tokio::time::{Instant, sleep};

/// How long a cell may go without a quorum before its lines are refused.
const PATIENCE: Duration = Duration::from_secs(60);
/// Waits between attempts.
const WAIT_MIN: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(3);
/// Cells that are asked at the same time.
const CELLS_IN_FLIGHT: usize = 8;

/// What is known of one canonical.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// Nobody has it.
    Absent,
    /// Its statements; those whose records nobody has are left out.
    Set(Vec<(RecordId, Bytes)>),
    /// It cannot be told now.
    Unreachable(Arc<str>),
}

/// What is known of canonicals.
pub(super) type Sets = HashMap<RecordId, Known>;

/// Asks for all of them, one cell by itself so that a cell in trouble does not hold up the others.
pub(super) async fn look_up(client: &Client, canonicals: &HashSet<RecordId>) -> Sets {
    let network = client.network();
    let mut cells: BTreeMap<usize, Vec<RecordId>> = BTreeMap::new();
    for canonical in canonicals {
        cells
            .entry(network.ring().owner(canonical.point()))
            .or_default()
            .push(*canonical);
    }
    let cells =
        stream::iter(cells.into_values()).map(|canonicals| look_up_cell(client, canonicals));
    let mut sets = Sets::with_capacity(canonicals.len());
    let mut found = std::pin::pin!(cells.buffer_unordered(CELLS_IN_FLIGHT));
    while let Some(found) = found.next().await {
        sets.extend(found);
    }
    sets
}

async fn look_up_cell(client: &Client, mut missing: Vec<RecordId>) -> Sets {
    let (mut sets, mut wait, deadline) = (Sets::new(), WAIT_MIN, Instant::now() + PATIENCE);
    loop {
        let why: Arc<str> = match client.lookup(&missing, Consistency::Quorum, true).await {
            Ok(found) => {
                missing.clear();
                for answer in found.answers {
                    if !answer.complete {
                        missing.push(answer.canonical);
                        continue;
                    }
                    let statements = answer
                        .updates
                        .into_iter()
                        .filter_map(|(id, bytes)| Some((id, bytes?)));
                    let known = if answer.exists {
                        Known::Set(statements.collect())
                    } else {
                        Known::Absent
                    };
                    sets.insert(answer.canonical, known);
                }
                "too few of its replicas answer to know what was said about it before".into()
            }
            Err(error) => error.to_string().into(),
        };
        if missing.is_empty() {
            return sets;
        }
        if Instant::now() >= deadline {
            sets.extend(
                missing
                    .into_iter()
                    .map(|canonical| (canonical, Known::Unreachable(Arc::clone(&why)))),
            );
            return sets;
        }
        sleep(wait).await;
        wait = (wait * 2).min(WAIT_MAX);
    }
}
