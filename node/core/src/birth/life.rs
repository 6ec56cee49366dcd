//! The phase of a peer: starting or open, filling or settled.

use kittengrad_journal::Journal;
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::block::Head;
use kittengrad_ring::KeyRanges;

use crate::{
    birth::{filling::Filling, start::Starting},
    io::{Fatal, Input},
    partners::Partners,
};

enum Phase {
    /// The peer waits until its partners tell which of its heads they saw.
    Starting(Starting),
    /// The peer signs.
    Open(Box<Journal>),
}

/// The phase of a peer, with the arcs that it holds and those in which it is settled.
pub(crate) struct Life {
    phase: Phase,
    filling: Filling,
    /// The arcs that the peer holds.
    held: KeyRanges,
    /// The arcs in which the peer is settled: it has everything that they ever had.
    settled: KeyRanges,
    /// Whether the disk has space for clients' data, besides the reserve of the peer itself.
    pub(crate) has_space: bool,
    /// A head that this peer signed and its disk lost, if a partner showed one after the journal was open.
    pub(crate) forgotten: Option<Forgotten>,
    plants: Plants,
}

/// A head that a partner showed too late for the start rule. The process ends once the head is on disk.
#[derive(Debug)]
pub(crate) struct Forgotten {
    head: Head,
    is_kept: bool,
}

impl Forgotten {
    pub(crate) const fn new(head: Head) -> Self {
        let is_kept = false;
        Self { head, is_kept }
    }

    /// Passes over the rest of the round, so that nothing more is signed, and fails in the next round.
    pub(crate) fn end(&mut self, input: &Input) -> Result<(), Fatal> {
        if self.is_kept {
            return Err(Fatal::Forgotten(self.head));
        }
        self.is_kept = matches!(input, Input::Flush);
        Ok(())
    }
}

impl Life {
    /// Makes the life of a peer that starts.
    pub(crate) fn new(now_ms: u64, plants: Plants) -> Self {
        Self {
            phase: Phase::Starting(Starting::new(now_ms, plants)),
            filling: Filling::default(),
            held: KeyRanges::EMPTY,
            settled: KeyRanges::EMPTY,
            has_space: true,
            forgotten: None,
            plants,
        }
    }

    /// The journal; `None` until it is open.
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

    /// The answers of partners; `None` once the journal is open.
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

    /// Ends the start: the peer signs from now on.
    pub(crate) fn open(&mut self, journal: Journal) {
        self.phase = Phase::Open(Box::new(journal));
    }

    /// Replaces the held arcs. The peer stops being settled in an arc as soon as it gives the arc up.
    pub(crate) fn hold(&mut self, held: KeyRanges) {
        self.settled = self.settled.intersection(&held);
        self.held = held;
    }

    /// The arcs that this peer holds.
    pub(crate) const fn held(&self) -> &KeyRanges {
        &self.held
    }

    /// The arcs in which this peer is settled.
    pub(crate) const fn settled(&self) -> &KeyRanges {
        &self.settled
    }

    /// Marks the peer settled in these arcs.
    pub(crate) fn settle(&mut self, arcs: KeyRanges) {
        self.settled = arcs;
    }

    /// The heads up to which partners' journals must be read before the peer is settled.
    pub(crate) const fn filling(&self) -> &Filling {
        &self.filling
    }

    pub(crate) const fn filling_mut(&mut self) -> &mut Filling {
        &mut self.filling
    }

    /// Whether this peer has everything that its arcs ever had; with a planted bug, also while it is filling.
    pub(crate) fn is_settled(&self) -> bool {
        !self.is_filling() || self.plants.has(Plant::AnswerWhileFilling)
    }

    /// Whether this peer may lack elements of an arc that it holds.
    pub(crate) fn is_filling(&self) -> bool {
        let mut held = self.held.arcs().iter();
        !held.all(|arc| self.settled.covers(*arc))
    }

    /// The reason why the peer cannot sign yet; empty once the journal is open.
    pub(crate) fn why_starting(&self, partners: &Partners) -> String {
        match &self.phase {
            Phase::Open(_) => String::new(),
            Phase::Starting(_) if !partners.is_clock_right() => partners.why_clock(),
            Phase::Starting(starting) => format!(
                "{} of {} partners told which of its heads they saw",
                starting.answered(),
                partners.len()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_ring::{KeyRange, Point};

    use super::*;
    use crate::fixtures::head;

    fn arc(from: u8, to: u8) -> KeyRanges {
        KeyRange::new(Point::new([from; 32]), Point::new([to; 32])).into()
    }

    #[test]
    fn an_arc_that_was_given_up_has_to_be_filled_again() {
        let mut life = Life::new(0, Plants::NONE);
        life.hold(arc(1, 9));
        life.settle(arc(1, 9));
        assert!(!life.is_filling());
        life.hold(arc(1, 5));
        assert!(!life.is_filling());
        life.hold(arc(1, 9));
        assert!(life.is_filling());
    }

    #[test]
    fn a_peer_fills_until_it_is_settled_in_every_arc_that_it_holds() {
        let both: KeyRanges = [arc(1, 3), arc(5, 9)]
            .iter()
            .flat_map(|arcs| arcs.arcs().to_vec())
            .collect();
        let mut life = Life::new(0, Plants::NONE);
        life.hold(both.clone());
        assert!(life.is_filling() && !life.is_settled());
        for part in [arc(1, 3), arc(5, 9)] {
            life.settle(part);
            assert!(life.is_filling() && !life.is_settled());
        }
        life.settle(both);
        assert!(!life.is_filling() && life.is_settled());
    }

    #[test]
    fn a_forgotten_head_ends_the_process_after_its_round() {
        let forgotten = head(5, 3);
        let mut end = Forgotten::new(forgotten);
        for input in [Input::Tick, Input::Tick, Input::Flush] {
            assert_eq!(end.end(&input), Ok(()));
        }
        for input in [Input::Tick, Input::Flush] {
            assert_eq!(end.end(&input), Err(Fatal::Forgotten(forgotten)));
        }
    }
}
