//! Trouble: the faults of a world, and the state of the director.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::Kind;
use crate::random::Random;

/// The faults of a world, and their duration.
#[derive(Debug, Clone, Default)]
pub struct Trouble {
    /// Each kind, and the mean time between two strikes, in milliseconds.
    pub kinds: Vec<(Kind, u64)>,
    /// The duration, in milliseconds.
    pub ms: u64,
    /// The longest time until a dead process is restarted, in microseconds.
    pub restart_us_max: u64,
}

impl Trouble {
    /// Draws a random subset of all kinds, which finds more than all kinds at once.
    #[must_use]
    pub fn draw(random: &mut Random, ms: u64) -> Self {
        let density = random.pick(&[80, 150, 250, 400]);
        let mut kinds = Vec::new();
        for kind in Kind::ALL {
            // A liar needs an aggregator that tolerates it.
            if kind != Kind::FalseWord && random.permille(density) {
                let pause_ms = kind.pause_ms_min() * random.within(10..=30) / 10;
                kinds.push((kind, pause_ms));
            }
        }
        if kinds.is_empty() {
            kinds.push((Kind::Kill, 3_000));
        }
        Self {
            kinds,
            ms,
            restart_us_max: random.pick(&[200_000, 500_000, 2_000_000, 5_000_000]),
        }
    }
}

/// The state of the director, which lets faults strike.
#[derive(Debug, Default)]
pub struct Director {
    pub(super) trouble: Trouble,
    pub(super) is_active: bool,
    /// The end of trouble.
    pub(super) end_us: u64,
    /// The number of strikes of each kind.
    pub(super) fired: BTreeMap<Kind, u64>,
    pub(super) count: u64,
    /// Kinds whose next strike is scheduled.
    pub(crate) awaited: BTreeSet<Kind>,
    /// The end of the last effect with a known duration.
    pub(super) until_us: u64,
    /// A peer whose disk is about to be lost. The witnesses of its journal must stay up.
    pub(super) truce: Option<usize>,
    /// A loss is planned. Only one at a time, so that none ends another's truce.
    pub(super) is_losing: bool,
    /// The peer that is killed next, and the time for which it stays down, in microseconds.
    pub(super) held_down: Option<(usize, u64)>,
    /// The additional delay of every message.
    pub(super) spike_us: u64,
    /// Whether messages overtake, and how many come twice, without a fault.
    pub(super) usual: (bool, u64),
}
