//! Following an aggregator's journal: the first place of each subscription, and the step after its end.

use kittengrad_client_core::routing::Backoff;
use kittengrad_journal::ReadFrom;
use kittengrad_proto::cursor::Cursor;

use crate::cursors::Last;

/// Pauses before a journal that failed is tried again.
pub const RETRY: Backoff = Backoff {
    base_ms: 1_000,
    max_ms: 30_000,
};

/// How a subscription ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The source cannot continue after the last block; the cursor where its journal continues.
    Moved(Cursor),
    /// The source sent signed blocks that do not continue the blocks read so far, or does not have the incarnation of the
    /// last block. It has another disk then, and its next incarnation is no safe place: after a wipe with a late clock,
    /// or after an old disk came back, blocks that were never read are in incarnations with lower numbers.
    Other,
    /// Any other reason, such as a broken connection.
    Failed,
}

/// The step before the next subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Retry: the next subscription begins after the last block, or where this one began if it read none.
    Retry,
    /// The next subscription begins at this cursor. It skips no block that the source still has.
    From(Cursor),
    /// Hand [`Input::Again`](crate::Input::Again) to the indexer. The journal is not the one read so far, and the next
    /// subscription begins at its first block.
    Again,
}

/// The place in a followed journal, and its failures in a row.
#[derive(Debug, Clone)]
pub struct Following {
    at: ReadFrom,
    /// First place of the subscription under way.
    began: ReadFrom,
    /// Subscriptions that ended since the last block was read.
    failures: u32,
}

impl Following {
    /// Continues after `last`. `None` begins at the first block.
    #[must_use]
    pub fn new(last: Option<Last>) -> Self {
        let at = last.map_or(ReadFrom::Genesis, after);
        Self {
            began: at.clone(),
            at,
            failures: 0,
        }
    }

    /// Begins a subscription; returns its first place.
    pub fn begin(&mut self) -> ReadFrom {
        self.began.clone_from(&self.at);
        self.at.clone()
    }

    /// Notes that a block was read.
    pub fn read(&mut self, last: Last) {
        self.at = after(last);
    }

    /// Returns the next step after an end, and the pause before it in milliseconds. `random` is any number. It chooses
    /// the pause between half and all of the time that [`RETRY`] allows.
    pub fn ended(&mut self, end: End, random: u64) -> (Next, u64) {
        let has_read = self.at != self.began;
        let next = match end {
            End::Moved(start) if self.at.is_before(start) => Next::From(start),
            End::Moved(_) | End::Other => Next::Again,
            End::Failed => Next::Retry,
        };
        if has_read && next != Next::Again {
            self.failures = 0;
        }
        match next {
            Next::Retry => {}
            Next::From(start) => self.at = ReadFrom::At(start),
            Next::Again => self.at = ReadFrom::Genesis,
        }
        self.failures = self.failures.saturating_add(1);
        (next, RETRY.wait_ms(self.failures, random))
    }
}

const fn after(last: Last) -> ReadFrom {
    ReadFrom::After {
        head: last.head,
        time_ms: last.time_ms,
        holds: None,
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::{
        block::Head,
        id::{Id, PublicKey},
    };

    use super::*;

    const JOURNAL: PublicKey = PublicKey::new([1; 32]);

    const fn cursor(incarnation: u64, height: Option<u64>) -> Cursor {
        Cursor {
            journal: JOURNAL,
            incarnation,
            height,
        }
    }

    fn last(height: u64) -> Last {
        Last {
            journal: JOURNAL,
            head: Head {
                incarnation: 5,
                height,
                hash: Id::of(&[&height.to_be_bytes()]),
            },
            time_ms: height + 7,
        }
    }

    fn at_100() -> Following {
        Following::new(Some(last(100)))
    }

    #[test]
    fn a_journal_that_went_back_is_read_again() {
        let next = |end| at_100().ended(end, 0).0;
        let moved = |incarnation, height| next(End::Moved(cursor(incarnation, height)));
        assert_eq!(moved(6, None), Next::From(cursor(6, None)));
        assert_eq!(moved(5, Some(120)), Next::From(cursor(5, Some(120))));
        assert_eq!(moved(5, Some(80)), Next::Again);
        assert_eq!(moved(5, Some(100)), Next::Again);
        assert_eq!(moved(4, None), Next::Again);
        assert_eq!(next(End::Other), Next::Again);
        assert_eq!(next(End::Failed), Next::Retry);
    }

    #[test]
    fn pauses_double_until_a_block_is_read() {
        let mut following = at_100();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            following.begin();
            pauses.push(following.ended(End::Failed, 0).1);
        }
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
        following.begin();
        following.read(last(101));
        assert_eq!(following.ended(End::Failed, 0).1, 500);
        following.begin();
        assert_eq!(following.ended(End::Failed, 0).1, 1_000);
    }

    #[test]
    fn pauses_double_while_a_journal_is_read_again_and_again() {
        let mut following = at_100();
        let mut pauses = Vec::new();
        for end in [End::Other, End::Other, End::Moved(cursor(5, Some(80)))] {
            following.begin();
            following.read(last(101));
            pauses.push(following.ended(end, 0));
        }
        let again = |pause_ms| (Next::Again, pause_ms);
        assert_eq!(pauses, [again(500), again(1_000), again(2_000)]);

        // A start that skips blocks is no such failure.
        following.begin();
        following.read(last(102));
        let start = cursor(6, None);
        let found = following.ended(End::Moved(start), 0);
        assert_eq!(found, (Next::From(start), 500));
        following.begin();
        let later = cursor(7, None);
        let found = following.ended(End::Moved(later), 0);
        assert_eq!(found, (Next::From(later), 1_000), "nothing was read");
    }

    #[test]
    fn the_next_subscription_begins_where_the_end_says() {
        assert_eq!(Following::new(None).begin(), ReadFrom::Genesis);
        let after = |height| ReadFrom::After {
            head: last(height).head,
            time_ms: height + 7,
            holds: None,
        };
        let mut following = at_100();
        assert_eq!(following.begin(), after(100));
        following.ended(End::Failed, 0);
        assert_eq!(following.begin(), after(100));
        following.read(last(101));
        following.ended(End::Failed, 0);
        assert_eq!(following.begin(), after(101));
        let from = cursor(6, None);
        following.ended(End::Moved(from), 0);
        assert_eq!(following.begin(), ReadFrom::At(from));
        following.ended(End::Other, 0);
        assert_eq!(following.begin(), ReadFrom::Genesis);
    }
}
