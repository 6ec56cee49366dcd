//! Sources that lie to the aggregator.

use kittengrad_overlay::quorum::Ack;
use kittengrad_plants::Plants;
use kittengrad_sim::{
    Lie, Shape, World,
    story::planted::{elements_of_others, second_head},
};

#[test]
fn second_head_for_one_height_is_not_established() {
    assert_eq!(second_head(Plants::NONE), None);
}

#[test]
fn elements_that_a_source_does_not_hold_are_not_emitted() {
    assert_eq!(elements_of_others(Plants::NONE), None);
}

/// The lies about the journals of others.
const WORDS: [Lie; 3] = [Lie::AllHeads, Lie::NoBlocks, Lie::LaterBlocks];

/// Five peers that hold everything, and an aggregator. One of its sources lies about the journals of others. All of its
/// sources are cut off from the others, which acknowledge writes that no source has.
fn cut_off(tolerate: usize, lie: Lie) -> World {
    let mut shape = Shape::new(5, 5);
    (shape.is_whole, shape.tolerate) = (true, tolerate);
    let mut c = World::booted(9, shape);
    c.start_readers();
    c.settle_readers();
    c.run_until("a first time", |c| c.complete_to_ms().is_some());
    let sources = c.sources();
    assert_eq!(sources.len(), tolerate + 1);
    let mut others = c.members();
    others.retain(|member| !sources.contains(member));
    for source in &sources {
        others.iter().for_each(|other| c.cut(*source, *other));
    }
    c.lie(sources[0], lie);
    for _ in 0..5 {
        let name = c.name();
        let publication = c.say(&[&name]);
        c.submit(others[0], &publication, Ack::Quorum);
    }
    c
}

/// Keeps S5.
#[test]
fn one_liar_among_the_sources_completes_nothing() {
    for lie in WORDS {
        let mut c = cut_off(1, lie.clone());
        let before_ms = c.complete_to_ms().unwrap();
        c.run_for(20_000);
        let after_ms = c.complete_to_ms().unwrap();
        assert!(after_ms < before_ms + 3_000, "{lie:?}");
        c.heal();
        c.settle_readers();
        // A cell waits for the word of its second source, which says nothing that helps.
        c.be_honest();
        c.run_until("a newer time", |c| c.complete_to_ms() > Some(after_ms));
    }
}

#[test]
fn a_liar_is_believed_where_none_is_tolerated() {
    for lie in WORDS {
        let mut c = cut_off(0, lie.clone());
        let broken = c.violation_within(20_000).map(|of| of.invariant);
        let expected = ["complete", "established", "through"];
        assert!(
            broken.is_some_and(|of| expected.contains(&of)),
            "{lie:?} {broken:?}"
        );
    }
}
