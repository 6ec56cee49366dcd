//! Planning: which journals to follow, as members come and go.
//!
//! Every member is asked for its head about once a second. A member is passed over if it does not answer for
//! [`SILENT_MS`], or for [`BROKEN_MS`] as a source whose connection failed; if it sends data that does not verify; or if it
//! is slow: we have nothing that it signed in the last [`LAGS_MS`], and for as long we did not get nearer to its head. The
//! plan changes only if a source of it is passed over, or if it leaves arcs without a source, or with too few of them.
//!
//! A slow source is better than none: where all others are down, members that were passed over for being slow are planned.
//! No source is slow while our own disk has no room, or because this process was paused.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::id::PublicKey;
use kittengrad_ring::KeyRanges;

use crate::{
    behind::Behind,
    network::Network,
    plan::{Mode, Plan, Planned},
    signals::{SourceState, Status},
};

pub use crate::behind::LAGS_MS;

/// Time without an answer after which a member is down, in milliseconds.
pub const SILENT_MS: u64 = 5_000;
/// The same for a source whose connection failed, in milliseconds.
pub const BROKEN_MS: u64 = 2_500;
/// Time for which a source that lagged or lied is passed over, in milliseconds.
pub const PASSED_OVER_MS: u64 = 60_000;
/// Time between two looks, which come each second, after which this process was paused, in milliseconds.
const PAUSED_MS: u64 = 5_000;

/// Decides which journals to follow.
#[derive(Debug, Default)]
pub struct Planner {
    network: Option<Arc<Network>>,
    plan: Option<Plan>,
    /// Monotonic time in milliseconds of the last answer of each member. Before the first answer, the time at which it
    /// was seen first.
    answered: BTreeMap<PublicKey, u64>,
    /// The sources that are behind their heads.
    behind: BTreeMap<PublicKey, Behind>,
    /// Monotonic time in milliseconds of the last look.
    looked_ms: u64,
    /// Our own disk has no room, so nothing is read.
    is_short: bool,
    /// Sources whose connection failed.
    broken: BTreeSet<PublicKey>,
    /// Monotonic time in milliseconds until which a member is passed over because it lagged.
    slow: BTreeMap<PublicKey, u64>,
    /// The same for members that lied.
    lying: BTreeMap<PublicKey, u64>,
    plants: Plants,
}

impl Planner {
    /// Plants bugs in the planner, for the simulator.
    #[must_use]
    pub fn planted(plants: Plants) -> Self {
        Self {
            plants,
            ..Self::default()
        }
    }

    /// Takes a newer ring.
    pub fn network(&mut self, network: Arc<Network>, now_ms: u64) {
        let members = network.members();
        self.answered.retain(|member, _| members.contains(member));
        for member in members {
            self.answered.entry(member).or_insert(now_ms);
        }
        self.network = Some(network);
        self.plan = None;
    }

    /// Notes an answer of a member.
    pub fn answered(&mut self, member: PublicKey, now_ms: u64) {
        if let Some(last) = self.answered.get_mut(&member) {
            *last = now_ms.max(*last);
        }
    }

    /// Notes that our own disk has no room, or that it has room again.
    pub const fn short(&mut self, is_short: bool) {
        self.is_short = is_short;
    }

    /// The plan in force.
    #[must_use]
    pub const fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// Looks at the members, and returns a new plan if one is due.
    pub fn look(&mut self, status: &Status, now_ms: u64) -> Option<Plan> {
        self.watch(status, now_ms);
        let network = Arc::clone(self.network.as_ref()?);
        let is_due = self.plan.as_ref().is_none_or(|plan| {
            let has_gap = !plan.uncovered.is_empty() || !plan.short.is_empty();
            let mut sources = plan.sources.iter();
            let is_down = sources.any(|of| !self.is_up(&of.source, now_ms));
            has_gap && !self.plants.has(Plant::UncoveredForgotten) || is_down
        });
        if !is_due {
            return None;
        }
        let plan = self.cover(&network, now_ms);
        if self.plan.as_ref() == Some(&plan) {
            return None;
        }
        self.plan = Some(plan.clone());
        Some(plan)
    }

