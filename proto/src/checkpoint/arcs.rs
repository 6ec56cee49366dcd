//! Arcs in the one form that checkpoints and positions have.

use kittengrad_ring::KeyRange;

use crate::{
    block::{ItemError, arc_from_wire},
    wire,
};

/// Reads an arc. The error is the reason.
pub(super) fn from_wire(wire: Option<&wire::Arc>) -> Result<KeyRange, String> {
    arc_from_wire(wire).map_err(|error| match error {
        ItemError::Malformed(why) => why,
        other => other.to_string(),
    })
}

/// Whether arcs, each with a state, are in their one form: they ascend without overlaps, neighbours of one state are
/// merged, and an arc that runs on past zero comes last.
///
/// One pass over the list. To build a set of unordered arcs takes the square of their number.
pub(super) fn is_canonical<S: PartialEq>(listed: &[(KeyRange, S)]) -> bool {
    let [first, .., last] = listed else {
        return true;
    };
    let is_apart = |a: &(KeyRange, S), b: &(KeyRange, S)| {
        a.0.to < b.0.from || a.0.to == b.0.from && a.1 != b.1
    };
    let mut pairs = listed.windows(2);
    let ends_before_zero = last.0.from < last.0.to;
    pairs.all(|pair| pair[0].0.from < pair[0].0.to && is_apart(&pair[0], &pair[1]))
        && (ends_before_zero || is_apart(last, first))
}
