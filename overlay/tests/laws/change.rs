//! Confirmations: enough replicas of every cell, counted by their keys.

use std::{collections::BTreeSet, sync::Arc};

use kittengrad_overlay::{change::Change, quorum::Ack, view::View};
use kittengrad_proto::id::{PublicKey, RecordId};
use proptest::prelude::*;

use crate::samples::{canonicals, view};

fn ring(peers: u8, replicas: u8) -> (Arc<View>, Change) {
    let view = Arc::new(view(peers, replicas, []));
    (Arc::clone(&view), Change::none(view))
}

fn is_confirmed(change: &Change, canonical: &RecordId, ack: Ack, by: &[PublicKey]) -> bool {
    let cell = change.newest().cell_of(canonical);
    change.is_confirmed(&cell, ack, |member| by.contains(member))
}

proptest! {
    #[test]
    fn a_cell_is_confirmed_by_as_many_replicas_as_were_asked_for(
        peers in 1..9_u8,
        half in 0..3_u8,
        byte in any::<u8>(),
        confirmed in prop::collection::btree_set(0..9_usize, 0..9),
    ) {
        let (view, change) = ring(peers, 2 * half + 1);
        let canonical = RecordId::of(&[byte]);
        let members: Vec<_> = view.peers().map(|peer| peer.key).collect();
        let by: Vec<_> = confirmed.iter().filter_map(|n| members.get(*n).copied()).collect();
        let holders = view.keys_holding(&canonical);
        let count = holders.iter().filter(|holder| by.contains(holder)).count();
        for ack in [Ack::One, Ack::Quorum, Ack::All] {
            let needed = ack.needed(view.replication(), holders.len());
            prop_assert_eq!(is_confirmed(&change, &canonical, ack, &by), count >= needed);
        }
    }
}

#[test]
fn a_member_that_holds_nothing_of_a_cell_confirms_nothing() {
    let (view, change) = ring(7, 3);
    let canonical = RecordId::of(b"a work");
    let holders = view.keys_holding(&canonical);
    let mut others: Vec<_> = view.peers().map(|peer| peer.key).collect();
    others.retain(|member| !holders.contains(member));
    assert!(!is_confirmed(&change, &canonical, Ack::One, &others));
    others.push(holders[0]);
    assert!(is_confirmed(&change, &canonical, Ack::One, &others));
    assert!(!is_confirmed(&change, &canonical, Ack::Quorum, &others));
}

#[test]
fn the_replicas_of_cells_are_listed_once_in_ring_order() {
    let (view, change) = ring(7, 3);
    let cells: BTreeSet<_> = canonicals().take(3).map(|it| view.cell_of(&it)).collect();
    let replicas = change.replicas(&cells);
    assert!(replicas.is_sorted_by(|a, b| a.point() < b.point()));
    let expected: BTreeSet<_> = cells.iter().flat_map(|cell| view.replicas(cell)).collect();
    assert_eq!(replicas.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn without_a_change_one_ring_is_in_force() {
    let (view, change) = ring(5, 3);
    assert!(change.in_force().map(View::ring_id).eq([view.ring_id()]));
    assert_eq!(change.newest().ring_id(), view.ring_id());
    assert_eq!(change.replicas(&BTreeSet::new()), []);
}
