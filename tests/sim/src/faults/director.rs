//! The director: draws faults, lets them strike, and heals everything at the end.

use std::collections::{BTreeMap, BTreeSet};

use super::{Director, Kind, Relief, Trouble};
use crate::{host::Node, queue::Event, world::World};

/// The longest time until the next strike of a fault that has not struck yet, in microseconds.
const AWAITED_US_MAX: u64 = 3_000_000;
/// The pause before another attempt of a fault that could not strike, in microseconds.
const AGAIN_US: u64 = 200_000;
/// One prolongation of a trouble that proves nothing yet, in milliseconds.
const MORE_MS: u64 = 5_000;
/// Prolongations at most.
const MORE_MAX: usize = 8;

impl World {
    /// Starts trouble.
    pub fn begin_trouble(&mut self, trouble: Trouble) {
        let now_us = self.queue.now_us;
        let weather = &self.shape.weather;
        self.director = Some(Director {
            is_active: true,
            end_us: now_us + trouble.ms * 1_000,
            usual: (weather.is_unordered, weather.twice_permille),
            trouble: trouble.clone(),
            ..Director::default()
        });
        for (kind, pause_ms) in trouble.kinds {
            if kind == Kind::FalseWord {
                self.begin_lie();
            }
            if matches!(kind, Kind::Drift | Kind::FalseWord) {
                self.fired(kind);
                self.lasts_throughout();
                continue;
            }
            let latest_us = (trouble.ms * 400).min(pause_ms * 2_000);
            let us = self.fate.within(100_000..=latest_us.max(200_000));
            self.strikes_after(us, kind);
        }
    }

    fn strikes_after(&mut self, us: u64, kind: Kind) {
        if let Some(director) = &mut self.director {
            director.awaited.insert(kind);
        }
        self.queue.after(us, Event::Strikes(kind));
    }

    /// Lets a fault strike at its time.
    pub(crate) fn strikes(&mut self, kind: Kind) {
        let now_us = self.queue.now_us;
        let Some(director) = self.director.as_mut().filter(|d| d.is_active) else {
            return;
        };
        director.awaited.remove(&kind);
        let (end_us, truce) = (director.end_us, director.truce);
        let kinds = director.trouble.kinds.iter();
        let pause_ms = kinds
            .clone()
            .find(|(of, _)| *of == kind)
            .map_or(5_000, |(_, ms)| *ms);
        // An effect of less than half a second proves nothing.
        if now_us + 500_000 > end_us {
            return;
        }
        let may_strike = (truce.is_none() || kind.spares_peers()) && !self.gives_way(kind);
        let us = if may_strike && self.strike(kind) {
            let has_struck = self.fired_faults().contains_key(&kind);
            let longest_us = if has_struck {
                pause_ms * 2_000
            } else {
                AWAITED_US_MAX
            };
            self.fate.within(100_000..=longest_us)
        } else {
            if kind.loses() && may_strike && self.is_late() {
                // An undetected flipped bit may be in the way.
                self.find_rot();
            }
            AGAIN_US
        };
        self.strikes_after(us, kind);
    }

    /// Whether a fault that has struck leaves room for others: trouble is half over, and some kind could not strike yet
    /// because too much was broken.
    fn gives_way(&mut self, kind: Kind) -> bool {
        let Some(director) = &self.director else {
            return false;
        };
        if !self.is_late() || !director.fired.contains_key(&kind) {
            return false;
        }
        let waiting = self.idle_faults();
        if waiting.iter().any(|kind| kind.loses()) && director.truce.is_none() {
            self.gather();
        }
        if !waiting.is_empty() {
            self.find_rot();
        }
        !waiting.is_empty()
    }

    /// Prolongs a trouble that proves nothing yet: a drawn fault could not strike, or no transaction overlapped a
    /// fault. Few worlds need it; it changes nothing in the others.
    pub(crate) fn prolong(&mut self) {
        for _ in 0..MORE_MAX {
            let mut missed = self.idle_faults();
            if missed.is_empty() && self.tally.overlapped == 0 {
                missed.extend(self.fired_faults().keys());
            }
            let Some(director) = &mut self.director else {
                return;
            };
            if missed.is_empty() || self.violation.is_some() {
                return;
            }
            director.end_us += MORE_MS * 1_000;
            missed.retain(|kind| !director.awaited.contains(kind));
            // An undetected flipped bit may be in the way.
            self.find_rot();
            for kind in missed {
                self.strikes_after(AGAIN_US, kind);
            }
            self.pass(MORE_MS);
        }
    }

    /// The drawn kinds of faults that have not struck yet.
    pub(crate) fn idle_faults(&self) -> BTreeSet<Kind> {
        let Some(director) = &self.director else {
            return BTreeSet::new();
        };
        let kinds = director.trouble.kinds.iter().map(|(kind, _)| *kind);
        kinds
            .filter(|kind| !director.fired.contains_key(kind))
            .collect()
    }

