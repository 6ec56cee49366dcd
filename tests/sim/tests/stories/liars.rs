//! Sources that lie to the aggregator.

use kittengrad_plants::Plants;
use kittengrad_sim::story::planted::{elements_of_others, second_head};

#[test]
fn second_head_for_one_height_is_not_established() {
    assert_eq!(second_head(Plants::NONE), None);
}

#[test]
fn elements_that_a_source_does_not_hold_are_not_emitted() {
    assert_eq!(elements_of_others(Plants::NONE), None);
}
