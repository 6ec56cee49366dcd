//! The state of one partner, with the reading positions in both journals.

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
    /// Whether the transport is connected.
    pub(crate) is_up: bool,
    /// The state in the partner's hellos; `None` until the first hello on this connection.
    pub(crate) hello: Option<Heard>,
    /// The time by which the partner's clock was ahead of this peer's at its last hello or heartbeat, in milliseconds;
    /// `None` until the first on this connection.
    clock_ahead_ms: Option<i64>,
    /// The partner's Level-1 and Level-0 certificates; `None` until its first hello.
    pub(crate) chain: Option<Chain>,
    /// The highest head of the partner's journal that this peer ever saw, with its signature.
    seen: Option<SignedHead>,
    /// Whether `seen` differs from the value on disk.
    is_seen_dirty: bool,
    /// Certificate chains that were pushed to the partner on this connection.
    pub(crate) sent_chains: BTreeSet<Id>,
    /// The partner's position in this peer's journal; `None` until it asks for blocks.
    pub(crate) reader: Option<Reader>,
    /// This peer's position in the partner's journal.
    pub(crate) following: Following,
}

/// The state of a partner, from its hellos. While a connection lasts, neither field becomes false again, because
/// hellos may come out of order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) is_settled: bool,
    pub(crate) is_open: bool,
}

/// The position of a partner in this peer's journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) incarnation: u64,
    /// The height of the next block that it needs.
    pub(crate) next_height: u64,
    /// Whether it has all committed blocks, so that new blocks are sent as they are cut.
    pub(crate) is_live: bool,
}

impl Link {
    /// Makes the link of a partner that is not connected. `seen` is the head on disk.
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

    /// Ends a connection: clears all state that belongs to the connection only.
    pub(crate) fn went_down(&mut self) {
        self.is_up = false;
        self.hello = None;
        self.clock_ahead_ms = None;
        self.sent_chains.clear();
        self.reader = None;
        self.following.disconnect();
    }

    /// Whether the partner signs, so that it takes transactions.
    pub(crate) fn is_open(&self) -> bool {
        self.hello.is_some_and(|hello| hello.is_open)
    }

    /// Whether the partner has everything that its arc ever had.
    pub(crate) fn is_settled(&self) -> bool {
        self.hello.is_some_and(|hello| hello.is_settled)
    }

    /// The time by which the partner's clock is ahead of this peer's, in milliseconds, if it is known.
    pub(crate) const fn clock_ahead_ms(&self) -> Option<i64> {
        self.clock_ahead_ms
    }

    /// Takes the time in a partner's message. `time_ms` and this peer's `wall_ms` are Unix times in milliseconds.
    pub(crate) fn told_time(&mut self, time_ms: u64, wall_ms: u64) {
        let ahead_ms = i128::from(time_ms) - i128::from(wall_ms);
        let farthest_ms = if ahead_ms < 0 { i64::MIN } else { i64::MAX };
        self.clock_ahead_ms = Some(i64::try_from(ahead_ms).unwrap_or(farthest_ms));
    }

    /// The highest head of the partner's journal that this peer ever saw.
    pub(crate) const fn seen(&self) -> Option<&SignedHead> {
        self.seen.as_ref()
    }

    /// Takes the header of a partner's block. The caller has verified the signature.
    pub(crate) fn saw_header(&mut self, header: &Header) {
        if self.is_new(&header.head()) {
            self.see(SignedHead::Header(Box::new(header.clone())));
        }
    }

    /// Takes a partner's heartbeat. The caller has verified the signature.
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

    /// Takes the highest head seen, if it is not on disk yet.
    pub(crate) fn take_dirty_seen(&mut self) -> Option<&SignedHead> {
        std::mem::take(&mut self.is_seen_dirty)
            .then_some(self.seen.as_ref())
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_plants::Plants;
    use kittengrad_proto::signed::Signer as _;
    use kittengrad_ring::KeyRanges;
    use kittengrad_support::journals::{FakeKey, overlay, stored_block};

    use super::*;
    use crate::fixtures::head;

    const PARTNER: FakeKey = FakeKey(1);

    fn link() -> Link {
        let held = KeyRanges::whole();
        let following = Following::new(PARTNER.public(), None, &held, Plants::NONE);
        Link::new(following, None)
    }

    fn header(incarnation: u64, height: u64) -> Header {
        stored_block(incarnation, height, Vec::new(), 0)
            .block
            .header
    }

    fn heartbeat(incarnation: u64, height: u64) -> Heartbeat {
        Heartbeat::sign(&overlay(), head(incarnation, height), 1, &PARTNER)
    }

    #[test]
    fn the_highest_head_seen_is_kept_once() {
        let mut link = link();
        assert_eq!(link.take_dirty_seen(), None);
        let first = header(5, 3);
        link.saw_header(&first);
        let seen = SignedHead::Header(Box::new(first.clone()));
        assert_eq!(link.take_dirty_seen(), Some(&seen));
        assert_eq!(link.take_dirty_seen(), None);
        // Neither the same head nor a lower one replaces it.
        link.saw_header(&first);
        link.saw_header(&header(5, 2));
        link.saw_heartbeat(&heartbeat(5, 3));
        link.saw_heartbeat(&heartbeat(4, 9));
        assert_eq!((link.seen(), link.is_seen_dirty), (Some(&seen), false));
        for higher in [heartbeat(5, 4), heartbeat(6, 0)] {
            link.saw_heartbeat(&higher);
            let seen = SignedHead::Heartbeat(Box::new(higher));
            assert_eq!(link.take_dirty_seen(), Some(&seen));
            assert_eq!(link.seen(), Some(&seen));
        }
    }

    #[test]
    fn only_the_state_of_a_connection_ends_with_it() {
        let mut link = link();
        link.is_up = true;
        link.hello = Some(Heard {
            is_settled: true,
            is_open: true,
        });
        link.told_time(7, 5);
        link.sent_chains.insert(Id::ZERO);
        link.reader = Some(Reader {
            incarnation: 1,
            next_height: 1,
            is_live: true,
        });
        link.saw_heartbeat(&heartbeat(5, 4));
        link.went_down();
        assert!(!link.is_up && link.hello.is_none() && link.reader.is_none());
        assert!(link.sent_chains.is_empty() && link.clock_ahead_ms().is_none());
        // The head was seen, and has to be kept, whatever happens to the connection.
        assert_eq!(link.seen().map(SignedHead::head), Some(head(5, 4)));
        assert!(link.take_dirty_seen().is_some());
    }

    #[test]
    fn a_partner_is_what_its_hello_says() {
        let mut link = link();
        assert!(!link.is_open() && !link.is_settled());
        for (is_open, is_settled) in [(true, false), (false, true), (true, true)] {
            link.hello = Some(Heard {
                is_settled,
                is_open,
            });
            assert_eq!((link.is_open(), link.is_settled()), (is_open, is_settled));
        }
    }

    #[test]
    fn a_clock_ahead_is_positive_and_one_behind_negative() {
        for (time_ms, wall_ms, ahead_ms) in [
            (9, 5, 4),
            (5, 9, -4),
            (5, 5, 0),
            (u64::MAX, 0, i64::MAX),
            (0, u64::MAX, i64::MIN),
        ] {
            let mut link = link();
            link.told_time(time_ms, wall_ms);
            assert_eq!(link.clock_ahead_ms(), Some(ahead_ms));
        }
    }
}