    /// Whether trouble is half over.
    fn is_late(&self) -> bool {
        let now_us = self.queue.now_us;
        let director = self.director.as_ref();
        director.is_some_and(|director| now_us + director.trouble.ms * 550 > director.end_us)
    }

    /// Counts a strike of a fault.
    pub(crate) fn fired(&mut self, kind: Kind) {
        let now_us = self.queue.now_us;
        if let Some(director) = &mut self.director {
            *director.fired.entry(kind).or_default() += 1;
            director.count += 1;
            director.until_us = director.until_us.max(now_us + 500_000);
            self.trace.line(now_us, || format!("fault: {kind}"));
        }
    }

    /// Draws how long an effect lasts, at most until trouble ends.
    pub(super) fn lasting(&mut self, us_min: u64, us_max: u64) -> u64 {
        let now_us = self.queue.now_us;
        let us = self.fate.within(us_min..=us_max);
        let Some(director) = &mut self.director else {
            return us;
        };
        let us = us.min(director.end_us.saturating_sub(now_us));
        director.until_us = director.until_us.max(now_us + us);
        us
    }

    /// Notes an effect that lasts until trouble ends.
    fn lasts_throughout(&mut self) {
        if let Some(director) = &mut self.director {
            director.until_us = director.end_us;
        }
    }

    pub(super) fn passes_after(&mut self, us: u64, relief: Relief) {
        self.queue.after(us, Event::Passes(relief));
    }

    /// The number of strikes of all kinds.
    pub(crate) fn fault_count(&self) -> u64 {
        self.director.as_ref().map_or(0, |director| director.count)
    }

    /// Whether a fault lasts, or a peer is down.
    pub(crate) fn has_faults(&self) -> bool {
        let lasts = |director: &Director| director.until_us > self.queue.now_us;
        self.director.as_ref().is_some_and(lasts)
            || self.machines.iter().any(|machine| !machine.host.is_up)
    }

    /// The number of strikes of each kind.
    #[must_use]
    pub fn fired_faults(&self) -> BTreeMap<Kind, u64> {
        let director = self.director.as_ref();
        director.map_or_else(BTreeMap::new, |director| director.fired.clone())
    }

    /// The delay of a message in addition to the weather's.
    pub(crate) fn spike_us(&self, _: Node, _: Node) -> u64 {
        self.director
            .as_ref()
            .map_or(0, |director| director.spike_us)
    }

    /// Schedules the restart of a process that died.
    pub(crate) fn look_after(&mut self, node: Node) {
        let Some(director) = &self.director else {
            return;
        };
        let longest_us = if !director.is_active {
            500_000
        } else if director.truce.is_some() {
            // The witnesses of a lost disk are needed soon.
            300_000
        } else {
            director.trouble.restart_us_max
        };
        let mut us = self.fate.within(50_000..=longest_us);
        if let Some(director) = &mut self.director
            && let Some((_, down_us)) = director
                .held_down
                .take_if(|(of, _)| Node::Peer(*of) == node)
        {
            us = down_us;
        }
        let run = self.host(node).run;
        self.queue.after(us, Event::Restarts { node, run });
    }

    /// Restarts a process, if it does not run.
    pub(crate) fn restarts(&mut self, node: Node, run: u64) {
        let host = self.host(node);
        if host.is_up || host.run != run {
            return;
        }
        match node {
            Node::Peer(member) => self.start(member),
            Node::Aggregator => {
                let machine = self.aggregator.as_mut().expect("it died");
                if machine.disk.is_found() {
                    // A damaged store is put aside, and a new journal starts.
                    machine.disk.wipe();
                    self.aggregator_copy = None;
                    self.invariants.merged_anew();
                    self.fired(Kind::AggregatorRot);
                }
                self.start_aggregator();
            }
            Node::Indexer => self.start_indexer(),
            Node::Client(client) => self.start_client(client),
        }
    }

    /// Stops all faults: all processes run, reach each other and have their usual speed.
    pub fn calm(&mut self) {
        if let Some(director) = &mut self.director {
            director.is_active = false;
            director.truce = None;
            director.spike_us = 0;
            (
                self.shape.weather.is_unordered,
                self.shape.weather.twice_permille,
            ) = director.usual;
        }
        (self.overflows, self.replays) = (None, false);
        self.be_honest();
        for (from, to) in self.network.blocks() {
            self.unblock(from, to);
        }
        for node in self.nodes() {
            let host = self.host_mut(node);
            (host.slowness, host.disk_slowness) = (1, 1);
            (host.is_full, host.is_failing) = (false, false);
            host.skew_ms = 0;
        }
        for machine in &mut self.machines {
            machine.fuse = None;
        }
        self.find_rot();
        for node in self.nodes() {
            let run = self.host(node).run;
            self.restarts(node, run);
        }
    }
}
