//! Rows: a round writes each row once, and only if it changed; the next process reads it.

use kittengrad_journal::{self as journal, BlockStore as _, StateStore as _, Write};
use kittengrad_node_core::{Delivery, Event, Output};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{
    block::{Bitmap, Cells, Head, Item},
    link::{Hello, Message},
};

use kittengrad_sim::{
    Publication, Shape, World,
    story::solo::{Partner, Solo, asked_from, fetched, said_to, submit},
};

/// The first byte of the keys of notes that a part of a transaction is missing.
const PARTIAL: u8 = 0x12;

fn gap(height: u64) -> Item {
    Item::Gap {
        incarnation: 0,
        from_height: height,
    }
}

/// The number of certificate chains among the writes of a round.
fn chains(output: &Output) -> usize {
    let writes = output.writes.iter();
    writes
        .filter(|write| matches!(write, Write::Chain(..)))
        .count()
}

/// The number of small values among the writes of a round.
fn states(output: &Output) -> usize {
    let writes = output.writes.iter();
    writes
        .filter(|write| matches!(write, Write::State(..)))
        .count()
}

/// The position in a partner's journal that is on disk.
fn kept(solo: &Solo, partner: &Partner) -> Option<Head> {
    let applied = journal::applied(solo.disk(), partner.key()).unwrap();
    applied.and_then(|applied| applied.follower.head())
}

/// The notes about missing parts on disk: 1 while parts are missing.
fn notes(solo: &Solo) -> Vec<u8> {
    let states = solo.disk().states(&[PARTIAL]).unwrap();
    states.iter().map(|(_, value)| value[1]).collect()
}

/// The transaction with the records of some entries only.
fn part(publication: &Publication, entries: &[usize]) -> Publication {
    let mut part = publication.clone();
    let all = publication.submission.transaction.entries();
    let of_part = entries.iter().map(|number| &all[*number]);
    let of_part: Vec<_> = of_part.collect();
    part.submission.records.retain(|id, _| {
        let mut entries = of_part.iter();
        entries.any(|entry| entry.canonical == *id || entry.updates.contains(id))
    });
    part
}

#[test]
fn a_quiet_peer_writes_nothing() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    for _ in 0..3 {
        assert_eq!(solo.wait(1_000).writes, []);
    }
    assert_eq!(solo.meet(&partners[0]).writes, []);
    assert_eq!(solo.wait(1_000).writes, []);
}

#[test]
fn certificates_are_written_once_whatever_is_restarted() {
    let mut cluster = World::new(1, Shape::new(3, 3));
    let mut say = || {
        let name = cluster.name();
        cluster.say(&[&name])
    };
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let mut write = |solo: &mut Solo| solo.round(vec![submit(1, &say(), Ack::One)]);
    assert_eq!(chains(&write(&mut solo)), 1);
    assert_eq!(chains(&write(&mut solo)), 0);
    solo.restart();
    for partner in &partners {
        solo.meet(partner);
    }
    assert_eq!(chains(&write(&mut solo)), 0);
}

#[test]
fn a_position_is_written_with_other_rows_or_at_a_tick() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let write = |partners: &mut [Partner]| {
        let height = partners[0].blocks.len() as u64;
        partners[0].write(&[gap(height)]);
        let frames = partners[0].frames(height);
        (partners[0].blocks.last().map(|block| block.head()), frames)
    };
    let (first, frames) = write(&mut partners);
    assert_eq!(solo.hear(&partners[0], frames).writes, []);
    assert_eq!(kept(&solo, &partners[0]), None);
    // The position, the proof of the last hold, and the head that was seen.
    assert_eq!(states(&solo.wait(1_000)), 3);
    assert_eq!(kept(&solo, &partners[0]), first);
    assert_eq!(solo.wait(1_000).writes, []);

    let (second, frames) = write(&mut partners);
    let publication = World::new(1, Shape::new(3, 3)).say(&["a work"]);
    let heard = kittengrad_node_core::Input::Message(partners[0].key(), frames);
    solo.round(vec![heard, submit(1, &publication, Ack::One)]);
    assert_eq!(kept(&solo, &partners[0]), second);

    // The next process asks for the block after it, and shows the head.
    solo.restart();
    let output = solo.meet(&partners[0]);
    assert_eq!(asked_from(&output, &partners[0]), Some(2));
    let seen = hello(&output, &partners[0]).and_then(|hello| hello.seen.as_ref());
    assert_eq!(seen.map(|seen| seen.head()), second);
    assert_eq!(solo.status_of(&partners[0]).applied, second);
}

/// The hello of a round to a partner.
fn hello<'a>(output: &'a Output, partner: &Partner) -> Option<&'a Hello> {
    let mut messages = said_to(output, partner).into_iter();
    messages.find_map(|message| match message {
        Message::Hello(hello) => Some(&**hello),
        _ => None,
    })
}

