//! The decisions of a round until its end.

use kittengrad_journal::{Cut, Write};
use kittengrad_proto::block::Holds;

use crate::birth::life::Life;

/// A round: the time between two commits.
#[derive(Default)]
pub(crate) struct Round {
    cuts: Vec<Cut>,
    has_news: bool,
    is_ticked: bool,
}

impl Round {
    /// Cuts a block of the items added so far. Without items it cuts none.
    pub(crate) fn cut(&mut self, life: &mut Life, wall_ms: u64, writes: &mut Vec<Write>) {
        let journal = life.journal_mut();
        self.cuts
            .extend(journal.and_then(|journal| journal.cut(wall_ms, writes)));
    }

    /// Journals the arcs that this peer holds now, if the last `hold` has others. The items added so far become a block
    /// of their own, because their cells are those of the last `hold`.
    pub(crate) fn hold(
        &mut self,
        life: &mut Life,
        arcs: &Holds,
        wall_ms: u64,
        writes: &mut Vec<Write>,
    ) {
        let journal = life.journal_mut();
        self.cuts
            .extend(journal.and_then(|journal| journal.hold(arcs, wall_ms, writes)));
    }

    /// Notes that the content of this peer's hello changed. The partners get a new one at the end of the round.
    pub(crate) const fn tell_partners(&mut self) {
        self.has_news = true;
    }

    /// Notes a tick of the clock.
    pub(crate) const fn tick(&mut self) {
        self.is_ticked = true;
    }

    /// Takes the blocks cut in this round.
    pub(crate) fn take_cuts(&mut self) -> Vec<Cut> {
        std::mem::take(&mut self.cuts)
    }

    /// Takes the note of [`Round::tell_partners`], so that each change is sent once.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// Takes the note of a tick.
    pub(crate) fn take_tick(&mut self) -> bool {
        std::mem::take(&mut self.is_ticked)
    }
}
