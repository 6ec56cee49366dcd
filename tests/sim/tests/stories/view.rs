//! The merged view has everything in the end, whatever happens to the disks of its sources.

use kittengrad_plants::Plants;
use kittengrad_sim::{Shape, World, story::planted::old_disk_of_a_source};

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
