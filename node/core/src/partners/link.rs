//! What this peer knows of one partner, and how far each has read the other's journal.

use std::collections::BTreeSet;

use kittengrad_proto::{
    block::{Head, Header},
    certificate::Chain,
    id::Id,
    identity::Heartbeat,
    signed_head::SignedHead,
};

use crate::catch_up::follow::Following;

/// One partner.
#[derive(Debug)]
pub(crate) struct Link {
    /// The transport is connected.
    pub(crate) is_up: bool,
    /// What the partner said last; `None` until it said hello on this connection.
    pub(crate) hello: Option<Heard>,
    /// How far its clock was ahead of ours when it last said, in milliseconds; `None` until it did on this connection.
    clock_ahead_ms: Option<i64>,
    /// The partner's Level-1 and Level-0 certificates, once it said hello.
    pub(crate) chain: Option<Chain>,
    /// The highest head of the partner's journal that was ever seen here, with its signature.
    seen: Option<SignedHead>,
    /// `seen` differs from what is on disk.
    is_seen_dirty: bool,
    /// Certificate chains that the partner was sent with pushes on this connection.
    pub(crate) sent_chains: BTreeSet<Id>,
    /// How far the partner has asked for our journal; `None` until it asked.
    pub(crate) reader: Option<Reader>,
    /// How far we are in the partner's journal.
    pub(crate) following: Following,
}

/// What a partner says of itself. Neither goes back while a connection lasts, so that hellos may come out of order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) is_settled: bool,
    pub(crate) is_open: bool,
}

/// Where a partner is in our journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) incarnation: u64,
    /// The height that it needs next.
    pub(crate) next_height: u64,
    /// It has everything that was committed, so new blocks are sent as they are cut.
    pub(crate) is_live: bool,
}

impl Link {
    /// A partner that is not connected, `seen` being what was kept of it.
    pub(crate) const fn new(following: Following, seen: Option<SignedHead>) -> Self {
        Self {
            is_up: false,
            hello: None,
            clock_ahead_ms: None,
            chain: None,
            seen,
            is_seen_dirty: false,
            sent_chains: BTreeSet::new(),
            reader: None,
            following,
        }
    }

    /// A connection ended: what held for it only is forgotten.
    pub(crate) fn went_down(&mut self) {
        self.is_up = false;
        self.hello = None;
        self.clock_ahead_ms = None;
        self.sent_chains.clear();
        self.reader = None;
        self.following.disconnect();
    }

    /// The partner signs, so that it can be sent transactions.
    pub(crate) fn is_open(&self) -> bool {
        self.hello.is_some_and(|hello| hello.is_open)
    }

    /// The partner has everything that its arc ever had.
    pub(crate) fn is_settled(&self) -> bool {
        self.hello.is_some_and(|hello| hello.is_settled)
    }

    /// How far the partner's clock is ahead of ours, in milliseconds, if it said.
    pub(crate) const fn clock_ahead_ms(&self) -> Option<i64> {
        self.clock_ahead_ms
    }

    /// The partner said what time it is, in Unix milliseconds; here it is `wall_ms`.
    pub(crate) fn told_time(&mut self, time_ms: u64, wall_ms: u64) {
        let ahead_ms = i128::from(time_ms) - i128::from(wall_ms);
        self.clock_ahead_ms = Some(i64::try_from(ahead_ms).unwrap_or(i64::MAX));
    }

    /// The highest head of the partner's journal that was ever seen here.
    pub(crate) const fn seen(&self) -> Option<&SignedHead> {
        self.seen.as_ref()
    }

    /// A block of the partner's came. Its signature was verified.
    pub(crate) fn saw_header(&mut self, header: &Header) {
        if self.is_new(&header.head()) {
            self.see(SignedHead::Header(Box::new(header.clone())));
        }
    }

    /// The partner said where its journal is. The signature was verified.
    pub(crate) fn saw_heartbeat(&mut self, heartbeat: &Heartbeat) {
        if self.is_new(&heartbeat.head) {
            self.see(SignedHead::Heartbeat(Box::new(heartbeat.clone())));
        }
    }

    fn is_new(&self, head: &Head) -> bool {
        let seen = self.seen.as_ref().map(SignedHead::head);
        seen.is_none_or(|seen| head.place() > seen.place())
    }

    fn see(&mut self, head: SignedHead) {
        self.seen = Some(head);
        self.is_seen_dirty = true;
    }

    /// The highest head seen, if it is not on disk yet.
    pub(crate) fn take_dirty_seen(&mut self) -> Option<&SignedHead> {
        std::mem::take(&mut self.is_seen_dirty)
            .then_some(self.seen.as_ref())
            .flatten()
    }
}
