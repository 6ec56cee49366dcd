//! The heads up to which partners' journals must be read before a filling peer is settled.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_overlay::view::View;
use kittengrad_proto::{block::Head, id::PublicKey};
use kittengrad_ring::KeyRange;

/// The heads up to which partners' journals must be read.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    /// The highest head in the hellos of each partner; `None` if the partner has no block yet.
    targets: BTreeMap<PublicKey, Option<Head>>,
}

impl Filling {
    /// Takes the head of a partner's hello. The highest one counts: while the link was down, this peer missed writes.
    pub(crate) fn heard(&mut self, partner: PublicKey, head: Option<Head>) {
        let target = self.targets.entry(partner).or_insert(head);
        if let Some(head) = head
            && target.is_none_or(|target| target.place() < head.place())
        {
            *target = Some(head);
        }
    }

    /// Whether this peer has read enough other replicas of every cell that it holds.
    pub(crate) fn is_done(
        &self,
        view: &View,
        settled: &BTreeSet<PublicKey>,
        has_reached: impl Fn(&PublicKey, KeyRange, Head) -> bool,
    ) -> bool {
        let is_level = |key: &PublicKey, arc| match self.targets.get(key) {
            Some(Some(target)) => has_reached(key, arc, *target),
            Some(None) => true,
            None => false,
        };
        let quorum = view.replication().quorum();
        view.cells_here().iter().all(|cell| {
            let mut level = view.replicas(cell);
            let count = level.len();
            let needed = (count + 1).saturating_sub(quorum);
            level.retain(|member| Some(*member) != view.me() && is_level(member, cell.arc()));
            let settled = level.iter().filter(|key| settled.contains(key)).count();
            level.len() + 1 == count || settled >= needed
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use kittengrad_proto::signed::Signer as _;

    use super::*;
    use crate::fixtures::{head, keys, view_of};

    #[test]
    fn the_highest_head_that_a_partner_told_has_to_be_reached() {
        let keys = keys(2);
        let view = view_of(keys[0], &keys, 3);
        let partner = keys[1].public();
        for (told, target) in [
            (vec![None], None),
            (vec![None, Some(head(5, 0))], Some(head(5, 0))),
            (vec![Some(head(5, 3)), None], Some(head(5, 3))),
            (vec![Some(head(5, 3)), Some(head(5, 2))], Some(head(5, 3))),
            (vec![Some(head(5, 3)), Some(head(5, 4))], Some(head(5, 4))),
            (vec![Some(head(5, 9)), Some(head(6, 0))], Some(head(6, 0))),
        ] {
            let mut filling = Filling::default();
            for head in &told {
                filling.heard(partner, *head);
            }
            let asked = RefCell::new(BTreeSet::new());
            let has_reached = |key: &PublicKey, _: KeyRange, target: Head| {
                assert_eq!(*key, partner);
                asked.borrow_mut().insert(target);
                true
            };
            assert!(filling.is_done(&view, &BTreeSet::new(), has_reached));
            let expected = target.into_iter().collect();
            assert_eq!(asked.into_inner(), expected, "{told:?}");
        }
    }

    #[test]
    fn enough_settled_replicas_or_all_others_have_to_be_read() {
        // The first of the partners are read, and the first of them are settled, read or not.
        for (replicas, members, read, settled, expected) in [
            (1, 1, 0, 0, true),
            (3, 2, 0, 1, false),
            (3, 2, 1, 0, true),
            (3, 3, 1, 2, false),
            (3, 3, 2, 0, true),
            (5, 4, 2, 2, true),
            (5, 4, 2, 1, false),
            (5, 4, 1, 3, false),
            (5, 4, 3, 0, true),
            (5, 5, 2, 4, false),
            (5, 5, 3, 2, false),
            (5, 5, 3, 3, true),
            (5, 5, 4, 0, true),
        ] {
            let keys = keys(members);
            let view = view_of(keys[0], &keys, replicas);
            let partners: Vec<_> = keys[1..].iter().map(|key| key.public()).collect();
            let mut filling = Filling::default();
            for partner in &partners {
                filling.heard(*partner, Some(head(5, 3)));
            }
            let is_settled = partners[..settled].iter().copied().collect();
            let has_reached =
                |key: &PublicKey, _: KeyRange, _: Head| partners[..read].contains(key);
            let is_done = filling.is_done(&view, &is_settled, has_reached);
            assert_eq!(is_done, expected, "{replicas} {members} {read} {settled}");
        }
    }

    #[test]
    fn every_cell_has_to_be_read_of_its_own_replicas() {
        let keys = keys(7);
        let view = view_of(keys[3], &keys, 3);
        let cells = view.cells_here();
        assert_eq!(cells.len(), 3);
        let partners: BTreeSet<_> = view.partners().into_iter().collect();
        let mut filling = Filling::default();
        for partner in &partners {
            filling.heard(*partner, Some(head(5, 3)));
        }
        let is_replica = |key: &PublicKey, arc: KeyRange| {
            let cell = cells.iter().find(|cell| cell.arc() == arc).unwrap();
            view.replicas(cell).contains(key)
        };
        assert!(filling.is_done(&view, &partners, |key, arc, _| is_replica(key, arc)));
        for left_out in &partners {
            let has_reached = |key: &PublicKey, _: KeyRange, _: Head| key != left_out;
            assert!(!filling.is_done(&view, &partners, has_reached));
        }
    }
}
