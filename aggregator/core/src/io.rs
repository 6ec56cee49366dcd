//! Inputs and outputs of an aggregator's core.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_journal::{Shown, StateError, StoreError, Tip, Write};
use kittengrad_proto::{
    block::{Block, Head},
    certificate::Chain,
    checkpoint::Statement,
    evidence::{Evidence, Rule},
    id::{Id, PublicKey, RecordId},
    identity::Beat,
    transaction::Transaction,
};
use thiserror::Error;

use crate::{
    network::Network,
    plan::{Mode, Plan},
};

/// The two clocks, read by the driver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since a fixed moment. Never goes back; for deadlines.
    pub monotonic_ms: u64,
    /// Unix time in milliseconds. For block times and the age of heads.
    pub wall_ms: u64,
}

/// Times that the core waits, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long a source's signed head counts as fresh.
    pub fresh_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self { fresh_ms: 5_000 }
    }
}

/// A block of a source: structure, signature and bodies were verified.
#[derive(Debug, Clone)]
pub struct SourceBlock {
    /// Header and items. The core checks the link to the block before.
    pub block: Block,
    /// One for each transaction item, in order. `None` for a block that was read as headers and items only.
    pub entries: Option<Vec<SourceEntry>>,
}

/// The body of a transaction item.
#[derive(Debug, Clone)]
pub struct SourceEntry {
    /// The transaction, with its signature and publisher verified.
    pub transaction: Arc<Transaction>,
    /// Records of the elements that the item adds, as far as they arrived. Each was checked against its element.
    pub records: BTreeMap<RecordId, Bytes>,
    /// The publisher's certificates.
    pub chain: Arc<Chain>,
}

/// One input of the core.
#[derive(Debug, Clone)]
pub enum Input {
    /// The sources to follow from now on.
    Plan(Plan),
    /// The next block of a source, or an earlier one again.
    Block(PublicKey, Box<SourceBlock>),
    /// The ring, once it is known and after each change.
    Network(Arc<Network>),
    /// A member's head, signed after it was asked at `at`. Its signature was verified, and it repeats the nonce of the
    /// question.
    Asked {
        /// The member.
        member: PublicKey,
        /// The time at which the question was sent.
        at: Now,
        /// The answer.
        beat: Box<Beat>,
    },
    /// A source's heartbeat, with its signature verified.
    Alive(PublicKey, Box<Beat>),
    /// A source cannot be followed at the moment, for this reason.
    Down(PublicKey, String),
    /// A source sent data that does not verify, for this reason. It is not followed until [`Input::Retry`].
    Lying(PublicKey, String),
    /// Tries a source again that lied, from the last block emitted.
    Retry(PublicKey),
    /// Evidence that a source or caller showed. It is kept if it convicts.
    Evidence {
        /// The source or caller.
        by: PublicKey,
        /// The evidence. It may lack the `hold` of a source.
        evidence: Box<Evidence>,
    },
    /// Bytes of records that were fetched.
    Records(Vec<Bytes>),
    /// Our own disk is short of space, so nothing is read, or it has room again.
    Short(bool),
    /// Time passed. Due at least once a second.
    Tick,
    /// The end of a round: the added elements become a block.
    Flush,
}

/// A record to get from the peers that hold its canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fetch {
    /// The canonical, whose holders are asked.
    pub canonical: RecordId,
    /// The record to fetch: the canonical's own or an update's.
    pub record: RecordId,
}

/// An event that the edge counts, logs or shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A source's journal went on in a new incarnation.
    Began {
        /// The source.
        source: PublicKey,
        /// The new incarnation.
        incarnation: u64,
    },
    /// A source's journal lists a gap: blocks of an earlier incarnation are lost.
    Gap {
        /// The source.
        source: PublicKey,
        /// The incarnation that lost blocks.
        incarnation: u64,
        /// The first lost height.
        from_height: u64,
    },
    /// A source's journal goes on from an old disk. It must be read again, from the new position of
    /// [`Aggregator::taken`].
    ///
    /// [`Aggregator::taken`]: crate::Aggregator::taken
    Behind {
        /// The source.
        source: PublicKey,
    },
    /// The journal of a source is read in another mode from now on. The subscription must end, and the next one begin at
    /// the new position of [`Aggregator::taken`].
    ///
    /// [`Aggregator::taken`]: crate::Aggregator::taken
    Mode {
        /// The source.
        source: PublicKey,
        /// The new mode.
        mode: Mode,
    },
    /// A source answers again, or no longer answers.
    Source {
        /// The source.
        source: PublicKey,
        /// The reason why it does not answer. `None` if it answers.
        waiting: Option<String>,
    },
    /// A source sent data that does not verify. It is not followed further.
    Lied {
        /// The source.
        source: PublicKey,
        /// The rule that it broke.
        why: String,
    },
    /// Evidence convicts a member. It is kept on disk.
    Convicted {
        /// The evidence, with who showed it.
        shown: Box<Shown>,
        /// The rule that the accused broke.
        rule: Rule,
    },
    /// An item came without some records of the elements that it lists. They are absent now.
    WithoutRecords {
        /// The transaction of the item.
        transaction: Id,
        /// The number of missing records.
        records: usize,
    },
    /// An absent record was fetched that no replica admits for its element. It is not kept, and not fetched again: a
    /// journal lists an element that no honest peer signs.
    Unfit {
        /// The record.
        record: RecordId,
    },
}

