//! Transfers: the arcs that a change of the ring moves, from which members to which.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::key_range::KeyRange;
use crate::point::Point;
use crate::ring::Ring;

/// An arc that a member holds in the next ring and did not hold before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The arc.
    pub arc: KeyRange,
    /// The member of the next ring that must fetch it.
    pub to: Point,
    /// The members of the ring before that held all of it, ascending; at least one.
    pub from: Vec<Point>,
}

/// An arc that a member held and holds no longer in the next ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The arc.
    pub arc: KeyRange,
    /// The member of the ring before that may drop it, once the others have it.
    pub by: Point,
    /// The members of the next ring that hold all of it, ascending; at least one.
    pub kept_by: Vec<Point>,
}

impl Ring {
    /// Exactly the arcs that members must fetch to change from this ring to `next`.
    ///
    /// Each arc is as long as it can be with the same holders before: a gain is cut only where
    /// those change. The transfers to one member are disjoint. They come in the order of the
    /// members, then clockwise.
    /// # Source
    /// *Radical Kittengrad* (Mediachain, 2016), "Overlay Dynamics".
    pub fn transfers(&self, next: &Self) -> Vec<Transfer> {
        let mut gains: BTreeMap<Point, Vec<Transfer>> = BTreeMap::new();
        for arc in elementary_arcs(self, next) {
            let before = self.holders(arc.to);
            for to in next.holders(arc.to) {
                if before.binary_search(&to).is_err() {
                    let from = before.clone();
                    extend(gains.entry(to).or_default(), Transfer { arc, to, from });
                }
            }
        }
        gains.into_values().flat_map(close).collect()
    }

    /// Exactly the arcs that members no longer hold once `next` has replaced this ring.
    ///
    /// Undoing the change would fetch these arcs again, so they are cut and ordered like
    /// [`transfers`](Self::transfers).
    pub fn drops(&self, next: &Self) -> Vec<Dropped> {
        let undo = next.transfers(self).into_iter();
        undo.map(|Transfer { arc, to, from }| Dropped {
            arc,
            by: to,
            kept_by: from,
        })
        .collect()
    }

    /// The points of the members that keep `point`, ascending.
    fn holders(&self, point: Point) -> Vec<Point> {
        let mut holders = self.replicas_of(point);
        holders.sort_unstable();
        holders
    }
}

/// The arcs between neighbouring borders of either ring. No border lies inside one, so all its
/// points have the same owner, and the same holders, in each of the two.
fn elementary_arcs(a: &Ring, b: &Ring) -> Vec<KeyRange> {
    let cells = a.cells().chain(b.cells());
    let borders: BTreeSet<Point> = cells.map(|(_, cell)| cell.to).collect();
    let ends = borders.iter().cycle().skip(1);
    borders
        .iter()
        .zip(ends)
        .map(|(&from, &to)| KeyRange::new(from, to))
        .collect()
}

/// Adds the next gain of a member, clockwise, to those it has.
fn extend(gains: &mut Vec<Transfer>, next: Transfer) {
    match gains.last_mut() {
        Some(last) if continues(last, &next) => last.arc.to = next.arc.to,
        _ => gains.push(next),
    }
}

/// Joins the last gain of a member to its first, if it runs on past the border where the walk round
/// the circle began.
fn close(mut gains: Vec<Transfer>) -> Vec<Transfer> {
    if let [first, .., last] = gains.as_mut_slice()
        && continues(last, first)
    {
        first.arc.from = last.arc.from;
        gains.pop();
    }
    gains
}

fn continues(gain: &Transfer, next: &Transfer) -> bool {
    gain.arc.to == next.arc.from && gain.from == next.from
}
