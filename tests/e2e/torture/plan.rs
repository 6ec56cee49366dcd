//! The plan of a run: blows and losses in an order that the seed decides.

use kittengrad_sim::Random;

/// A fault that leaves every disk as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blow {
    /// kill -9 of one process, and a restart after a while.
    Kill,
    /// kill -9 of two processes at once.
    KillTwo,
    /// kill -9 of all processes.
    KillAll,
    /// SIGSTOP, and SIGCONT after a while.
    Pause,
    /// A second process for a data directory that is in use.
    Second,
    /// A disk has less space than its peer's reserve, for a while.
    LittleRoom,
    /// A disk is completely full, until a commit fails.
    NoRoom,
}

/// A fault that takes data from one disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Loss {
    FlipPeer,
    FlipAggregator,
    FlipIndexer,
    WipePeer,
    WipeAggregator,
    WipeIndexer,
}

impl Loss {
    pub(super) const fn is_flip(self) -> bool {
        matches!(
            self,
            Self::FlipPeer | Self::FlipAggregator | Self::FlipIndexer
        )
    }
}

/// Draws kinds in rounds. A round has each kind as often as its count, in a random order, so that no kind is left out.
pub(super) struct Deck<T> {
    round: Vec<T>,
    left: Vec<T>,
    random: Random,
}

impl<T: Copy> Deck<T> {
    fn new(kinds: &[(T, usize)], random: Random) -> Self {
        let round = kinds.iter().flat_map(|(kind, count)| vec![*kind; *count]);
        Self {
            round: round.collect(),
            left: Vec::new(),
            random,
        }
    }

    pub(super) fn draw(&mut self) -> T {
        if self.left.is_empty() {
            self.left.clone_from(&self.round);
        }
        let at = self.random.next() as usize % self.left.len();
        self.left.swap_remove(at)
    }
}

/// The blows, in rounds of twenty.
pub(super) fn blows(seed: u64) -> Deck<Blow> {
    let kinds = [
        (Blow::Kill, 9),
        (Blow::KillTwo, 3),
        (Blow::KillAll, 1),
        (Blow::Pause, 3),
        (Blow::Second, 2),
        (Blow::LittleRoom, 1),
        (Blow::NoRoom, 1),
    ];
    Deck::new(&kinds, Random::branch(seed, 1))
}

/// The losses, in rounds of twenty flips and five wipes.
pub(super) fn losses(seed: u64) -> Deck<Loss> {
    let kinds = [
        (Loss::FlipPeer, 14),
        (Loss::FlipAggregator, 3),
        (Loss::FlipIndexer, 3),
        (Loss::WipePeer, 3),
        (Loss::WipeAggregator, 1),
        (Loss::WipeIndexer, 1),
    ];
    Deck::new(&kinds, Random::branch(seed, 2))
}
