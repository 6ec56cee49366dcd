//! Which journals to follow so that together they hold everything.

use kittengrad_proto::id::PublicKey;
use kittengrad_ring::{KeyRange, Point, Ring};

/// A source and the part of the circle that it answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Whose journal.
    pub source: PublicKey,
    /// Its part; it may hold more.
    pub arc: KeyRange,
}

/// A smallest set of sources, and what none of them has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The sources, clockwise, each once.
    pub sources: Vec<Planned>,
    /// What no peer that is up holds.
    pub uncovered: Vec<KeyRange>,
}

impl Plan {
    /// Covers the ring with members that are `up`; `key` names the member at a point.
    ///
    /// With all of N members up it is exactly ceil(N/R) sources.
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
