//! Grouping: divides the drafts of a bulk load into transactions, each signed once.
//!
//! The peer that receives a transaction must hold all its canonicals. If it does not answer, the same signed bytes go
//! to another peer. So a group has canonicals of one cell, which have the same replicas. In a ring with no more members
//! than replicas, there is one group.
//!
//! ```
//! use kittengrad_client_core::grouping::{Limits, Want, group};
//! use kittengrad_proto::id::{PublicKey, RecordId};
//! use kittengrad_ring::{Replicas, Ring};
//!
//! let ring = Ring::new([1, 2].map(|byte| PublicKey::new([byte; 32]).point()), Replicas::default())?;
//! let bare = |byte| Want { canonical: RecordId::new([byte; 32]), insert: Some(40), updates: Vec::new() };
//! let groups = group(&ring, [bare(7), bare(200)], Limits::default())?;
//! assert_eq!(groups.len(), 1);
//! assert_eq!(groups[0].entries.len(), 2);
//! assert_eq!(groups[0].holders.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! # Source
//! `docs/ARCHITECTURE.md`, "A write".

use std::collections::BTreeMap;

use kittengrad_proto::{
    id::RecordId,
    limits::{
        NAMESPACE_BYTES_MAX, RECORD_BYTES_MAX, SUBMISSION_BYTES_MAX, TRANSACTION_ENTRIES_MAX,
        TRANSACTION_UPDATES_MAX,
    },
    transaction::Entry,
};
use kittengrad_ring::{Point, Ring};
use thiserror::Error;

/// Bytes of a transaction without entries, at most: signature, keys, ids, nonce, namespace.
const ENVELOPE_BYTES_MAX: usize = 320 + NAMESPACE_BYTES_MAX;
/// Bytes of an entry without updates, at most, with tags and lengths.
const ENTRY_BYTES_MAX: usize = 48;
/// Bytes of the name of an update in an entry.
const UPDATE_BYTES: usize = 32;

/// A publisher's draft about one canonical, with the sizes of its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The canonical.
    pub canonical: RecordId,
    /// Bytes of the canonical's record, if it is to be inserted.
    pub insert: Option<usize>,
    /// Updates and retractions, each with the bytes of its record. Duplicates count once.
    pub updates: Vec<(RecordId, usize)>,
}

/// Limits of a group. The limits of a transaction apply too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Updates and entries of one group.
    pub updates_max: usize,
    /// Bytes of one group with its records.
    pub bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            updates_max: TRANSACTION_UPDATES_MAX,
            bytes_max: SUBMISSION_BYTES_MAX,
        }
    }
}

/// Why nothing was grouped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GroupError {
    /// A record is above the limit.
    #[error("record {id} has {bytes} bytes, at most {RECORD_BYTES_MAX} are allowed")]
    TooLarge {
        /// The record.
        id: RecordId,
        /// Its bytes.
        bytes: usize,
    },
    /// The draft has neither an insert nor an update.
    #[error("draft of {0} is empty: it has neither an insert nor an update")]
    Nothing(RecordId),
}

/// The content of one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The members that hold all its canonicals, by their points; the owner of the first canonical first.
    pub holders: Vec<Point>,
    /// Ascending by canonical, with updates ascending. A canonical whose updates need several groups is inserted in
    /// each.
    pub entries: Vec<Entry>,
    /// Bytes, at most, including records.
    pub bytes: usize,
}

impl Group {
    /// The number of its updates.
    #[must_use]
    pub fn updates(&self) -> usize {
        self.entries.iter().map(|entry| entry.updates.len()).sum()
    }
}

