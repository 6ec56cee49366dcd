//! What this peer knows of one partner, and how far each has read the other's journal.

use std::collections::BTreeSet;

use kittengrad_proto::{block::Head, certificate::Chain, id::Id};

use crate::follow::Following;

/// One partner.
#[derive(Debug)]
pub(crate) struct Link {
    /// The transport is connected.
    pub(crate) is_up: bool,
    /// What the partner said last; `None` until it said hello on this connection.
    pub(crate) hello: Option<Heard>,
    /// The partner's Level-1 and Level-0 certificates, once it said hello.
    pub(crate) chain: Option<Chain>,
    /// The highest head of the partner's journal that was ever seen here.
    seen: Option<Head>,
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
    pub(crate) fn new(following: Following, seen: Option<Head>) -> Self {
        let mut link = Self {
            is_up: false,
            hello: None,
            chain: None,
            seen,
            is_seen_dirty: false,
            sent_chains: BTreeSet::new(),
            reader: None,
            following,
        };
        if let Some(applied) = link.following.applied_head() {
            link.saw(applied);
        }
        link
    }

    /// A connection ended: what held for it only is forgotten.
    pub(crate) fn went_down(&mut self) {
        self.is_up = false;
        self.hello = None;
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

    /// The highest head of the partner's journal that was ever seen here.
    pub(crate) const fn seen(&self) -> Option<Head> {
        self.seen
    }

    /// Remembers the highest head of the partner's journal.
    pub(crate) fn saw(&mut self, head: Head) {
        if self.seen.is_none_or(|seen| place(&head) > place(&seen)) {
            self.seen = Some(head);
            self.is_seen_dirty = true;
        }
    }

    /// The highest head seen, if it is not on disk yet.
    pub(crate) fn take_dirty_seen(&mut self) -> Option<Head> {
        let seen = self.seen.filter(|_| self.is_seen_dirty)?;
        self.is_seen_dirty = false;
        Some(seen)
    }
}

/// Where in its owner's journals a block stands: incarnation, then height.
pub(crate) const fn place(head: &Head) -> (u64, u64) {
    (head.incarnation, head.height)
}
