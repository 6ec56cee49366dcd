//! The start of an aggregator's journal.

use std::sync::Arc;

use kittengrad_journal::{Fork, Journal, Store, added_elements};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{block::Holds, namespace::Overlay, signed::Signer};

use crate::io::{Fatal, Now};

/// Begins a new incarnation that forks from the last block on disk.
pub(crate) fn begin(
    overlay: Overlay,
    signer: Arc<dyn Signer>,
    plants: Plants,
    store: &dyn Store,
    now: Now,
) -> Result<Journal, Fatal> {
    if plants.has(Plant::AggregatorResumes)
        && let Some(journal) = Journal::resume(overlay.clone(), Arc::clone(&signer), store)?
    {
        return Ok(journal);
    }
    let head = store.head()?;
    let wall_ms = now.wall_ms;
    let incarnation = match head.map(|head| head.incarnation) {
        Some(highest) if wall_ms > highest => wall_ms,
        // Not one more: an old copy of the disk that is restored twice, with a late clock, would start it twice (rfd 4).
        Some(highest) => highest.saturating_add(wall_ms.max(1)),
        None => wall_ms,
    };
    let fork = head.map(|head| Fork::from(head, store)).transpose()?;
    let holds = Holds::whole();
    Ok(Journal::open(
        overlay,
        signer,
        incarnation,
        fork,
        holds,
        &[],
    ))
}

/// The number of elements in the set.
pub(crate) fn elements(store: &dyn Store) -> Result<u64, Fatal> {
    let mut elements = 0;
    for last in store.incarnations()? {
        if let Some(stored) = store.block(last.incarnation, last.height)? {
            elements += stored.offset + added_elements(&stored.block)?;
        }
    }
    Ok(elements)
}