/// Distributes `wants` over the fewest groups that their cells and the limits allow.
///
/// The result does not depend on the order of `wants`.
///
/// # Errors
/// [`GroupError`] if a draft does not fit into any group.
pub fn group(
    ring: &Ring,
    wants: impl IntoIterator<Item = Want>,
    limits: Limits,
) -> Result<Vec<Group>, GroupError> {
    let limits = Limits {
        updates_max: limits
            .updates_max
            .clamp(1, TRANSACTION_UPDATES_MAX.min(TRANSACTION_ENTRIES_MAX)),
        bytes_max: limits
            .bytes_max
            .clamp(SMALLEST_BYTES_MAX, SUBMISSION_BYTES_MAX),
    };
    let mut cells: BTreeMap<Option<Point>, Cell> = BTreeMap::new();
    let is_one_cell = ring.members().len() <= ring.replication().get();
    for (canonical, want) in united(wants)? {
        let owner = ring.owner(canonical.point());
        let key = (!is_one_cell).then_some(owner);
        cells
            .entry(key)
            .or_insert_with(|| Cell::new(ring.replicas(owner)))
            .add(canonical, &want, limits);
    }
    Ok(cells.into_values().flat_map(Cell::finish).collect())
}

/// Space for an entry with one update and records of the largest size.
const SMALLEST_BYTES_MAX: usize =
    ENVELOPE_BYTES_MAX + ENTRY_BYTES_MAX + UPDATE_BYTES + 2 * RECORD_BYTES_MAX;
const _: () = assert!(SMALLEST_BYTES_MAX <= SUBMISSION_BYTES_MAX);

/// All drafts of one canonical.
#[derive(Default)]
struct United {
    insert: Option<usize>,
    updates: BTreeMap<RecordId, usize>,
}

/// Merges drafts of the same canonical.
fn united(wants: impl IntoIterator<Item = Want>) -> Result<BTreeMap<RecordId, United>, GroupError> {
    let mut all: BTreeMap<RecordId, United> = BTreeMap::new();
    for want in wants {
        let Want {
            canonical,
            insert,
            updates,
        } = want;
        if insert.is_none() && updates.is_empty() {
            return Err(GroupError::Nothing(canonical));
        }
        let records = insert
            .map(|bytes| (canonical, bytes))
            .into_iter()
            .chain(updates.iter().copied());
        for (id, bytes) in records {
            if bytes > RECORD_BYTES_MAX {
                return Err(GroupError::TooLarge { id, bytes });
            }
        }
        let united = all.entry(canonical).or_default();
        united.insert = united.insert.or(insert);
        united.updates.extend(updates);
    }
    Ok(all)
}

/// The groups with one set of holders. Only the last one has space.
struct Cell {
    holders: Vec<Point>,
    groups: Vec<Group>,
    /// Updates and bare inserts of the last group.
    count: usize,
}

impl Cell {
    const fn new(holders: Vec<Point>) -> Self {
        Self {
            holders,
            groups: Vec::new(),
            count: 0,
        }
    }

    fn add(&mut self, canonical: RecordId, want: &United, limits: Limits) {
        let head_bytes = ENTRY_BYTES_MAX + want.insert.unwrap_or(0);
        if want.updates.is_empty() {
            self.open(canonical, want, head_bytes, 0, limits);
            self.count += 1;
        }
        let mut entry_is_open = false;
        for (&update, &record_bytes) in &want.updates {
            let bytes = UPDATE_BYTES + record_bytes;
            if !entry_is_open || !self.fits(bytes, limits) {
                self.open(canonical, want, head_bytes, bytes, limits);
                entry_is_open = true;
            }
            if let Some(group) = self.groups.last_mut() {
                group.bytes += bytes;
                if let Some(entry) = group.entries.last_mut() {
                    entry.updates.push(update);
                }
            }
            self.count += 1;
        }
    }

