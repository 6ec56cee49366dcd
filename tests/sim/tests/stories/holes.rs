//! Known holes of the rules, each with the steps that show it. They are ignored until the rule is closed.

use kittengrad_overlay::quorum::Ack;
use kittengrad_sim::{Shape, World};

/// Five replicas, three of which confirm. The first confirmer is wiped while the coordinator cannot reach it, settles
/// from the three others, which never had the write, and its old confirmation still counts.
///
/// Breaks S5: established are the wiped replica and the two that never had the write.
#[test]
#[ignore = "a confirmation of a lost incarnation counts while its coordinator is cut off"]
fn confirmation_of_a_disk_that_was_wiped_does_not_complete_a_quorum() {
    let mut shape = Shape::new(5, 5);
    shape.is_whole = true;
    shape.timing.ack_ms = 120_000;
    let mut c = World::booted(1, shape);
    c.start_readers();
    c.run_for(5_000);
    let source = c.sources()[0];
    let others: Vec<_> = (0..5).filter(|member| *member != source).collect();
    let [coordinator, lost, late, third] = others[..] else {
        panic!("five peers")
    };
    // Only the replica that is going to be lost gets the write.
    for here in [coordinator, lost] {
        for there in [late, third, source] {
            c.cut(here, there);
        }
    }
    let name = c.name();
    let publication = c.say(&[&name]);
    c.submit(coordinator, &publication, Ack::Quorum);
    c.run_until("the first confirmation", |c| c.has(lost, &publication));
    c.run_for(1_000);
    c.cut(coordinator, lost);
    c.wipe(lost);
    for there in [late, third, source] {
        c.join(lost, there);
    }
    c.start(lost);
    c.run_until("it to settle", |c| c.status(lost).is_settled);
    c.run_for(2_000);
    // Another replica confirms, which the others cannot reach.
    for there in [lost, third, source] {
        c.cut(late, there);
    }
    c.join(coordinator, late);
    c.run_until("the second confirmation", |c| c.has(late, &publication));
    c.run_for(10_000);
    assert_eq!(c.acknowledged(), 1, "the write was not acknowledged");
    assert_eq!(c.violation(), None);
}
