//! Partners that sign wrong cells: the transaction refutes them, and nobody passes their block.

use kittengrad_journal::ElementStore as _;
use kittengrad_node_core::{Delivery, Event, Misbehaviour};
use kittengrad_proto::block::{Bitmap, Cells, CellsError, Holds, Item};
use kittengrad_ring::{KeyRange, Point};
use kittengrad_sim::{
    Publication, Shape, World,
    story::solo::{Partner, Solo, fetched},
};

/// The two halves of the circle.
fn halves() -> Holds {
    let mut middle = [0; 32];
    middle[0] = 0x80;
    let middle = Point::new(middle);
    let arcs = [(Point::ZERO, middle), (middle, Point::ZERO)];
    Holds::new(arcs.map(|(from, to)| KeyRange::new(from, to)).into()).unwrap()
}

/// The items of a first block that lists a whole transaction with these cells.
fn listing(publication: &Publication, holds: Holds, cells: &[bool]) -> [Item; 2] {
    let bits = publication.elements().into_iter().map(|_| true);
    let listed = Item::Transaction {
        id: publication.id(),
        bitmap: Bitmap::new(bits),
        cells: Cells::new(cells.iter().copied()),
    };
    [Item::Hold(holds), listed]
}

/// The arc that a core holds and the rest of the circle, and that arc.
fn held_and_rest(solo: &Solo, partners: &[Partner]) -> (Holds, KeyRange) {
    let held = solo.view_with(partners).held_here().arcs()[0];
    let mut arcs = vec![held, KeyRange::new(held.to, held.from)];
    arcs.sort_by_key(|arc| arc.from);
    (Holds::new(arcs).unwrap(), held)
}

/// The rules of items that a core saw broken.
fn refuted(solo: &Solo) -> Vec<&CellsError> {
    let broken = solo.told.iter().filter_map(|told| match told {
        Event::Misbehaved {
            what: Misbehaviour::Cells { error, .. },
            ..
        } => Some(error),
        _ => None,
    });
    broken.collect()
}

fn publication() -> Publication {
    World::new(0, Shape::new(3, 3)).say(&["a work"])
}

#[test]
fn the_transaction_refutes_a_wrong_cell_when_it_comes() {
    let publication = publication();
    let in_first = halves().arc_of(publication.elements()[0].canonical.point()) == Some(0);
    for cells in [[!in_first, in_first], [true, true]] {
        let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
        partners[0].write(&listing(&publication, halves(), &cells));
        let output = solo.hear(&partners[0], partners[0].frames(0));
        assert_eq!(fetched(&output, &partners[0]), [publication.id()]);
        solo.deliver(&partners[0], Delivery::Body, &publication);
        assert_eq!(refuted(&solo).len(), 1);
        assert_eq!(solo.status_of(&partners[0]).applied, None);
        // The transaction itself is valid, and another partner lists it rightly.
        assert_eq!(
            solo.disk().contains(&publication.elements()),
            Ok(vec![true])
        );
        partners[1].list(&publication);
        solo.hear(&partners[1], partners[1].frames(0));
        assert_eq!(solo.complaints(&partners[1]), 0);
        let head = partners[1].blocks[0].head();
        assert_eq!(solo.status_of(&partners[1]).applied, Some(head));
    }
}

#[test]
fn stored_transaction_refutes_a_cell_that_hides_it() {
    let shape = Shape::new(5, 3);
    let mut cluster = World::new(0, shape.clone());
    let name = cluster.name_in(0);
    let publication = cluster.say(&[&name]);
    for is_here in [true, false] {
        let (mut solo, mut partners) = Solo::open(shape.clone());
        let (holds, held) = held_and_rest(&solo, &partners);
        // Only the arc that the core does not hold is claimed.
        let hides: Vec<_> = holds.arcs().iter().map(|arc| *arc != held).collect();
        partners[0].write(&listing(&publication, holds, &hides));
        if is_here {
            solo.deliver(&partners[1], Delivery::Push, &publication);
        }
        let output = solo.hear(&partners[0], partners[0].frames(0));
        assert!(fetched(&output, &partners[0]).is_empty());
        let head = partners[0].blocks[0].head();
        let applied = solo.status_of(&partners[0]).applied;
        if is_here {
            assert_eq!(applied, None);
            // One bit claims, the other hides. The first of the two is named.
            let refuted = refuted(&solo);
            let is_wrong = matches!(
                refuted[..],
                [CellsError::Hidden(_) | CellsError::Claimed(_)]
            );
            assert!(is_wrong, "{refuted:?}");
        } else {
            // Nothing here refutes the block. The bit is signed, so every reader with the transaction can.
            assert_eq!((applied, refuted(&solo).len()), (Some(head), 0));
        }
    }
}

#[test]
fn an_element_outside_of_its_owners_hold_is_refused() {
    let publication = publication();
    let half = halves().arc_of(publication.elements()[0].canonical.point());
    let other = halves().arcs()[1 - half.unwrap()];
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    partners[0].write(&listing(&publication, other.into(), &[true]));
    solo.hear(&partners[0], partners[0].frames(0));
    solo.deliver(&partners[0], Delivery::Body, &publication);
    assert!(matches!(refuted(&solo)[..], [CellsError::Unheld(_)]));
    assert_eq!(solo.status_of(&partners[0]).applied, None);
}

#[test]
fn only_transactions_in_own_cells_are_fetched() {
    let shape = Shape::new(5, 3);
    let mut cluster = World::new(0, shape.clone());
    let (own, other) = (cluster.name_in(0), cluster.name_in(2));
    assert!(!cluster.replicas(&other).contains(&0));
    for (name, is_own) in [(own, true), (other, false)] {
        let publication = cluster.say(&[&name]);
        let (mut solo, mut partners) = Solo::open(shape.clone());
        let (holds, _) = held_and_rest(&solo, &partners);
        let cells = holds.cells(&publication.elements());
        let bits: Vec<_> = (0..2).map(|arc| cells.is_set(arc)).collect();
        partners[0].write(&listing(&publication, holds, &bits));
        let output = solo.hear(&partners[0], partners[0].frames(0));
        assert_eq!(!fetched(&output, &partners[0]).is_empty(), is_own);
        let head = partners[0].blocks[0].head();
        let applied = solo.status_of(&partners[0]).applied;
        assert_eq!(applied, (!is_own).then_some(head));
    }
}
