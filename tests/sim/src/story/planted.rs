//! Stories of planted bugs that seeds hardly ever show. Each arranges the rare circumstances step by step.

use kittengrad_overlay::quorum::Ack;
use kittengrad_plants::Plants;

use crate::{
    invariants::Violation,
    lies::Lie,
    publisher::About,
    run::VIEW_MS,
    world::{Shape, World},
};

/// A disk of the aggregator's source is wiped and later restored, with blocks that the aggregator never read.
#[must_use]
pub fn old_disk_of_a_source(plants: Plants) -> Option<Violation> {
    let mut shape = Shape::new(3, 3);
    (shape.is_whole, shape.plants) = (true, plants);
    let mut c = World::booted(3, shape);
    c.start_readers();
    let source = c.sources()[0];
    c.writes(source, 3);
    c.settle_readers();
    c.crash_aggregator();
    c.writes(source, 3);
    let old = c.save(source);
    c.wipe(source);
    c.start(source);
    c.run_until("a new journal", |c| c.status(source).is_open);
    // The partners see the new journal while no block is added to it.
    c.set_space(source, false);
    c.restart_aggregator();
    c.run_for(5_000);
    c.restore(source, old);
    c.start(source);
    c.settle();
    c.becomes("view and index are complete", VIEW_MS, World::readers_lack);
    c.violation.take().or_else(|| c.check_all().err())
}

/// An aggregator finds more blocks of its source than one block of its own takes.
#[must_use]
pub fn more_than_one_block(plants: Plants) -> Option<Violation> {
    let mut shape = Shape::new(3, 3);
    (shape.is_whole, shape.plants) = (true, plants);
    let mut c = World::booted(7, shape);
    for _ in 0..5 {
        // 2.4 MB, so that three of them fit.
        let text = "so it goes ".repeat(5_000);
        let name = c.name();
        let publication = c.say_all(vec![About {
            name,
            inserts: true,
            updates: (10..54).map(|number| format!("{number}{text}")).collect(),
        }]);
        c.put(0, &publication);
    }
    c.settle();
    c.start_readers();
    c.becomes("view and index are complete", VIEW_MS, World::readers_lack);
    c.violation.take().or_else(|| c.check_all().err())
}

/// No peer has the records of a transaction while the aggregator reads it. The aggregator restarts, and later the peers
/// have the records again.
#[must_use]
pub fn records_of_no_source(plants: Plants) -> Option<Violation> {
    let mut shape = Shape::new(3, 3);
    (shape.is_whole, shape.plants) = (true, plants);
    let mut c = World::booted(4, shape);
    let name = c.name();
    let publication = c.say(&[&name]);
    c.put(0, &publication);
    c.settle();
    c.lose_records(&publication);
    c.start_readers();
    c.pass(10_000);
    c.crash_aggregator();
    c.restart_aggregator();
    c.pass(10_000);
    c.find_records(&publication);
    c.becomes("view and index are complete", VIEW_MS, World::readers_lack);
    c.violation.take().or_else(|| c.check_all().err())
}

/// A peer opens its journal after the suspicion time. Then a witness of the forgotten blocks comes back.
#[must_use]
pub fn late_witness(plants: Plants) -> Option<Violation> {
    let mut shape = Shape::new(3, 3);
    shape.plants = plants;
    let mut c = World::booted(1, shape);
    let old = c.save(0);
    c.isolate(1);
    for _ in 0..3 {
        let name = c.name();
        let publication = c.say(&[&name]);
        c.put(0, &publication);
    }
    // Peer 2, the only witness, is down.
    c.crash(2);
    c.restore(0, old);
    c.heal();
    c.start(0);
    c.run_until("it to open", |c| c.status(0).is_open);
    c.start(2);
    c.run_until("the witness to open", |c| c.status(2).is_open);
    if !c.is_up(0) {
        // The peer learned of the forgotten blocks and ended.
        c.start(0);
        c.run_until("it to open again", |c| c.status(0).is_open);
    }
    for _ in 0..3 {
        let name = c.name();
        let publication = c.say(&[&name]);
        c.submit(0, &publication, Ack::Quorum);
    }
    c.pass(5_000);
    c.violation.take()
}

/// Three of the five replicas have a write. Two of them lose their disks one after the other, and read only each other
/// and the replicas that never had it.
#[must_use]
pub fn filling_neighbours(plants: Plants) -> Option<Violation> {
    let mut shape = Shape::new(5, 5);
    shape.plants = plants;
    let mut c = World::booted(1, shape);
    let (first, second) = (1, 2);
    for here in 0..3 {
        for there in 3..5 {
            c.cut(here, there);
        }
    }
    let name = c.name();
    let publication = c.say(&[&name]);
    c.put(0, &publication);
    for lost in [first, second] {
        c.isolate(lost);
        c.wipe(lost);
        for there in 3..5 {
            c.join(lost, there);
        }
        c.join(first, second);
        c.start(lost);
        c.run_until("it to open", |c| c.status(lost).is_open);
    }
    c.pass(20_000);
    c.violation.take()
}

/// A peer that the aggregator does not read signs another block at the height of its head.
#[must_use]
pub fn second_head(plants: Plants) -> Option<Violation> {
    let mut shape = Shape::new(5, 3);
    (shape.is_whole, shape.plants) = (true, plants);
    let mut c = World::booted(6, shape);
    c.start_readers();
    c.writes(0, 3);
    c.settle_readers();
    let sources = c.sources();
    let unread = c.members().into_iter().find(|of| !sources.contains(of));
    c.lie(unread?, Lie::SecondHead);
    c.pass(10_000);
    c.violation.take()
}

/// A source lists a transaction of which it holds no element, and which no other peer has.
#[must_use]
pub fn elements_of_others(plants: Plants) -> Option<Violation> {
    let mut shape = Shape::new(5, 3);
    (shape.is_whole, shape.plants) = (true, plants);
    let mut c = World::booted(8, shape);
    c.start_readers();
    c.settle_readers();
    let source = c.sources()[0];
    let name = loop {
        let name = c.name();
        if !c.replicas(&name).contains(&source) {
            break name;
        }
    };
    let publication = c.say(&[&name]);
    c.lie(source, Lie::Unheld(Box::new(publication)));
    let name = c.name_in(source);
    let publication = c.say(&[&name]);
    c.put(source, &publication);
    c.becomes("view and index are complete", VIEW_MS, World::readers_lack);
    c.violation.take().or_else(|| c.check_all().err())
}

impl World {
    /// Writes a number of new canonicals.
    fn writes(&mut self, member: usize, count: usize) {
        for _ in 0..count {
            let name = self.name();
            let publication = self.say(&[&name]);
            self.put(member, &publication);
        }
        self.settle();
    }
}
