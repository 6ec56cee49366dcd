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
    pub(crate) seen: Option<Head>,
    /// Certificate chains that the partner was sent on this connection.
    pub(crate) sent_chains: BTreeSet<Id>,
    /// How far the partner has asked for our journal; `None` until it asked.
    pub(crate) reader: Option<Reader>,
    /// How far we are in the partner's journal.
    pub(crate) following: Following,
}

/// What a partner says of itself.
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
    pub(crate) fn new(following: Following) -> Self {
        let seen = following.applied_head();
        Self {
            is_up: false,
            hello: None,
            chain: None,
            seen,
            sent_chains: BTreeSet::new(),
            reader: None,
            following,
        }
    }

    /// A connection ended: what held for it only is forgotten.
    pub(crate) fn went_down(&mut self) {
        self.is_up = false;
        self.hello = None;
        self.sent_chains.clear();
        self.reader = None;
        self.following.disconnect();
    }

    /// Remembers the highest head of the partner's journal.
    pub(crate) fn saw(&mut self, head: Head) {
        let is_higher = self
            .seen
            .is_none_or(|seen| (head.incarnation, head.height) > (seen.incarnation, seen.height));
        if is_higher {
            self.seen = Some(head);
        }
    }
}
