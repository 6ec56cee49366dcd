//! Heads: the updates of a canonical that count today, as a pure function of its set.
//!
//! Only a publisher replaces or withdraws its own updates: `previous` and retractions have an effect if publisher and
//! publisher of the target are the same, in any order of arrival. `previous` by another publisher is a reply, and a
//! retraction by another publisher is an opinion.
//!
//! A replaced update stays replaced when its replacement is retracted: a retraction does not repeat the older
//! statement. So an update that is not a head never becomes one, and the view of every reader moves in one direction
//! only (rfd 6).

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{PublicKey, RecordId},
    record::{Record, Update},
};

/// The standing of an update among the statements about its canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It counts: its publisher neither replaced nor retracted it.
    Head,
    /// A later update of the same publisher names it in `previous`.
    Replaced,
    /// Its publisher retracted it, whether or not it was replaced before.
    Retracted,
}

/// An update and its standing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed<'a> {
    /// The update's name.
    pub id: RecordId,
    /// The update.
    pub update: &'a Update,
    /// Its standing.
    pub standing: Standing,
}

/// Determines the standing of all updates in `statements`, the known records of one canonical's set. The result is
/// ordered by (timestamp, CID).
/// Canonicals and duplicates are ignored. The result depends on the set alone, not on its order.
#[must_use]
pub fn place<'a>(statements: impl IntoIterator<Item = (RecordId, &'a Record)>) -> Vec<Placed<'a>> {
    let mut updates: BTreeMap<RecordId, &Update> = BTreeMap::new();
    let mut replaced: BTreeSet<(RecordId, PublicKey)> = BTreeSet::new();
    let mut retracted: BTreeSet<(RecordId, PublicKey)> = BTreeSet::new();
    for (id, record) in statements {
        match record {
            Record::Canonical(_) => {}
            Record::Update(update) => {
                replaced.extend(
                    update
                        .previous
                        .iter()
                        .map(|previous| (*previous, update.publisher)),
                );
                updates.insert(id, update);
            }
            Record::Retraction(retraction) => {
                retracted.insert((retraction.target, retraction.publisher));
            }
        }
    }
    let standing = |id: RecordId, publisher: PublicKey| {
        if retracted.contains(&(id, publisher)) {
            Standing::Retracted
        } else if replaced.contains(&(id, publisher)) {
            Standing::Replaced
        } else {
            Standing::Head
        }
    };
    let mut placed: Vec<Placed<'_>> = updates
        .into_iter()
        .map(|(id, update)| Placed {
            id,
            update,
            standing: standing(id, update.publisher),
        })
        .collect();
    placed.sort_by_key(|placed| (placed.update.timestamp_ms, placed.id));
    placed
}