    /// Starts an entry, in a new group if the last one has no space for the entry and its first update.
    fn open(
        &mut self,
        canonical: RecordId,
        want: &United,
        head_bytes: usize,
        next_bytes: usize,
        limits: Limits,
    ) {
        if !self.fits(head_bytes + next_bytes, limits) {
            self.groups.push(Group {
                holders: self.holders.clone(),
                entries: Vec::new(),
                bytes: ENVELOPE_BYTES_MAX,
            });
            self.count = 0;
        }
        if let Some(group) = self.groups.last_mut() {
            group.bytes += head_bytes;
            let insert = want.insert.is_some();
            group.entries.push(Entry {
                canonical,
                insert,
                updates: Vec::new(),
            });
        }
    }

    fn fits(&self, bytes: usize, limits: Limits) -> bool {
        self.groups.last().is_some_and(|group| {
            self.count < limits.updates_max && group.bytes + bytes <= limits.bytes_max
        })
    }

    fn finish(self) -> Vec<Group> {
        self.groups
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kittengrad_proto::{
        id::{Id, PublicKey},
        namespace::Overlay,
        signed::SigningKey,
        transaction::{Envelope, POLICY, Transaction},
    };
    use kittengrad_ring::Replicas;
    use proptest::prelude::*;

    use super::*;

    fn ring(members: u8) -> Ring {
        let points = (0..members).map(|byte| PublicKey::new([byte; 32]).point());
        Ring::new(points, Replicas::default()).unwrap()
    }

    fn id(number: u16) -> RecordId {
        RecordId::of(&number.to_be_bytes())
    }

    fn want(canonical: u16, insert: bool, updates: &[(u16, usize)]) -> Want {
        Want {
            canonical: id(canonical),
            insert: insert.then_some(50),
            updates: updates
                .iter()
                .map(|(number, bytes)| (id(*number), *bytes))
                .collect(),
        }
    }

    #[test]
    fn a_canonical_is_inserted_with_each_part_of_its_updates() {
        let updates: Vec<_> = (0..2_500).map(|number| (number, 300)).collect();
        let groups = group(&ring(5), [want(1, true, &updates)], Limits::default()).unwrap();
        let sizes: Vec<_> = groups.iter().map(Group::updates).collect();
        assert_eq!(sizes, [1_000, 1_000, 500]);
        assert!(
            groups
                .iter()
                .all(|group| group.entries.len() == 1 && group.entries[0].insert)
        );
    }

    #[test]
    fn the_record_of_a_canonical_counts_in_its_group() {
        let bytes = |insert| {
            let want = Want {
                insert: Some(insert),
                ..want(1, true, &[(2, 300)])
            };
            group(&ring(5), [want], Limits::default()).unwrap()[0].bytes
        };
        assert_eq!(bytes(60_000) - bytes(10), 59_990);
    }

    #[test]
    fn a_ring_of_r_members_is_one_cell() {
        let wants = || (0..100).map(|number| want(number, true, &[]));
        assert_eq!(
            group(&ring(3), wants(), Limits::default()).unwrap().len(),
            1
        );
        assert!(group(&ring(4), wants(), Limits::default()).unwrap().len() > 1);
    }

    #[test]
    fn large_records_are_spread_by_their_bytes() {
        let updates: Vec<_> = (0..130).map(|number| (number, RECORD_BYTES_MAX)).collect();
        let groups = group(&ring(5), [want(1, false, &updates)], Limits::default()).unwrap();
        assert_eq!(groups.len(), 3);
        assert!(
            groups
                .iter()
                .all(|group| group.bytes <= SUBMISSION_BYTES_MAX)
        );
    }

    #[test]
    fn what_can_be_in_no_group_is_refused() {
        let nothing = group(&ring(3), [want(1, false, &[])], Limits::default());
        assert_eq!(nothing, Err(GroupError::Nothing(id(1))));
        let bytes = RECORD_BYTES_MAX + 1;
        let large = group(&ring(3), [want(1, false, &[(2, bytes)])], Limits::default());
        assert_eq!(large, Err(GroupError::TooLarge { id: id(2), bytes }));
        let insert = Want {
            insert: Some(bytes),
            ..want(1, true, &[(2, 300)])
        };
        let large = group(&ring(3), [insert], Limits::default());
        assert_eq!(large, Err(GroupError::TooLarge { id: id(1), bytes }));
    }

    #[test]
    fn the_bytes_counted_are_never_fewer_than_those_signed() {
        let namespace = "n".repeat(NAMESPACE_BYTES_MAX).parse().unwrap();
        let overlay = Overlay {
            network: Id::ZERO,
            namespace,
        };
        let envelope = Envelope {
            chain: Id::ZERO,
            policy: POLICY,
            created_ms: u64::MAX,
            nonce: [255; 16],
        };
        for (entries, updates) in [(1, 0), (1, 1_000), (1_000, 1), (30, 33)] {
            let wants = (0..entries).map(|entry| {
                let updates: Vec<_> = (0..updates).map(|n| (entry * 33 + n, 0)).collect();
                Want {
                    insert: Some(0),
                    ..want(entry, true, &updates)
                }
            });
            let groups = group(&ring(1), wants, Limits::default()).unwrap();
            assert_eq!(groups.len(), 1);
            let signer = SigningKey::from_seed(&[1; 32]);
            let bytes = groups[0].bytes;
            let signed =
                Transaction::sign(&overlay, &envelope, groups[0].entries.clone(), &signer).unwrap();
            assert!(
                signed.signed().size_bytes() <= bytes,
                "{entries} entries, {updates} updates"
            );
        }
    }

    fn wants() -> impl Strategy<Value = Vec<Want>> {
        let update = (
            0_u16..400,
            prop_oneof![Just(300_usize), Just(RECORD_BYTES_MAX)],
        );
        let one = (
            0_u16..60,
            any::<bool>(),
            prop::collection::vec(update, 0..40),
        );
        let one = one.prop_map(|(canonical, insert, updates)| {
            want(canonical, insert || updates.is_empty(), &updates)
        });
        prop::collection::vec(one, 0..60)
    }

    proptest! {
        #[test]
        fn everything_wanted_is_in_a_group_that_its_holders_can_take(
            wants in wants(),
            members in 1_u8..12,
            updates_max in 1_usize..50,
        ) {
            let ring = ring(members);
            let limits = Limits { updates_max, ..Limits::default() };
            let groups = group(&ring, wants.clone(), limits).unwrap();
            let mut found = BTreeSet::new();
            for group in &groups {
                prop_assert!(group.updates() <= updates_max && group.entries.len() <= updates_max);
                prop_assert!(group.bytes <= SUBMISSION_BYTES_MAX);
                prop_assert!(group.entries.is_sorted_by(|a, b| a.canonical < b.canonical));
                for entry in &group.entries {
                    prop_assert!(entry.updates.is_sorted_by(|a, b| a < b));
                    for &holder in &group.holders {
                        prop_assert!(ring.holds(holder, entry.canonical.point()));
                    }
                    found.extend(entry.elements());
                }
            }
            let expected: BTreeSet<_> = wants.iter().flat_map(|want| {
                let updates = want.updates.iter().map(|(update, _)| *update).collect();
                Entry { canonical: want.canonical, insert: true, updates }.elements().collect::<Vec<_>>()
            }).collect();
            let said: BTreeSet<_> = expected.iter().filter(|e| e.update.is_some()).map(|e| e.canonical).collect();
            let expected: BTreeSet<_> =
                expected.into_iter().filter(|e| e.update.is_some() || !said.contains(&e.canonical)).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn the_order_of_wants_does_not_matter(mut wants in wants()) {
            // Sizes belong to records, so equal updates have equal sizes.
            for (_, bytes) in wants.iter_mut().flat_map(|want| &mut want.updates) {
                *bytes = 300;
            }
            let forward = group(&ring(7), wants.clone(), Limits::default());
            wants.reverse();
            prop_assert_eq!(forward, group(&ring(7), wants, Limits::default()));
        }
    }
}
