//! The sets of the canonicals of a batch, read from a quorum so that no acknowledged write is missed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use kittengrad_client::{
    Client,
    lookup::{Answer, Consistency},
    pauses::Pauses,
};
use kittengrad_client_core::routing::Backoff;
use kittengrad_overlay::view::Cell;
use kittengrad_proto::id::RecordId;
use tokio::time::{Instant, sleep};

/// How long a cell may go without a quorum before its lines are refused.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pauses between attempts.
const RETRY: Backoff = Backoff {
    base_ms: 200,
    max_ms: 3_000,
};
/// Cells that are asked at the same time.
const CELLS_IN_FLIGHT: usize = 8;

/// The set of one canonical.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// The canonical does not exist.
    Absent,
    /// All its statements.
    Set(Vec<(RecordId, Bytes)>),
    /// Too few replicas answered.
    Unreachable(Arc<str>),
}

/// Sets by their canonicals.
pub(super) type Sets = HashMap<RecordId, Known>;

/// Looks all canonicals up, each cell separately so that a failing cell does not delay the others.
pub(super) async fn look_up(client: &Client, canonicals: &HashSet<RecordId>) -> Sets {
    let view = client.view();
    let mut cells: BTreeMap<Cell, Vec<RecordId>> = BTreeMap::new();
    for canonical in canonicals {
        let cell = view.cell_of(canonical);
        cells.entry(cell).or_default().push(*canonical);
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
    let (mut sets, mut pauses) = (Sets::new(), Pauses::new(RETRY));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let why: Arc<str> = match client.lookup(&missing, Consistency::Quorum, true).await {
            Ok(found) => {
                missing.clear();
                let mut why: Arc<str> = Arc::from("");
                for answer in found.answers {
                    let canonical = answer.canonical;
                    match known(answer) {
                        Ok(known) => drop(sets.insert(canonical, known)),
                        Err(reason) => {
                            missing.push(canonical);
                            why = reason.into();
                        }
                    }
                }
                why
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
        sleep(pauses.after_failure()).await;
    }
}

/// The set in an answer. An incomplete answer is an error, because a missing statement would be published twice.
fn known(answer: Answer) -> Result<Known, &'static str> {
    if !answer.complete {
        return Err("too few replicas answer to know the earlier statements about its canonical");
    }
    if answer.absent_records().next().is_some() {
        return Err(
            "no replica that answers has all records of the earlier statements about its canonical",
        );
    }
    if !answer.exists {
        return Ok(Known::Absent);
    }
    let statements = answer.updates.into_iter();
    Ok(Known::Set(
        statements
            .filter_map(|(id, bytes)| Some((id, bytes?)))
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(exists: bool, complete: bool, updates: &[Option<&'static str>]) -> Answer {
        let updates = (1..).zip(updates).map(|(number, bytes)| {
            let bytes = bytes.map(|text| Bytes::from_static(text.as_bytes()));
            (RecordId::new([number; 32]), bytes)
        });
        Answer {
            canonical: RecordId::new([9; 32]),
            exists,
            record: None,
            updates: updates.collect(),
            answered_by: Vec::new(),
            complete,
        }
    }

    #[test]
    fn a_set_is_known_only_if_a_quorum_told_it_with_all_records() {
        let all = answer(true, true, &[Some("a"), Some("b")]);
        assert!(matches!(known(all), Ok(Known::Set(set)) if set.len() == 2));
        assert!(matches!(known(answer(false, true, &[])), Ok(Known::Absent)));
        for unknown in [
            answer(true, true, &[Some("a"), None]),
            answer(true, false, &[Some("a")]),
            answer(false, false, &[]),
        ] {
            assert!(known(unknown).is_err());
        }
    }
}
