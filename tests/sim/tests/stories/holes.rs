//! Known holes of the rules, each with the steps that show it. A story expects the promise that breaks, and fails once
//! the rule is closed.

use kittengrad_overlay::quorum::Ack;
use kittengrad_sim::{Shape, World};

/// Five replicas, three of which confirm. The first confirmer is wiped while the coordinator cannot reach it, settles
/// from the three others, which never had the write, and its old confirmation still counts.
///
/// FIXME: this breaks S5. The cell's heads come from the wiped replica and the two that never had the write, and three
/// heads of five are enough. To close the hole, a confirmation must not count once its replica has begun a new
/// incarnation, and a coordinator that is cut off does not hear of that. With R = 3 it is closed: the wiped replica
/// settles only once it has read all others.
#[test]
fn confirmation_of_a_wiped_disk_still_completes_a_quorum() {
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
    let broken = c.violation_within(10_000).map(|broken| broken.invariant);
    assert_eq!(broken, Some("complete"));
    assert_eq!(c.acknowledged(), 1, "the write was not acknowledged");
}
