//! Trouble: which faults a world has to bear, and what the director knows of them.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::Kind;
use crate::random::Random;

/// Which faults a world has to bear, and for how long.
#[derive(Debug, Clone, Default)]
pub struct Trouble {
    /// Each kind, and how often it strikes: about once in so many milliseconds.
    pub kinds: Vec<(Kind, u64)>,
    /// How long, in milliseconds.
    pub ms: u64,
    /// A process that died is started again after so long at most, in microseconds.
    pub restart_us_max: u64,
}

impl Trouble {
    /// A random subset of all kinds: that finds more than all of them at once.
    #[must_use]
    pub fn draw(random: &mut Random, ms: u64) -> Self {
        let density = random.pick(&[80, 150, 250, 400]);
        let mut kinds = Vec::new();
        for kind in Kind::ALL {
            if random.permille(density) {
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

/// Who lets faults strike.
#[derive(Debug, Default)]
pub struct Director {
    pub(super) trouble: Trouble,
    pub(super) is_active: bool,
    /// When trouble ends.
    pub(super) end_us: u64,
    /// How often each kind struck.
    pub(super) fired: BTreeMap<Kind, u64>,
    pub(super) count: u64,
    /// Those whose next strike has its time.
    pub(crate) awaited: BTreeSet<Kind>,
    /// The last effect that is known to last ends then.
    pub(super) until_us: u64,
    /// A peer of which a disk is about to be lost: whoever saw its journal must stay there.
    pub(super) truce: Option<usize>,
    /// A disk is going to be lost: one at a time, so that nobody ends another's truce.
    pub(super) is_losing: bool,
    /// Every message takes so much longer.
    pub(super) spike_us: u64,
    /// How messages behave when no fault changes it.
    pub(super) usual: (bool, u64),
}
