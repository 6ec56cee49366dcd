//! Laws of checkpoints: what is written is read again, and a list is read in one form or not at all.

use bytes::Bytes;
use kittengrad_proto::{
    block::Head,
    checkpoint::{Checkpoint, CheckpointError, Holdings, Through, ThroughList},
    id::{Id, PublicKey},
    limits::HOLD_ARCS_MAX,
    wire,
};
use kittengrad_ring::{KeyRange, KeyRanges, Point};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    checkpoint_samples::{checkpoint, key},
    noise::changes,
};

/// One of few points, so that arcs have many of their ends in common.
fn point() -> impl Strategy<Value = Point> {
    let bytes = select(vec![0x00, 0x01, 0x40, 0x80, 0xc0, 0xff]);
    prop_oneof![
        8 => bytes.prop_map(|byte| Point::new([byte; 32])),
        1 => any::<[u8; 32]>().prop_map(Point::new),
    ]
}

fn arc() -> impl Strategy<Value = KeyRange> {
    (point(), point()).prop_map(|(from, to)| KeyRange::new(from, to))
}

fn ranges() -> impl Strategy<Value = KeyRanges> {
    vec(arc(), 0..5).prop_map(|arcs| arcs.into_iter().collect())
}

fn holdings() -> impl Strategy<Value = Holdings> {
    (ranges(), ranges()).prop_map(|(held, settled)| Holdings::new(&held, &settled))
}

/// The wire form of holdings, as a checkpoint has it.
fn listed(holds: &Holdings) -> Vec<wire::Holding> {
    let sample = checkpoint(0, holds.clone(), &ThroughList::default());
    sample.to_wire().holds
}

fn read(holds: Vec<wire::Holding>) -> Result<Holdings, CheckpointError> {
    let sample = checkpoint(0, Holdings::default(), &ThroughList::default());
    let wire = wire::Checkpoint {
        holds,
        ..sample.to_wire()
    };
    Checkpoint::from_wire(wire, Some(0)).map(|found| found.holds)
}

fn end(point: Point) -> Bytes {
    Bytes::copy_from_slice(point.as_bytes())
}

fn holding() -> impl Strategy<Value = wire::Holding> {
    (arc(), any::<bool>()).prop_map(|(arc, settled)| wire::Holding {
        arc: Some(wire::Arc {
            from: end(arc.from),
            to: end(arc.to),
        }),
        settled,
    })
}

/// Lists in any form, and lists in their one form with a change.
fn lists() -> impl Strategy<Value = Vec<wire::Holding>> {
    let ends = (holdings(), any::<prop::sample::Index>(), holding());
    let changed = ends.prop_map(|(holds, at, other)| {
        let mut listed = listed(&holds);
        if let Some(place) = (!listed.is_empty()).then(|| at.index(listed.len())) {
            listed[place] = other;
        }
        listed
    });
    let turned = holdings().prop_flat_map(|holds| Just(listed(&holds)).prop_shuffle());
    prop_oneof![vec(holding(), 0..5), changed, turned]
}

/// The sets that a list means, and whether they have no point in common.
fn meant(list: &[wire::Holding]) -> (Holdings, bool) {
    let of = |state| -> KeyRanges {
        let arcs = list.iter().filter(|held| held.settled == state);
        let arcs = arcs.map(|held| held.arc.as_ref().unwrap());
        let point = |bytes: &Bytes| Point::new(bytes[..].try_into().unwrap());
        arcs.map(|arc| KeyRange::new(point(&arc.from), point(&arc.to)))
            .collect()
    };
    let (settled, filling) = (of(true), of(false));
    let arcs = settled.arcs().iter().chain(filling.arcs());
    let held: KeyRanges = arcs.copied().collect();
    let is_disjoint = settled.intersection(&filling).is_empty();
    (Holdings::new(&held, &settled), is_disjoint)
}

fn through() -> impl Strategy<Value = Through> {
    let numbers = prop_oneof![0..3_u64, any::<u64>()];
    let arcs = prop::option::of(ranges());
    (numbers.clone(), numbers, any::<[u8; 32]>(), arcs).prop_map(
        |(incarnation, height, hash, arcs)| {
            let hash = Id::new(hash);
            let head = Head {
                incarnation,
                height,
                hash,
            };
            Through { head, arcs }
        },
    )
}

fn positions() -> impl Strategy<Value = Vec<(PublicKey, Through)>> {
    let keys = prop_oneof![any::<[u8; 32]>(), (0..4_u8).prop_map(|byte| [byte; 32]),];
    vec((keys.prop_map(PublicKey::new), through()), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn holdings_are_the_held_arcs_in_two_states(held in ranges(), settled in ranges()) {
        let holds = Holdings::new(&held, &settled);
        prop_assert_eq!(holds.held(), held.clone());
        prop_assert_eq!(holds.settled(), &held.intersection(&settled));
        prop_assert!(holds.settled().intersection(holds.filling()).is_empty());
        prop_assert!(settled.intersection(holds.filling()).is_empty());
    }

    #[test]
    fn holdings_are_read_as_they_were_written(holds in holdings()) {
        let listed = listed(&holds);
        prop_assert!(listed.len() <= HOLD_ARCS_MAX);
        prop_assert_eq!(read(listed), Ok(holds));
    }

    #[test]
    fn held_arcs_are_read_in_one_form_or_not_at_all(list in lists()) {
        let (holds, is_disjoint) = meant(&list);
        let is_one_form = is_disjoint && listed(&holds) == list;
        match read(list) {
            Ok(found) => prop_assert!(is_one_form && found == holds),
            Err(CheckpointError::ArcOrder | CheckpointError::Arc(_)) => prop_assert!(!is_one_form),
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    #[test]
    fn a_list_of_positions_is_read_as_it_was_written(positions in positions()) {
        let list: ThroughList = positions.iter().cloned().collect();
        let found = ThroughList::from_wire(list.to_wire(), key(0));
        prop_assert_eq!(found.as_ref(), Ok(&list));
        prop_assert_eq!(found.unwrap().root(), list.root());
        for (key, last) in list.iter() {
            let mut of_key = positions.iter().filter(|(other, _)| other == key);
            prop_assert_eq!(of_key.next_back().map(|(_, through)| through), Some(last));
        }
    }

    #[test]
    fn entries_are_read_in_one_form_or_not_at_all(
        positions in positions(),
        which in any::<prop::sample::Index>(),
        changes in vec(changes(), 1..3),
    ) {
        let list: ThroughList = positions.into_iter().collect();
        let mut entries = list.to_wire();
        prop_assume!(!entries.is_empty());
        let place = which.index(entries.len());
        let mut entry = entries[place].to_vec();
        changes.iter().for_each(|change| change.apply(&mut entry));
        entries[place] = entry.into();
        if let Ok(found) = ThroughList::from_wire(entries.clone(), key(0)) {
            prop_assert_eq!(found.to_wire(), entries);
        }
    }
}
