//! Where a peer is in its life: starting, open, settled.

use kittengrad_journal::Journal;
use kittengrad_plants::{Plant, Plants};
use kittengrad_ring::KeyRanges;

use crate::{
    birth::{filling::Filling, start::Starting},
    partners::Partners,
};

enum Phase {
    /// The peer waits for what others saw of it.
    Starting(Starting),
    /// It signs.
    Open(Box<Journal>),
}

/// Whether the peer signs, and whether it has everything of its arcs.
pub(crate) struct Life {
    phase: Phase,
    filling: Filling,
    /// The arcs that the peer holds.
    held: KeyRanges,
    /// The arcs in which it has everything that they ever had.
    settled: KeyRanges,
    /// The disk takes more than what keeps the peer itself going.
    pub(crate) has_space: bool,
    plants: Plants,
}

impl Life {
    /// A peer that starts.
    pub(crate) fn new(now_ms: u64, plants: Plants) -> Self {
        Self {
            phase: Phase::Starting(Starting::new(now_ms, plants)),
            filling: Filling::default(),
            held: KeyRanges::EMPTY,
            settled: KeyRanges::EMPTY,
            has_space: true,
            plants,
        }
    }

    /// The journal, once it is open.
    pub(crate) const fn journal(&self) -> Option<&Journal> {
        match &self.phase {
            Phase::Open(journal) => Some(journal),
            Phase::Starting(_) => None,
        }
    }

    pub(crate) const fn journal_mut(&mut self) -> Option<&mut Journal> {
        match &mut self.phase {
            Phase::Open(journal) => Some(journal),
            Phase::Starting(_) => None,
        }
    }

    /// What partners answered, until the journal is open.
    pub(crate) const fn starting(&self) -> Option<&Starting> {
        match &self.phase {
            Phase::Starting(starting) => Some(starting),
            Phase::Open(_) => None,
        }
    }

    pub(crate) const fn starting_mut(&mut self) -> Option<&mut Starting> {
        match &mut self.phase {
            Phase::Starting(starting) => Some(starting),
            Phase::Open(_) => None,
        }
    }

    /// The peer signs from now on.
    pub(crate) fn open(&mut self, journal: Journal) {
        self.phase = Phase::Open(Box::new(journal));
    }

    /// Goes by other arcs from now on. Where the peer is not a replica any more it is not settled either, at once.
    pub(crate) fn hold(&mut self, held: KeyRanges) {
        self.settled = self.settled.intersection(&held);
        self.held = held;
    }

    /// The arcs that this peer holds.
    pub(crate) const fn held(&self) -> &KeyRanges {
        &self.held
    }

    /// Everything that these arcs ever had is here.
    pub(crate) fn settle(&mut self, arcs: KeyRanges) {
        self.settled = arcs;
    }

    /// How far partners' journals have to be read, until everything is here.
    pub(crate) const fn filling(&self) -> &Filling {
        &self.filling
    }

    pub(crate) const fn filling_mut(&mut self) -> &mut Filling {
        &mut self.filling
    }

    /// Whether this peer has everything that its arcs ever had.
    pub(crate) fn is_settled(&self) -> bool {
        !self.is_filling() || self.plants.has(Plant::AnswerWhileFilling)
    }

    /// Whether this peer may lack something of an arc that it holds.
    pub(crate) fn is_filling(&self) -> bool {
        let mut held = self.held.arcs().iter();
        !held.all(|arc| self.settled.covers(*arc))
    }

    /// Why nothing can be signed yet; empty once the journal is open.
    pub(crate) fn why_starting(&self, partners: &Partners) -> String {
        match &self.phase {
            Phase::Open(_) => String::new(),
            Phase::Starting(_) if !partners.is_clock_right() => partners.why_clock(),
            Phase::Starting(starting) => format!(
                "{} of {} partners said what they saw of it",
                starting.answered(),
                partners.len()
            ),
        }
    }
}
