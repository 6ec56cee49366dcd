//! The plan: a set of journals that together hold everything.

use std::collections::BTreeSet;

use kittengrad_proto::id::PublicKey;
use kittengrad_ring::{KeyRange, Point, Ring};

use crate::network::Network;

/// How a journal is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Each block with its transactions and records.
    #[default]
    Read,
    /// Headers and items only. Other sources bring the elements.
    Items,
}

impl Mode {
    /// The word in pages and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Items => "items",
        }
    }
}

/// A source and the part of the circle that it answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// The owner of the journal.
    pub source: PublicKey,
    /// Its part of the circle. It may hold more.
    pub arc: KeyRange,
    /// How its journal is read.
    pub mode: Mode,
}

/// A smallest set of sources, and the arcs that none of them holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The sources, clockwise, each once.
    pub sources: Vec<Planned>,
    /// Arcs that no peer holds that is up.
    pub uncovered: Vec<KeyRange>,
    /// Arcs that have a source, and not as many as the faulty replicas that are tolerated ask for.
    pub short: Vec<KeyRange>,
}

impl Plan {
    /// Covers each cell of a network once for each faulty replica that is tolerated, and once more, with members that are
    /// `up`. The journals of the first cover bring the elements. Of the others, headers and items suffice: they show
    /// whether an element is missing.
    #[must_use]
    pub fn of(network: &Network, up: impl Fn(&PublicKey) -> bool) -> Self {
        let key = |point| network.key_at(point);
        let mut plan = Self::default();
        let mut taken = BTreeSet::new();
        for cover in 0..=network.cells().tolerate {
            let mode = match cover {
                0 => Mode::Read,
                _ => Mode::Items,
            };
            let is_free =
                |point: Point| key(point).is_some_and(|key| up(&key) && !taken.contains(&key));
            let mut next = Self::cover(network.ring(), key, is_free);
            next.sources.iter_mut().for_each(|of| of.mode = mode);
            taken.extend(next.sources.iter().map(|of| of.source));
            plan.sources.extend(next.sources);
            match cover {
                0 => plan.uncovered = next.uncovered,
                _ => plan.short.extend(next.uncovered),
            }
        }
        plan
    }

    /// Covers the ring with members that are `up`. `key` returns the key of the member at a point.
    ///
    /// If all of N members are up, the plan has exactly ceil(N/R) sources.
    /// # Source
    /// `docs/ARCHITECTURE.md`, "A stream".
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
            short: Vec::new(),
        };
        for source in cover.sources {
            match key(source.member) {
                Some(key) => plan.sources.push(Planned {
                    source: key,
                    arc: source.arc,
                    mode: Mode::Read,
                }),
                None => plan.uncovered.push(source.arc),
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::id::Id;
    use kittengrad_ring::{KeyRanges, Replicas};

    use super::*;

    const MEMBERS: [Point; 4] = [
        Point::new([0x20; 32]),
        Point::new([0x60; 32]),
        Point::new([0xa0; 32]),
        Point::new([0xe0; 32]),
    ];

    /// A ring in which each member alone holds its cell.
    fn ring() -> Ring {
        Ring::new(MEMBERS, Replicas::new(1).unwrap()).unwrap()
    }

    fn key(point: Point) -> PublicKey {
        PublicKey::new(*point.as_bytes())
    }

    fn cell(member: usize) -> KeyRange {
        ring().cell(MEMBERS[member]).unwrap()
    }

    /// The plan as numbers of members, each with its arc.
    fn planned(plan: &Plan) -> Vec<(usize, KeyRange)> {
        let number = |of: &Planned| MEMBERS.iter().position(|point| key(*point) == of.source);
        let sources = plan.sources.iter();
        sources.map(|of| (number(of).unwrap(), of.arc)).collect()
    }

    #[test]
    fn each_source_is_planned_by_its_key_for_its_arc() {
        let plan = Plan::cover(&ring(), |point| Some(key(point)), |_| true);
        let all = [0, 1, 2, 3].map(|member| (member, cell(member)));
        assert_eq!(planned(&plan), all);
        assert_eq!(plan.uncovered, []);
    }

    #[test]
    fn the_arc_of_a_source_without_a_key_is_uncovered() {
        let known = |point| Some(key(point)).filter(|_| point != MEMBERS[1]);
        let plan = Plan::cover(&ring(), known, |_| true);
        let others = [0, 2, 3].map(|member| (member, cell(member)));
        assert_eq!(planned(&plan), others);
        assert_eq!(plan.uncovered, [cell(1)]);
        // An arc without a member that is up stays uncovered, too.
        let plan = Plan::cover(&ring(), known, |point| point != MEMBERS[3]);
        let others = [0, 2].map(|member| (member, cell(member)));
        assert_eq!(planned(&plan), others);
        assert!(plan.uncovered.contains(&cell(1)) && plan.uncovered.contains(&cell(3)));
        assert_eq!(plan.uncovered.len(), 2);
    }

    #[test]
    fn only_the_second_cover_is_read_as_items() {
        let keys = [1, 2, 3, 4, 5, 6].map(|number| PublicKey::new([number; 32]));
        let points = keys.iter().map(PublicKey::point);
        let ring = Ring::new(points, Replicas::new(3).unwrap()).unwrap();
        for (tolerate, modes) in [(0, &[Mode::Read][..]), (1, &[Mode::Read, Mode::Items])] {
            let network = Network::new(Id::ZERO, ring.clone(), keys, tolerate);
            let plan = Plan::of(&network, |_| true);
            let arcs = |mode| {
                let of_mode = plan.sources.iter().filter(move |of| of.mode == mode);
                of_mode.map(|of| of.arc)
            };
            for mode in modes {
                assert_eq!(arcs(*mode).collect::<KeyRanges>(), KeyRanges::whole());
            }
            let sources: usize = modes.iter().map(|mode| arcs(*mode).count()).sum();
            assert_eq!(plan.sources.len(), sources);
        }
    }

    #[test]
    fn without_a_member_that_is_up_everything_is_uncovered() {
        let plan = Plan::cover(&ring(), |point| Some(key(point)), |_| false);
        assert_eq!(plan.sources, []);
        assert!(matches!(plan.uncovered[..], [arc] if arc.is_whole()));
    }
}
