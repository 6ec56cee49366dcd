//! What a peer shows of itself.

use kittengrad_journal::{Journal, Tip};
use kittengrad_proto::{block::Head, id::PublicKey, signed_head::SignedHead};

use crate::{
    birth::life::Life,
    catch_up::wants::Wants,
    partners::{Partners, link::Link},
    write::acks::Acks,
};

/// What a peer shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The last block; `None` before the first.
    pub tip: Option<Tip>,
    /// It signs.
    pub is_open: bool,
    /// It has everything that its arc ever had.
    pub is_settled: bool,
    /// Transactions that others list and this peer lacks.
    pub missing: usize,
    /// How far its clock is behind its partners', in milliseconds; negative if it is ahead.
    pub clock_behind_ms: i64,
    /// Why it signs nothing, if that is because of its clock.
    pub why_clock: Option<String>,
    /// Submissions that wait for their quorum.
    pub waiting: usize,
    /// Bytes of their transactions and records.
    pub waiting_bytes: usize,
    /// Its partners.
    pub partners: Vec<(PublicKey, StatusOf)>,
}

/// What a peer knows of a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusOf {
    /// The link is up and the partner said hello.
    pub is_up: bool,
    /// It signs.
    pub is_open: bool,
    /// It has everything that its arc ever had.
    pub is_settled: bool,
    /// The highest head of it that was seen here.
    pub head: Option<Head>,
    /// How far its journal is applied here.
    pub applied: Option<Head>,
}

impl Status {
    /// Whether the others can do without this peer's disk: all that share anything with it are there, and are settled.
    ///
    /// A peer whose reader found damage refuses that read, and the rest of its disk is as good as before. Whoever reads all
    /// journals finds the damage of all disks at once; they must not be put aside at once.
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
        assert!(!spares(&[]), "nobody has what a single peer has");
    }
}