/// Only the heads, ordered by (timestamp, CID).
#[must_use]
pub fn heads<'a>(
    statements: impl IntoIterator<Item = (RecordId, &'a Record)>,
) -> Vec<(RecordId, &'a Update)> {
    place(statements)
        .into_iter()
        .filter(|placed| placed.standing == Standing::Head)
        .map(|placed| (placed.id, placed.update))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Retraction;

    const TURNER: RecordId = RecordId::new([9; 32]);
    const TATE: PublicKey = PublicKey::new([1; 32]);
    const CMOA: PublicKey = PublicKey::new([2; 32]);

    fn update(
        id: u8,
        publisher: PublicKey,
        timestamp_ms: u64,
        previous: &[u8],
    ) -> (RecordId, Record) {
        let update = Update {
            reference: TURNER,
            publisher,
            timestamp_ms,
            name: None,
            meta: BTreeMap::new(),
            previous: previous.iter().map(|id| record_id(*id)).collect(),
            links: Vec::new(),
            salt: None,
        };
        (record_id(id), Record::Update(update))
    }

    fn retraction(id: u8, publisher: PublicKey, target: u8) -> (RecordId, Record) {
        let retraction = Retraction {
            reference: TURNER,
            target: record_id(target),
            publisher,
            timestamp_ms: 0,
        };
        (record_id(id), Record::Retraction(retraction))
    }

    const fn record_id(id: u8) -> RecordId {
        RecordId::new([id; 32])
    }

    /// Checks the heads, by the first byte of their ids, for several orders of arrival.
    fn check(set: &[(RecordId, Record)], expected: &[u8]) {
        let mut set: Vec<_> = set.iter().map(|(id, record)| (*id, record)).collect();
        for turn in 0..2 * set.len() {
            check_arrivals(&set, expected);
            set.rotate_left(1);
            if turn == set.len() {
                set.reverse();
            }
        }
        check_arrivals(&set.repeat(2), expected);
    }

    fn check_arrivals(set: &[(RecordId, &Record)], expected: &[u8]) {
        let heads = heads(set.iter().copied());
        let found: Vec<u8> = heads.iter().map(|(id, _)| id.as_bytes()[0]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_empty_set_has_no_heads() {
        check(&[], &[]);
    }

    #[test]
    fn heads_are_ordered_by_time_and_then_by_cid() {
        check(
            &[
                update(3, TATE, 5, &[]),
                update(1, CMOA, 7, &[]),
                update(2, TATE, 7, &[]),
            ],
            &[3, 1, 2],
        );
    }

    #[test]
    fn an_update_replaces_later_timestamps_that_it_names() {
        check(&[update(1, TATE, 5, &[]), update(2, TATE, 3, &[1])], &[2]);
    }

    #[test]
    fn concurrent_updates_coexist_until_one_names_both() {
        let apart = [
            update(1, TATE, 1, &[]),
            update(2, TATE, 2, &[1]),
            update(3, TATE, 2, &[1]),
        ];
        check(&apart, &[2, 3]);
        check(
            &[apart.as_slice(), &[update(4, TATE, 3, &[2, 3])]].concat(),
            &[4],
        );
    }

    #[test]
    fn nobody_replaces_what_another_publisher_said() {
        check(
            &[update(1, TATE, 1, &[]), update(2, CMOA, 2, &[1])],
            &[1, 2],
        );
    }

    #[test]
    fn a_publisher_takes_back_its_own_words_only() {
        check(&[update(1, TATE, 1, &[]), retraction(2, TATE, 1)], &[]);
        check(&[update(1, TATE, 1, &[]), retraction(2, CMOA, 1)], &[1]);
    }

    #[test]
    fn a_replaced_update_stays_replaced_after_a_retraction() {
        let set = [
            update(1, TATE, 1, &[]),
            update(2, TATE, 2, &[1]),
            retraction(3, TATE, 2),
        ];
        check(&set, &[]);
        let standings: Vec<_> = place(set.iter().map(|(id, record)| (*id, record)))
            .iter()
            .map(|p| p.standing)
            .collect();
        assert_eq!(standings, [Standing::Replaced, Standing::Retracted]);
    }

    #[test]
    fn a_replaced_update_that_is_retracted_counts_as_retracted() {
        let set = [
            update(1, TATE, 1, &[]),
            update(2, TATE, 2, &[1]),
            retraction(3, TATE, 1),
        ];
        check(&set, &[2]);
        let placed = place(set.iter().map(|(id, record)| (*id, record)));
        let found: Vec<_> = placed.iter().map(|p| (p.id, p.standing)).collect();
        let expected = [
            (record_id(1), Standing::Retracted),
            (record_id(2), Standing::Head),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_head_comes_with_its_own_update() {
        let set = [update(1, TATE, 7, &[]), update(2, CMOA, 5, &[])];
        let heads = heads(set.iter().map(|(id, record)| (*id, record)));
        let found: Vec<_> = heads.iter().map(|(id, u)| (*id, u.timestamp_ms)).collect();
        assert_eq!(found, [(record_id(2), 5), (record_id(1), 7)]);
    }

    #[test]
    fn a_retraction_cannot_be_taken_back() {
        let set = [
            update(1, TATE, 1, &[]),
            retraction(2, TATE, 1),
            retraction(3, TATE, 2),
        ];
        check(&set, &[]);
    }
}