/// The results of the calls of one round.
#[derive(Debug, Default)]
pub struct Output {
    /// Writes to commit in one synced batch.
    pub writes: Vec<Write>,
    /// The journal's tip, to publish after the commit.
    pub tip: Option<Tip>,
    /// What the set contains as of the tip or an earlier block, for heartbeats. To publish after the tip.
    pub statement: Option<Arc<Statement>>,
    /// Fetches to send after the commit. Records come back as [`Input::Records`].
    pub fetches: Vec<Fetch>,
    /// The number of blocks of each source that no longer need memory.
    pub done: BTreeMap<PublicKey, usize>,
    /// Events to count and log.
    pub events: Vec<Event>,
    /// The block under construction is full: flush before anything else.
    pub is_full: bool,
    /// An item without a body waits, and the writes may contain its elements: begin another round after the commit.
    pub is_awaited: bool,
}

/// Why an aggregator cannot go on: its store failed. The driver stops the process.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fatal {
    /// The store did not answer, or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A value of the journal's state is damaged.
    #[error(transparent)]
    State(#[from] StateError),
    /// The settled arcs of a source are damaged.
    #[error("store is damaged: malformed settled arcs of {source_key} in {bytes} bytes")]
    Settled {
        /// The source.
        source_key: PublicKey,
        /// The length of the value.
        bytes: usize,
    },
    /// The row of an absent record is damaged.
    #[error("store is damaged: malformed row of an absent record, key or value of {bytes} bytes")]
    Absent {
        /// The length of the key or the value.
        bytes: usize,
    },
}

/// A head that its owner signed, with its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) head: Head,
    pub(crate) at: Moment,
}

/// The times at which a head was signed and received. Neither clock alone gives its age, because the owner's may be
/// ahead and ours may be set back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Unix time in milliseconds, by the signer's clock.
    pub(crate) signed_ms: u64,
    /// Our monotonic time in milliseconds.
    pub(crate) heard_ms: u64,
}

impl Moment {
    /// Its age at least, by the clock that shows more.
    pub(crate) fn age_ms(self, now: Now) -> u64 {
        let by_wall = now.wall_ms.saturating_sub(self.signed_ms);
        by_wall.max(now.monotonic_ms.saturating_sub(self.heard_ms))
    }

    /// How far its signing time is ahead of our clock; 0 if it is not.
    pub(crate) const fn ahead_ms(self, now: Now) -> u64 {
        self.signed_ms.saturating_sub(now.wall_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_moment_is_what_either_clock_shows() {
        let moment = Moment {
            signed_ms: 10_000,
            heard_ms: 1_000,
        };
        // Monotonic time, wall time, age, time ahead.
        for (monotonic_ms, wall_ms, age_ms, ahead_ms) in [
            (1_000, 10_000, 0, 0),
            (1_000, 14_999, 4_999, 0),
            (1_000, 15_000, 5_000, 0),
            (5_999, 10_000, 4_999, 0),
            (6_000, 10_000, 5_000, 0),
            (1_300, 10_200, 300, 0),
            (1_200, 10_300, 300, 0),
            (1_000, 5_000, 0, 5_000),
            (1_000, 4_999, 0, 5_001),
            (500, 10_000, 0, 0),
        ] {
            let now = Now {
                monotonic_ms,
                wall_ms,
            };
            let found = (moment.age_ms(now), moment.ahead_ms(now));
            assert_eq!(found, (age_ms, ahead_ms), "{now:?}");
        }
    }
}