#[test]
fn a_transaction_that_came_whole_leaves_no_note() {
    for delivery in [Delivery::Push, Delivery::Body] {
        let shape = Shape::new(5, 3);
        let mut cluster = World::new(0, shape.clone());
        let (own, also_own) = (cluster.name_in(0), cluster.name_in(0));
        let other = cluster.name_in(2);
        assert!(!cluster.replicas(&other).contains(&0));
        // The entry of the other cell is none of this peer's concern.
        for names in [vec![&own], vec![&own, &also_own], vec![&own, &other]] {
            let names: Vec<_> = names.into_iter().map(String::as_str).collect();
            let publication = cluster.say(&names);
            let (mut solo, mut partners) = Solo::open(shape.clone());
            partners[0].list(&publication);
            solo.hear(&partners[0], partners[0].frames(0));
            solo.deliver(&partners[0], delivery, &publication);
            assert_eq!(solo.status().missing, 0);
            assert!(notes(&solo).is_empty(), "{names:?}");
        }
    }
}

#[test]
fn a_part_is_noted_once_until_the_rest_is_here() {
    let publication = World::new(0, Shape::new(3, 3)).say(&["a work", "another work"]);
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    for (number, partner) in partners.iter_mut().enumerate() {
        partner.write(&[Item::Transaction {
            id: publication.id(),
            bitmap: Bitmap::new([number == 0, number == 1]),
            cells: Cells::new([true]),
        }]);
    }
    solo.hear(&partners[0], partners[0].frames(0));
    solo.hear(&partners[1], partners[1].frames(0));
    let first = part(&publication, &[0]);
    for _ in 0..2 {
        solo.deliver(&partners[0], Delivery::Body, &first);
        assert_eq!((notes(&solo), solo.status().missing), (vec![1], 1));
    }
    // The second entry alone completes the first, which is on disk.
    let second = part(&publication, &[1]);
    solo.deliver(&partners[1], Delivery::Body, &second);
    assert_eq!((notes(&solo), solo.status().missing), (vec![0], 0));
    let output = solo.deliver(&partners[1], Delivery::Body, &second);
    assert_eq!((notes(&solo), output.writes.len()), (vec![0], 0));
}

#[test]
fn the_only_source_of_a_part_is_not_asked_for_the_rest_again() {
    let publication = World::new(0, Shape::new(3, 3)).say(&["a work", "another work"]);
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    partners[0].list(&publication);
    let output = solo.hear(&partners[0], partners[0].frames(0));
    assert_eq!(fetched(&output, &partners[0]), [publication.id()]);
    let first = part(&publication, &[0]);
    let output = solo.deliver(&partners[0], Delivery::Body, &first);
    assert!(fetched(&output, &partners[0]).is_empty());
    let unavailable = Event::Unavailable(publication.id());
    assert_eq!(solo.told.last(), Some(&unavailable));
    assert!(fetched(&solo.wait(60_000), &partners[0]).is_empty());
    assert_eq!(solo.status().missing, 1);
    assert_eq!(
        solo.told
            .iter()
            .filter(|told| **told == unavailable)
            .count(),
        1
    );
}

#[test]
fn held_and_settled_arcs_are_in_the_first_block_of_a_new_peer() {
    for peers in [3, 7] {
        let (solo, partners) = Solo::open(Shape::new(peers, 3));
        let first = solo.disk().head().unwrap().unwrap();
        let block = solo.disk().block(first.incarnation, 0).unwrap().unwrap();
        let view = solo.view_with(&partners);
        let hold = Item::Hold(view.arcs_here().clone());
        let settled = Item::Settled(view.held_here());
        assert_eq!(block.block.decode_items().unwrap(), [hold, settled]);
    }
}

#[test]
fn a_peer_settles_in_another_block_if_the_last_one_is_full() {
    use kittengrad_proto::limits::BLOCK_ITEMS_MAX;

    let mut cluster = World::new(0, Shape::new(3, 3));
    let (mut solo, mut partners) = Solo::start(Shape::new(3, 3));
    partners[0].write(&[gap(0)]);
    for partner in &partners {
        solo.meet(partner);
    }
    assert!(solo.status().is_open && !solo.status().is_settled);
    let before = solo.disk().head().unwrap().unwrap();
    let mut inputs: Vec<_> = (0..BLOCK_ITEMS_MAX)
        .map(|number| {
            let publication = cluster.say(&[&format!("small work {number}")]);
            submit(number as u64, &publication, Ack::One)
        })
        .collect();
    let frames = partners[0].frames(0);
    inputs.push(kittengrad_node_core::Input::Message(
        partners[0].key(),
        frames,
    ));
    solo.round(inputs);
    assert!(solo.status().is_settled);
    let items = |ahead: u64| {
        let height = before.height + ahead;
        let stored = solo.disk().block(before.incarnation, height).unwrap();
        stored.map(|stored| stored.block.items.len())
    };
    assert_eq!(
        [items(1), items(2), items(3)],
        [Some(BLOCK_ITEMS_MAX), Some(1), None]
    );
}
