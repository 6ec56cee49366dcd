//! What is going to happen to a network, in an order that its seed decides.

use kittengrad_sim::Random;

/// What keeps every disk as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blow {
    /// kill -9 of one process, and a start after a while.
    Kill,
    /// The same of two at once.
    KillTwo,
    /// The same of all.
    KillAll,
    /// SIGSTOP, and SIGCONT after a while.
    Pause,
    /// A second process for a data directory that is in use.
    Second,
    /// A disk has less room than its peer's reserve, for a while.
    LittleRoom,
    /// A disk has no room at all, until a commit fails.
    NoRoom,
}

/// What takes something from one disk.
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

/// Kinds with how many of them are in a round, which comes in another order every time: so that none is left out.
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

/// Twenty blows.
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

/// Twenty flips, and some wipes among them.
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
