//! The merged view has everything in the end, whatever happens to the disks of its sources.

use kittengrad_plants::Plants;
use kittengrad_proto::transaction::Element;
use kittengrad_sim::{
    Publication, Shape, World,
    story::planted::{more_than_one_block, old_disk_of_a_source, records_of_no_source},
};

/// A network with an aggregator and an indexer, and the one peer whose journal the aggregator reads.
fn whole(seed: u64) -> (World, usize) {
    let mut shape = Shape::new(3, 3);
    shape.is_whole = true;
    let mut c = World::booted(seed, shape);
    c.start_readers();
    let source = c.sources()[0];
    write(&mut c, source, 3);
    c.settle_readers();
    (c, source)
}

/// Writes a number of new canonicals.
fn write(c: &mut World, member: usize, count: usize) {
    for _ in 0..count {
        let name = c.name();
        let publication = c.say(&[&name]);
        c.put(member, &publication);
    }
    c.settle();
}

/// Keeps S5.
#[test]
fn a_source_that_lost_blocks_that_were_read_is_read_on() {
    let (mut c, source) = whole(1);
    let old = c.save(source);
    write(&mut c, source, 3);
    c.settle_readers();
    c.restore(source, old);
    c.start(source);
    c.settle();
    write(&mut c, source, 3);
    c.settle_readers();
}

/// Keeps S5.
#[test]
fn source_wiped_and_then_cut_is_read_from_its_first_block() {
    let (mut c, source) = whole(2);
    c.crash_aggregator();
    c.wipe(source);
    c.start(source);
    c.settle();
    write(&mut c, source, 3);
    let old = c.save(source);
    write(&mut c, source, 3);
    c.restore(source, old);
    c.start(source);
    c.settle();
    assert_eq!(c.incarnations(source).len(), 2);
    write(&mut c, source, 3);
    c.restart_aggregator();
    c.settle_readers();
}

/// Keeps S5.
#[test]
fn source_with_an_old_disk_is_read_from_its_beginning() {
    assert_eq!(old_disk_of_a_source(Plants::NONE), None);
}

/// Five peers with three copies, and the two of them whose journals the aggregator reads.
fn two_sources(seed: u64) -> (World, [usize; 2]) {
    let mut shape = Shape::new(5, 3);
    shape.is_whole = true;
    let mut c = World::booted(seed, shape);
    c.start_readers();
    c.settle_readers();
    let sources = c.sources().try_into().unwrap();
    (c, sources)
}

/// A transaction of two works, each in the journal of one of the sources only, and a peer that holds both.
fn over_two_cells(c: &mut World, [first, second]: [usize; 2]) -> (Publication, usize) {
    loop {
        let names = [c.name(), c.name()];
        let [one, two] = [0, 1].map(|of: usize| c.replicas(&names[of]));
        let is_split = one.contains(&first)
            && !one.contains(&second)
            && two.contains(&second)
            && !two.contains(&first);
        let both = one.iter().find(|member| two.contains(member));
        if let Some(coordinator) = both.filter(|_| is_split) {
            return (c.say(&[&names[0], &names[1]]), *coordinator);
        }
    }
}

/// Keeps S5.
#[test]
fn view_has_the_part_of_one_source_until_another_is_read() {
    let (mut c, [first, second]) = two_sources(4);
    // No other source can take the place of the second one.
    let mut others = c.members();
    others.retain(|member| *member != first);
    others.iter().for_each(|member| c.cut_source(*member));
    let (publication, coordinator) = over_two_cells(&mut c, [first, second]);
    c.put(coordinator, &publication);
    c.settle();
    let of_first = c.elements(first);
    let part = |element: &Element| of_first.contains(element);
    let (part, rest): (Vec<_>, Vec<_>) = publication.elements().into_iter().partition(part);
    assert_eq!((part.len(), rest.len()), (1, 1));
    c.run_until("a part", |c| !c.viewed(&publication).is_empty());
    c.run_for(30_000);
    assert_eq!(c.viewed(&publication), part, "whatever the time");
    assert_eq!(c.absent_count(), 0, "its records came with it");
    c.crash_aggregator();
    c.restart_aggregator();
    c.run_for(30_000);
    assert_eq!(c.viewed(&publication), part);
    others.iter().for_each(|member| c.join_source(*member));
    c.settle_readers();
    assert_eq!(c.viewed(&publication), publication.elements());
}