    /// Covers the ring with members that are up, and what they leave uncovered with slow ones. No slow source takes the
    /// place of one that is up. A slow source that only repeats the cover of others is read without bodies.
    fn cover(&self, network: &Network, now_ms: u64) -> Plan {
        let mut plan = Plan::of(network, |member| self.is_up(member, now_ms));
        let gaps = plan.uncovered.iter().chain(&plan.short);
        let gaps: KeyRanges = gaps.copied().collect();
        if gaps.is_empty() {
            return plan;
        }
        let is_slow =
            |member: &PublicKey| self.slow.contains_key(member) && self.answers(member, now_ms);
        let key = |point| network.key_at(point);
        let slow = match plan.uncovered.is_empty() {
            // Everything has a source, and parts lack only the second one.
            true => Plan::cover(network.ring(), key, |point| {
                key(point).as_ref().is_some_and(is_slow)
            }),
            false => Plan::of(network, is_slow),
        };
        let uncovered: KeyRanges = plan.uncovered.iter().copied().collect();
        let helps = |of: &Planned| gaps.overlaps(of.arc);
        let slow = slow.sources.into_iter().filter(helps).map(|of| Planned {
            mode: match uncovered.overlaps(of.arc) {
                true => Mode::Read,
                false => Mode::Items,
            },
            ..of
        });
        let slow: Vec<_> = slow.collect();
        let covered: KeyRanges = slow.iter().map(|of| of.arc).collect();
        for gaps in [&mut plan.uncovered, &mut plan.short] {
            let all: KeyRanges = gaps.iter().copied().collect();
            *gaps = all.difference(&covered).arcs().to_vec();
        }
        plan.sources.extend(slow);
        plan
    }

    /// Notes which sources lag or lie.
    fn watch(&mut self, status: &Status, now_ms: u64) {
        let was_paused = now_ms.saturating_sub(self.looked_ms) >= PAUSED_MS;
        self.looked_ms = now_ms;
        if self.is_short || was_paused {
            // Time in which we read nothing does not count against the sources.
            self.behind.clear();
        }
        let mut behind = BTreeMap::new();
        self.broken.clear();
        for source in &status.sources {
            let key = source.source;
            match source.state {
                SourceState::Lying => {
                    self.lying.insert(key, now_ms + PASSED_OVER_MS);
                }
                // It is not slow any more. Otherwise the plan would change once more at the end of the minute.
                SourceState::Level => {
                    self.slow.remove(&key);
                }
                state => {
                    if state == SourceState::Waiting && source.reason.is_some() {
                        self.broken.insert(key);
                    }
                    let found = Behind::of(source, self.behind.get(&key), now_ms);
                    if found.is_slow(source, now_ms) {
                        self.slow.insert(key, now_ms + PASSED_OVER_MS);
                    }
                    behind.insert(key, found);
                }
            }
        }
        self.behind = behind;
        self.slow.retain(|_, until| *until > now_ms);
        self.lying.retain(|_, until| *until > now_ms);
    }

    fn is_up(&self, member: &PublicKey, now_ms: u64) -> bool {
        self.answers(member, now_ms) && !self.slow.contains_key(member)
    }

