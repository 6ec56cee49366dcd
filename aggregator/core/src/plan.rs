//! The plan: a set of journals that together hold everything.

use kittengrad_proto::id::PublicKey;
use kittengrad_ring::{KeyRange, Point, Ring};

/// A source and the part of the circle that it answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// The owner of the journal.
    pub source: PublicKey,
    /// Its part of the circle. It may hold more.
    pub arc: KeyRange,
}

/// A smallest set of sources, and the arcs that none of them holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The sources, clockwise, each once.
    pub sources: Vec<Planned>,
    /// Arcs that no peer holds that is up.
    pub uncovered: Vec<KeyRange>,
}

impl Plan {
    /// Covers the ring with members that are `up`. `key` returns the key of the member at a point.
    ///
    /// If all of N members are up, the plan has exactly ceil(N/R) sources.
    /// # Source
    /// Design section 5 and section 3, "Cover".
    #[must_use]
    pub fn cover(
        ring: &Ring,
        key: impl Fn(Point) -> Option<PublicKey>,
        up: impl Fn(Point) -> bool,
    ) -> Self {
        let cover = ring.cover(up);
        let mut plan = Self {
            sources: Vec::new(),
            uncovered: cover.uncovered,
        };
        for source in cover.sources {
            match key(source.member) {
                Some(key) => plan.sources.push(Planned {
                    source: key,
                    arc: source.arc,
                }),
                None => plan.uncovered.push(source.arc),
            }
        }
        plan
    }
}