/// Keeps S5.
#[test]
fn absent_records_hold_up_nothing_and_are_fetched_later() {
    let (mut c, source) = whole(5);
    c.crash_aggregator();
    let lost = say(&mut c);
    c.put(source, &lost);
    let found = say(&mut c);
    c.put(source, &found);
    c.settle();
    c.lose_records(&lost);
    c.restart_aggregator();
    let has_all = |c: &World, of: &Publication| c.viewed(of) == of.elements();
    c.run_until("the elements", |c| has_all(c, &lost) && has_all(c, &found));
    assert_eq!((c.lacked(&lost).len(), c.lacked(&found).len()), (2, 0));
    c.run_for(60_000);
    assert_eq!(c.absent_count(), 2);
    c.crash_aggregator();
    c.restart_aggregator();
    c.run_for(1_000);
    assert_eq!(c.absent_count(), 2, "after a restart");
    c.find_records(&lost);
    c.run_until("the records", |c| c.absent_count() == 0);
    assert!(c.lacked(&lost).is_empty());
    c.settle_readers();
}

/// Keeps S5.
#[test]
fn absent_records_come_with_the_item_of_another_source() {
    let (mut c, [first, second]) = two_sources(6);
    c.cut_source(second);
    let name = loop {
        let name = c.name();
        let replicas = c.replicas(&name);
        if replicas.contains(&first) && replicas.contains(&second) {
            break name;
        }
    };
    c.crash_aggregator();
    let publication = c.say(&[&name]);
    c.put(first, &publication);
    c.settle();
    c.lose_records(&publication);
    c.restart_aggregator();
    c.run_until("the element", |c| !c.viewed(&publication).is_empty());
    // The aggregator reaches no holder but through the journal of the other source.
    for member in c.members() {
        c.cut_source(member);
    }
    c.run_for(60_000);
    assert_eq!(c.absent_count(), 2);
    c.find_records(&publication);
    c.join_source(second);
    // Less than the time until the next fetch.
    c.run_for(10_000);
    assert_eq!(c.absent_count(), 0);
    assert!(c.lacked(&publication).is_empty());
    for member in c.members() {
        c.join_source(member);
    }
    c.settle_readers();
}

/// Keeps S5.
#[test]
fn position_ends_at_the_blocks_that_are_wholly_emitted() {
    assert_eq!(more_than_one_block(Plants::NONE), None);
}

#[test]
fn records_that_no_source_has_are_absent_until_one_has_them() {
    assert_eq!(records_of_no_source(Plants::NONE), None);
}

fn say(c: &mut World) -> Publication {
    let name = c.name();
    c.say(&[&name])
}

/// An aggregator is wiped while its clock is an hour late, so that the numbers of its incarnations go back. Then its clock
/// is right again. The indexer was away meanwhile.
///
/// Keeps S6.
#[test]
fn an_index_misses_nothing_of_an_aggregator_with_a_late_clock() {
    let (mut c, source) = whole(4);
    c.crash_indexer();
    c.wipe_aggregator();
    c.skew_aggregator(-3_600_000);
    c.restart_aggregator();
    write(&mut c, source, 3);
    c.settle_view();
    c.crash_aggregator();
    c.skew_aggregator(0);
    c.restart_aggregator();
    write(&mut c, source, 3);
    c.settle_view();
    c.restart_indexer();
    c.settle_readers();
}