    /// Whether a member answers, and did not lie.
    fn answers(&self, member: &PublicKey, now_ms: u64) -> bool {
        let silent_ms = match self.broken.contains(member) {
            true => BROKEN_MS,
            false => SILENT_MS,
        };
        let answered = self.answered.get(member);
        answered.is_some_and(|last| now_ms.saturating_sub(*last) < silent_ms)
            && !self.lying.contains_key(member)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use kittengrad_proto::{block::Head, id::Id};
    use kittengrad_ring::{KeyRange, Point, Replicas, Ring};

    use super::*;
    use crate::signals::SourceReport;

    const WHOLE: KeyRange = KeyRange::new(Point::ZERO, Point::ZERO);

    fn key(number: u8) -> PublicKey {
        PublicKey::new([number; 32])
    }

    fn planner() -> Planner {
        planner_that_tolerates(0)
    }

    /// Three members that hold everything, all of which answered at 0.
    fn planner_that_tolerates(faulty: usize) -> Planner {
        let keys = [1, 2, 3].map(key);
        let points = keys.iter().map(PublicKey::point);
        let ring = Ring::new(points, Replicas::new(3).unwrap()).unwrap();
        let mut planner = Planner::default();
        planner.network(Arc::new(Network::new(Id::ZERO, ring, keys, faulty)), 0);
        planner
    }

    /// The status while each planned source is in a state and at a height.
    fn status(planner: &Planner, state: SourceState, height: u64) -> Status {
        let sources = planner.plan().into_iter().flat_map(|plan| &plan.sources);
        let hash = Id::ZERO;
        let position = Some(Head {
            incarnation: 1,
            height,
            hash,
        });
        let report = |source| SourceReport {
            source,
            arc: WHOLE,
            mode: Mode::Read,
            state,
            position,
            head: None,
            head_time_ms: None,
            is_settled: true,
            lag_ms: None,
            queued: 0,
            reason: None,
        };
        Status {
            sources: sources.map(|of| report(of.source)).collect(),
            ..Status::default()
        }
    }

    /// Looks once a second while the planned sources are in a state. `height` returns their position at each second.
    /// Returns the sources that were planned one after the other.
    fn planned(
        planner: &mut Planner,
        state: SourceState,
        seconds: Range<u64>,
        height: impl Fn(u64) -> u64,
    ) -> Vec<PublicKey> {
        let mut planned = Vec::new();
        for second in seconds {
            for number in [1, 2, 3] {
                planner.answered(key(number), second * 1_000);
            }
            let status = status(planner, state, height(second));
            if let Some(plan) = planner.look(&status, second * 1_000) {
                assert_eq!(plan.uncovered, [], "at {second} s");
                planned.extend(plan.sources.iter().map(|of| of.source));
            }
        }
        planned
    }

    #[test]
    fn a_slow_source_is_better_than_none() {
        let mut planner = planner();
        let found = planned(&mut planner, SourceState::Waiting, 0..50, |_| 5);
        // Each is tried for 10 s, and in the end one of them stays.
        assert_eq!(found.len(), 4, "{found:?}");
        let found = planned(&mut planner, SourceState::Level, 50..150, |_| 6);
        assert_eq!(found, [], "it is as good as the others now");
    }

    #[test]
    fn a_slow_source_takes_nothing_from_those_that_are_up() {
        let mut keys: Vec<_> = (1..=6).map(key).collect();
        keys.sort_by_key(PublicKey::point);
        let points = keys.iter().map(PublicKey::point);
        let ring = Ring::new(points, Replicas::new(3).unwrap()).unwrap();
        let network = Network::new(Id::ZERO, ring, keys.clone(), 0);
        // The first two are down, and the third is slow.
        let mut planner = Planner::default();
        planner
            .answered
            .extend(keys[2..].iter().map(|key| (*key, 0)));
        planner.slow.insert(keys[2], PASSED_OVER_MS);
        let without = Plan::of(&network, |member| keys[3..].contains(member));
        assert_eq!(without.uncovered.len(), 1);
        let plan = planner.cover(&network, 0);
        assert_eq!(plan.uncovered, []);
        let (up, slow) = plan.sources.split_at(without.sources.len());
        assert_eq!(up, without.sources);
        let slow: Vec<_> = slow.iter().map(|of| (of.source, of.mode)).collect();
        assert_eq!(slow, [(keys[2], Mode::Read)]);
    }

    #[test]
    fn a_slow_second_source_is_better_than_one_source_alone() {
        let mut planner = planner_that_tolerates(1);
        planned(&mut planner, SourceState::Waiting, 0..15, |_| 5);
        let plan = planner.plan().unwrap();
        let modes: Vec<_> = plan.sources.iter().map(|of| of.mode).collect();
        assert_eq!(modes, [Mode::Read, Mode::Items]);
        assert_eq!(plan.short, []);
    }

    #[test]
    fn a_source_that_gets_on_is_read_for_as_long_as_it_takes() {
        let found = planned(&mut planner(), SourceState::Behind, 0..100, |second| second);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn no_source_is_slow_while_our_own_disk_has_no_room() {
        let mut planner = planner();
        planned(&mut planner, SourceState::Behind, 0..5, |_| 5);
        planner.short(true);
        let found = planned(&mut planner, SourceState::Behind, 5..100, |_| 5);
        assert_eq!(found, []);
        planner.short(false);
        let found = planned(&mut planner, SourceState::Behind, 100..109, |_| 5);
        assert_eq!(found, [], "it gets its time again");
        let found = planned(&mut planner, SourceState::Behind, 109..111, |_| 5);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn no_source_is_slow_because_we_were_paused() {
        let mut planner = planner();
        planned(&mut planner, SourceState::Behind, 0..5, |_| 5);
        let found = planned(&mut planner, SourceState::Behind, 60..69, |_| 5);
        assert_eq!(found, []);
        let found = planned(&mut planner, SourceState::Behind, 69..71, |_| 5);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_liar_is_not_better_than_none() {
        let mut planner = planner();
        planner.look(&Status::default(), 0).unwrap();
        let mut last = Plan::default();
        while let Some(plan) = planner.look(&status(&planner, SourceState::Lying, 5), 0) {
            last = plan;
        }
        assert_eq!((last.sources.len(), last.uncovered.len()), (0, 1));
    }
}
