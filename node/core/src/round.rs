//! What a round decided that is not committed before its end.

use kittengrad_journal::{Cut, Write};

use crate::birth::life::Life;

/// A round: everything between two commits.
#[derive(Default)]
pub(crate) struct Round {
    cuts: Vec<Cut>,
    has_news: bool,
    is_ticked: bool,
}

impl Round {
    /// Cuts a block of what was added so far, if anything was.
    pub(crate) fn cut(&mut self, life: &mut Life, wall_ms: u64, writes: &mut Vec<Write>) {
        let journal = life.journal_mut();
        self.cuts
            .extend(journal.and_then(|journal| journal.cut(wall_ms, writes)));
    }

    /// What this peer says of itself changed: its partners hear of it at the end.
    pub(crate) const fn tell_partners(&mut self) {
        self.has_news = true;
    }

    /// Time went by.
    pub(crate) const fn tick(&mut self) {
        self.is_ticked = true;
    }

    /// The blocks that were cut; the round has none afterwards.
    pub(crate) fn take_cuts(&mut self) -> Vec<Cut> {
        std::mem::take(&mut self.cuts)
    }

    /// Whether partners are to hear of a change; they are told once.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// Whether time went by; that counts once.
    pub(crate) fn take_tick(&mut self) -> bool {
        std::mem::take(&mut self.is_ticked)
    }
}
