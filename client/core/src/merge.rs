//! Merging the answers of several replicas about one canonical, and telling whether they are complete.
//!
//! Sets only grow, so answers are united. There are no weights and no votes ([`GSet`]).

use std::{collections::BTreeSet, fmt, str::FromStr};

use crdts::{CmRDT, CvRDT, GSet};
use kittengrad_proto::{
    block::Head,
    id::{PublicKey, RecordId},
};
use kittengrad_ring::Replicas;
use thiserror::Error;

/// The number of replicas that a reader requires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Consistency {
    /// One: the fastest, possibly behind.
    One,
    /// A majority: sees everything that was acknowledged by a quorum.
    #[default]
    Quorum,
    /// All: also sees elements that only one replica has.
    All,
}

/// A text is not a consistency. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a consistency; use one, quorum or all")]
pub struct ConsistencyError(String);

impl Consistency {
    /// The word in options and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Quorum => "quorum",
            Self::All => "all",
        }
    }

    /// The number of `holders` replicas that must answer.
    #[must_use]
    pub fn needed(self, holders: usize, replicas: Replicas) -> usize {
        match self {
            Self::One => 1,
            Self::Quorum => replicas.quorum().min(holders).max(1),
            Self::All => holders.max(1),
        }
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Consistency {
    type Err = ConsistencyError;

    fn from_str(text: &str) -> Result<Self, ConsistencyError> {
        let found = [Self::One, Self::Quorum, Self::All]
            .into_iter()
            .find(|c| c.as_str() == text);
        found.ok_or_else(|| ConsistencyError(text.chars().take(80).collect()))
    }
}

/// The number of replicas, of `holders`, that certainly includes one with any given acknowledged write. If W of n disks
/// confirmed, any n − W + 1 replicas include one of those disks.
#[must_use]
pub fn sees_every_acknowledged_write(holders: usize, replicas: Replicas) -> usize {
    (holders + 1).saturating_sub(replicas.quorum()).max(1)
}

/// The answer of one replica about one canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The replica.
    pub peer: PublicKey,
    /// Its head when it answered.
    pub head: Head,
    /// Whether it has an element of the canonical.
    pub exists: bool,
    /// The updates that it has.
    pub updates: Vec<RecordId>,
}

/// The merged answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Whether a replica has an element of the canonical.
    pub exists: bool,
    /// All updates, ascending.
    pub updates: BTreeSet<RecordId>,
    /// The replicas that answered, each once, ascending by key.
    pub answered_by: Vec<(PublicKey, Head)>,
    /// Whether as many holders answered as the consistency requires, and enough to see every write that a quorum
    /// acknowledged.
    pub complete: bool,
}

