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
