//! The status of a peer and of its partners, for operators and clients.

use std::sync::Arc;

use kittengrad_journal::{Journal, Tip};
use kittengrad_proto::{
    block::Head, checkpoint::Statement, id::PublicKey, signed_head::SignedHead,
};

use crate::{
    birth::life::Life,
    catch_up::wants::Wants,
    partners::{Partners, link::Link},
    write::acks::Acks,
};

/// The status of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The last block; `None` before the first.
    pub tip: Option<Tip>,
    /// What the set contains as of the tip or an earlier block, for heartbeats. `None` before the first block.
    pub statement: Option<Arc<Statement>>,
    /// Whether the journal is open, so that the peer signs.
    pub is_open: bool,
    /// Whether the peer has everything that its arc ever had.
    pub is_settled: bool,
    /// The number of transactions that partners list and this peer lacks.
    pub missing: usize,
    /// The time by which its clock is behind the median of its own and its partners' clocks, in milliseconds; negative
    /// if it is ahead.
    pub clock_behind_ms: i64,
    /// The state of its clock, if the clock is too far off to sign.
    pub why_clock: Option<String>,
    /// The number of submissions that wait for their quorum.
    pub waiting: usize,
    /// Bytes of their transactions and records.
    pub waiting_bytes: usize,
    /// All partners, connected or not, ascending by key.
    pub partners: Vec<(PublicKey, StatusOf)>,
}

/// The status of a partner, as a peer knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusOf {
    /// Whether the link is up and the partner's hello came.
    pub is_up: bool,
    /// Whether its journal is open, so that it signs.
    pub is_open: bool,
    /// Whether it has everything that its arc ever had.
    pub is_settled: bool,
    /// The highest head of its journal that this peer saw.
    pub head: Option<Head>,
    /// The last block of its journal that this peer applied.
    pub applied: Option<Head>,
}

impl Status {
    /// Whether the ring can do without this peer's disk: all its partners are up, open and settled.
    ///
    /// A peer with a damaged block refuses to read that block, and the rest of its disk is still good. A reader of all
    /// journals finds the damage of all disks at once, and those disks must not be put aside at once.
    #[must_use]
    pub fn is_spared(&self) -> bool {
        let mut partners = self.partners.iter();
        !self.partners.is_empty() && partners.all(|(_, of)| of.is_up && of.is_open && of.is_settled)
    }

    pub(crate) fn of(life: &Life, partners: &Partners, wants: &Wants, acks: &Acks) -> Self {
        let partner = |(key, link): (&PublicKey, &Link)| {
            let status = StatusOf {
                is_up: link.hello.is_some(),
                is_open: link.is_open(),
                is_settled: link.is_settled(),
                head: link.seen().map(SignedHead::head),
                applied: link.following.applied_head(),
            };
            (*key, status)
        };
        Self {
            tip: life.journal().and_then(Journal::tip),
            statement: life.journal().and_then(Journal::statement).cloned(),
            is_open: life.journal().is_some(),
            is_settled: life.is_settled(),
            missing: wants.len(),
            clock_behind_ms: partners.clock_behind_ms(),
            why_clock: (!partners.is_clock_right()).then(|| partners.why_clock()),
            waiting: acks.len(),
            waiting_bytes: acks.waiting_bytes(),
            partners: partners.iter().map(partner).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_spared_only_if_all_partners_are_whole() {
        let whole = StatusOf {
            is_up: true,
            is_open: true,
            is_settled: true,
            head: None,
            applied: None,
        };
        let filling = StatusOf {
            is_settled: false,
            ..whole
        };
        let down = StatusOf {
            is_up: false,
            ..whole
        };
        let spares = |partners: &[&StatusOf]| {
            let key = |number: usize| PublicKey::new([number as u8; 32]);
            let partners = partners.iter().enumerate();
            let partners = partners.map(|(number, of)| (key(number), **of));
            let status = Status {
                tip: None,
                statement: None,
                is_open: true,
                is_settled: true,
                missing: 0,
                clock_behind_ms: 0,
                why_clock: None,
                waiting: 0,
                waiting_bytes: 0,
                partners: partners.collect(),
            };
            status.is_spared()
        };
        assert!(spares(&[&whole, &whole]));
        assert!(!spares(&[&whole, &filling]));
        assert!(!spares(&[&down, &whole]));
        assert!(!spares(&[]), "a single peer has the only copy");
    }
}