/// Unites `replies` about one canonical. `holders` are its replicas. Answers of other members, such as an aggregator,
/// add to the set and do not count towards completeness.
///
/// ```
/// use kittengrad_client_core::merge::{Consistency, Reply, merge};
/// use kittengrad_proto::{block::Head, id::{Id, PublicKey, RecordId}};
/// use kittengrad_ring::Replicas;
///
/// let holders = [1, 2, 3].map(|byte| PublicKey::new([byte; 32]));
/// let head = Head { incarnation: 1, height: 9, hash: Id::ZERO };
/// let reply = |peer, update| Reply { peer, head, exists: true, updates: vec![RecordId::new([update; 32])] };
///
/// let replies = [reply(holders[0], 7), reply(holders[2], 8)];
/// let merged = merge(&replies, &holders, Replicas::default(), Consistency::Quorum);
/// assert_eq!(merged.updates.len(), 2);
/// assert!(merged.complete);
/// assert!(!merge(&replies[..1], &holders, Replicas::default(), Consistency::One).complete);
/// ```
#[must_use]
pub fn merge(
    replies: &[Reply],
    holders: &[PublicKey],
    replicas: Replicas,
    consistency: Consistency,
) -> Merged {
    let mut set = GSet::new();
    let mut heads: GSet<(PublicKey, Head)> = GSet::new();
    for reply in replies {
        let mut one = GSet::new();
        reply.updates.iter().for_each(|update| one.apply(*update));
        set.merge(one);
        heads.apply((reply.peer, reply.head));
    }
    let mut answered_by: Vec<(PublicKey, Head)> = Vec::new();
    for (peer, head) in BTreeSet::from(heads) {
        match answered_by.last_mut() {
            // The lower one of two heads: the answer proves no more than that.
            Some((last, _)) if *last == peer => {}
            _ => answered_by.push((peer, head)),
        }
    }
    let holders: BTreeSet<_> = holders.iter().collect();
    let heard = answered_by
        .iter()
        .filter(|(peer, _)| holders.contains(peer))
        .count();
    let wanted = consistency.needed(holders.len(), replicas);
    Merged {
        exists: replies.iter().any(|reply| reply.exists),
        updates: set.into(),
        answered_by,
        complete: heard >= wanted.max(sees_every_acknowledged_write(holders.len(), replicas)),
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::id::Id;
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> PublicKey {
        PublicKey::new([byte; 32])
    }

    fn reply(peer: u8, height: u64, updates: &[u8]) -> Reply {
        Reply {
            peer: key(peer),
            head: Head {
                incarnation: 1,
                height,
                hash: Id::ZERO,
            },
            exists: !updates.is_empty(),
            updates: updates
                .iter()
                .map(|byte| RecordId::new([*byte; 32]))
                .collect(),
        }
    }

    fn check(holders: u8, consistency: Consistency, answered: &[u8], complete: bool) {
        let holders: Vec<_> = (0..holders).map(key).collect();
        let replies: Vec<_> = answered.iter().map(|peer| reply(*peer, 0, &[])).collect();
        let merged = merge(&replies, &holders, Replicas::default(), consistency);
        assert_eq!(
            merged.complete,
            complete,
            "{} holders, {consistency}, {answered:?}",
            holders.len()
        );
    }

    #[test]
    fn an_answer_is_complete_if_it_sees_every_acknowledged_write() {
        use Consistency::{All, One, Quorum};
        check(3, One, &[0], false);
        check(3, One, &[0, 1], true);
        check(3, Quorum, &[0, 2], true);
        check(3, Quorum, &[0, 0], false);
        check(3, All, &[0, 1], false);
        check(3, All, &[0, 1, 2], true);
        check(2, One, &[1], true);
        check(1, One, &[0], true);
        check(1, Quorum, &[0], true);
        check(1, All, &[0], true);
        check(3, One, &[], false);
    }

    #[test]
    fn a_consistency_needs_no_more_answers_than_there_are_holders() {
        use Consistency::{All, One, Quorum};
        for (replicas, quorum) in [(1, 1), (3, 2), (5, 3), (7, 4)] {
            let replicas = Replicas::new(replicas).unwrap();
            for holders in 1..=replicas.get() {
                assert_eq!(One.needed(holders, replicas), 1);
                assert_eq!(Quorum.needed(holders, replicas), quorum.min(holders));
                assert_eq!(All.needed(holders, replicas), holders);
            }
            for consistency in [One, Quorum, All] {
                assert_eq!(consistency.needed(0, replicas), 1, "nobody proves nothing");
            }
        }
    }

    #[test]
    fn a_read_that_all_holders_answer_is_complete() {
        for replicas in [1, 3, 5, 7] {
            let replicas = Replicas::new(replicas).unwrap();
            for count in 1..=replicas.get() {
                let peers = 0..u8::try_from(count).unwrap();
                let holders: Vec<_> = peers.clone().map(key).collect();
                let replies: Vec<_> = peers.map(|peer| reply(peer, 0, &[])).collect();
                for consistency in [Consistency::One, Consistency::Quorum, Consistency::All] {
                    let merged = merge(&replies, &holders, replicas, consistency);
                    assert!(merged.complete, "{count} of R = {replicas}, {consistency}");
                }
            }
        }
    }

    #[test]
    fn who_does_not_hold_it_adds_to_the_set_and_proves_nothing() {
        check(3, Consistency::Quorum, &[0, 7, 8], false);
        let merged = merge(
            &[reply(9, 4, &[1])],
            &[key(1)],
            Replicas::default(),
            Consistency::One,
        );
        assert!(merged.exists && !merged.complete);
        assert_eq!(merged.updates.len(), 1);
    }

    #[test]
    fn two_answers_of_one_replica_prove_its_lower_head() {
        let merged = merge(
            &[reply(1, 9, &[]), reply(1, 4, &[2])],
            &[key(1)],
            Replicas::default(),
            Consistency::One,
        );
        assert_eq!(merged.answered_by.len(), 1);
        assert_eq!(merged.answered_by[0].1.height, 4);
    }

    #[test]
    fn a_consistency_is_read_as_it_is_written() {
        for consistency in [Consistency::One, Consistency::Quorum, Consistency::All] {
            assert_eq!(consistency.as_str().parse(), Ok(consistency));
        }
        for (word, consistency) in [
            ("one", Consistency::One),
            ("quorum", Consistency::Quorum),
            ("all", Consistency::All),
        ] {
            assert_eq!(consistency.to_string(), word);
        }
        assert_eq!(Consistency::default(), Consistency::Quorum);
        for other in ["ALL", "", "one ", "two"] {
            let error = ConsistencyError(other.to_owned());
            assert_eq!(other.parse::<Consistency>(), Err(error));
        }
    }

    #[test]
    fn all_but_a_quorum_and_one_more_see_every_write() {
        for (holders, replicas, expected) in [
            (0, 3, 1),
            (1, 3, 1),
            (2, 3, 1),
            (3, 3, 2),
            (5, 5, 3),
            (4, 5, 2),
            (7, 7, 4),
            (1, 1, 1),
        ] {
            let found = sees_every_acknowledged_write(holders, Replicas::new(replicas).unwrap());
            assert_eq!(found, expected, "{holders} of {replicas}");
        }
    }

    #[test]
    fn a_canonical_exists_if_one_replica_has_an_element() {
        let exists = |replies: &[Reply]| {
            merge(replies, &[key(1)], Replicas::default(), Consistency::One).exists
        };
        // An insert without an update.
        let bare = Reply {
            exists: true,
            ..reply(1, 1, &[])
        };
        let absent = reply(2, 1, &[]);
        assert!(!exists(&[]));
        assert!(!exists(std::slice::from_ref(&absent)));
        assert!(exists(&[bare.clone(), absent.clone()]));
        assert!(exists(&[absent, bare]));
    }

    #[test]
    fn all_who_answered_are_listed_once_by_their_keys() {
        let replies = [
            reply(9, 4, &[3]),
            reply(1, 7, &[2]),
            reply(9, 5, &[1]),
            reply(2, 1, &[2]),
        ];
        let holders = [key(1), key(2), key(2)];
        let merged = merge(&replies, &holders, Replicas::default(), Consistency::All);
        let answered = merged.answered_by.iter();
        let answered: Vec<_> = answered.map(|(peer, head)| (*peer, head.height)).collect();
        assert_eq!(answered, [(key(1), 7), (key(2), 1), (key(9), 4)]);
        let updates = [1, 2, 3].map(|byte| RecordId::new([byte; 32]));
        assert!(merged.updates.into_iter().eq(updates));
        assert!(merged.complete, "both holders answered");
    }

    fn replies() -> impl Strategy<Value = Vec<Reply>> {
        let one = (0_u8..5, 0_u64..9, prop::collection::vec(0_u8..9, 0..6));
        prop::collection::vec(
            one.prop_map(|(peer, height, updates)| reply(peer, height, &updates)),
            0..8,
        )
    }

    proptest! {
        #[test]
        fn order_and_repeats_change_nothing(replies in replies(), turn in 0_usize..8) {
            let holders = [key(0), key(1), key(2)];
            let merged = |replies: &[Reply]| merge(replies, &holders, Replicas::default(), Consistency::Quorum);
            let expected = merged(&replies);
            let mut turned = replies.clone();
            turned.rotate_left(turn.min(replies.len()));
            prop_assert_eq!(&merged(&turned), &expected);
            turned.extend(replies.iter().rev().cloned());
            prop_assert_eq!(&merged(&turned), &expected);
        }

        /// Keeps S3.
        #[test]
        fn another_answer_never_takes_anything_away(replies in replies(), more in replies()) {
            let holders = [key(0), key(1), key(2)];
            let before = merge(&replies, &holders, Replicas::default(), Consistency::All);
            let all = [replies, more].concat();
            let after = merge(&all, &holders, Replicas::default(), Consistency::All);
            prop_assert!(before.updates.is_subset(&after.updates));
            prop_assert!(before.exists <= after.exists && before.complete <= after.complete);
        }
    }
}
