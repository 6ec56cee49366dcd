//! The index is the fold of the journal (S6): it has exactly the elements up to its cursor, and neither documents nor
//! cursor go back. So no reader of the aggregator's journal skips an element either (S12).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kittengrad_client_core::view::fold::fold;
use kittengrad_indexer_core::{Commit, Digest, Store as _, document_hash};
use kittengrad_proto::{
    cursor::Cursor,
    id::{PublicKey, RecordId},
    namespace::Overlay,
    transaction::Element,
};

use super::{Verdict, check, merged::Merged};
use crate::indexer::IndexDisk;

const NAME: &str = "indexed";
const SOURCE: &str = "S6, S12";

/// The cursor of the last commit.
#[derive(Debug, Default)]
pub(crate) struct Indexed {
    cursor: Option<Cursor>,
}

impl Indexed {
    pub(super) fn commits(
        &mut self,
        disk: &IndexDisk,
        commit: &Commit,
        merged: &Merged,
    ) -> Verdict {
        let cursor = commit.state.cursors.current();
        // Only within an incarnation, because their numbers go back if a late clock begins a new disk.
        let same = self.cursor.zip(cursor);
        let same = same.filter(|(before, now)| before.incarnation == now.incarnation);
        let goes_back = same.is_some_and(|(before, now)| before.height > now.height);
        check(!goes_back, NAME, SOURCE, || {
            format!("the cursor went back from {:?} to {cursor:?}", self.cursor)
        })?;
        self.cursor = cursor;
        for changed in &commit.changed {
            let canonical = changed.document.canonical;
            let before = disk.load(&canonical).expect("an index in memory answers");
            let before = before.map(|stored| stored.set);
            let elements = changed.set.elements();
            let has_all = before
                .iter()
                .all(|set| set.elements().keys().all(|id| elements.contains_key(id)));
            check(has_all, NAME, SOURCE, || format!("{canonical} shrank"))?;
            for update in elements.keys() {
                let element = Element {
                    canonical,
                    update: Some(*update),
                };
                check(merged.ever.contains(&element), NAME, SOURCE, || {
                    format!("{element:?} is in the index and was never in the journal")
                })?;
            }
        }
        Ok(())
    }
}

/// Checks that the index has all elements up to its cursor.
pub(crate) fn has_everything(
    disk: &IndexDisk,
    journal: PublicKey,
    overlay: &Overlay,
    merged: &Merged,
) -> Verdict {
    let Some(cursor) = disk.state(overlay).cursors.of(&journal) else {
        return Ok(());
    };
    let Some(height) = cursor.height else {
        return Ok(());
    };
    let passed = merged
        .by_block
        .range((cursor.incarnation, 0)..=(cursor.incarnation, height));
    for (place, elements) in passed {
        for element in elements {
            check(disk.has(element), NAME, SOURCE, || {
                format!("the cursor {cursor} passed {place:?}, and {element:?} is not in the index")
            })?;
        }
    }
    Ok(())
}

/// Checks that documents, counts and digest are those of the sets.
pub(crate) fn is_whole(disk: &IndexDisk, overlay: &Overlay) -> Verdict {
    let state = disk.state(overlay);
    let mut digest = Digest::default();
    let (mut updates, mut absent) = (0, 0);
    for (canonical, stored) in &disk.sets {
        let set = &stored.set;
        let record = set.record().map(|record| &record[..]);
        let hash = document_hash(&fold(*canonical, record, set.elements()));
        check(hash == stored.hash, NAME, SOURCE, || {
            format!("the document of {canonical} is not the fold of its set")
        })?;
        digest.add(&hash);
        updates += set.elements().len() as u64;
        absent += set.absent_count() as u64;
    }
    let counts = state.counts;
    let found = (disk.sets.len() as u64, updates, absent);
    check(
        found == (counts.documents, counts.updates, counts.absent) && digest == state.digest,
        NAME,
        SOURCE,
        || format!("the state counts {counts:?}, there are {found:?}"),
    )
}

/// Checks that the index has every element of the view.
pub(crate) fn is_view<'a>(
    has: impl Fn(&Element) -> bool,
    mut view: impl Iterator<Item = &'a Element>,
) -> Verdict {
    let missing = view.find(|element| !has(element));
    check(missing.is_none(), NAME, SOURCE, || {
        format!("the index lacks {missing:?}")
    })
}

/// Checks that every element of the documents is in the view.
pub(super) fn has_nothing_else(
    documents: &BTreeMap<RecordId, BTreeSet<RecordId>>,
    view: &BTreeSet<Element>,
) -> Verdict {
    let canonicals: BTreeSet<_> = view.iter().map(|element| element.canonical).collect();
    for (canonical, updates) in documents {
        check(canonicals.contains(canonical), NAME, SOURCE, || {
            format!("{canonical} is in the index and not in the view")
        })?;
        for update in updates {
            let element = Element {
                canonical: *canonical,
                update: Some(*update),
            };
            check(view.contains(&element), NAME, SOURCE, || {
                format!("{element:?} is in the index and not in the view")
            })?;
        }
    }
    Ok(())
}

/// Checks that `shown` is the digest of the folds of these sets.
pub(super) fn is_fold(
    documents: &BTreeMap<RecordId, BTreeSet<RecordId>>,
    shown: &str,
    record: impl Fn(&RecordId) -> Option<Bytes>,
) -> Verdict {
    let mut digest = Digest::default();
    for (canonical, updates) in documents {
        let updates = updates.iter().map(|update| (*update, record(update)));
        let own = record(canonical);
        let document = fold(*canonical, own.as_deref(), &updates.collect());
        digest.add(&document_hash(&document));
    }
    let folded = digest.to_string();
    check(folded == shown, NAME, SOURCE, || {
        format!("the index shows the digest {shown}, its documents fold to {folded}")
    })
}
