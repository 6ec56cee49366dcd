//! Reading a partner's journal: headers and items only; the transactions that are missing here are fetched by id.
//!
//! **Invariant:** the position that is kept on disk never passes a block with a transaction that is not applied
//! here, so that a crash loses no block that was not applied.

use std::collections::{BTreeMap, VecDeque};

use kittengrad_journal::{FollowError, Follower, Step};
use kittengrad_proto::{
    block::{Block, Head, Item},
    id::{Id, PublicKey},
    limits::FETCH_MAX,
    signed::Verifier,
};

/// Transactions that may be missing before no more blocks are asked for.
const MISSING_MAX: usize = 8 * FETCH_MAX;
/// Blocks that may wait for their transactions before live ones are dropped and asked for again later.
const WAITING_BLOCKS_MAX: usize = 4_096;

/// A block that was accepted and waits for its transactions.
#[derive(Debug)]
struct Waiting {
    /// The position that is reached once it and all before it are applied.
    after: Follower,
    missing: usize,
}

/// How far this peer is in one partner's journal.
#[derive(Debug)]
pub(crate) struct Following {
    journal: PublicKey,
    /// The last block accepted; `None` before the first.
    accepted: Option<Follower>,
    /// The last block wholly applied here.
    applied: Option<Follower>,
    /// `applied` differs from what is on disk.
    is_dirty: bool,
    waiting: VecDeque<Waiting>,
    /// Number of the first block in `waiting`.
    first: u64,
    /// Missing transactions, each with the numbers of the blocks that list it.
    missing: BTreeMap<Id, Vec<u64>>,
    /// A `Follow` was sent and not answered yet.
    is_asked: bool,
    /// The partner sends its blocks as it cuts them.
    is_live: bool,
    /// The partner broke the rules of its journal: nothing of it is read any more on this connection.
    is_quarantined: bool,
}

/// What to send to go on reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) incarnation: u64,
    pub(crate) from_height: u64,
}

impl Following {
    /// Goes on from what is on disk.
    pub(crate) const fn new(journal: PublicKey, applied: Option<Follower>) -> Self {
        Self {
            journal,
            accepted: applied,
            applied,
            is_dirty: false,
            waiting: VecDeque::new(),
            first: 0,
            missing: BTreeMap::new(),
            is_asked: false,
            is_live: false,
            is_quarantined: false,
        }
    }

    /// The last block wholly applied here.
    pub(crate) fn applied_head(&self) -> Option<Head> {
        self.applied.as_ref().and_then(Follower::head)
    }

    /// Whether everything up to `target` is applied here.
    pub(crate) fn has_reached(&self, target: Head) -> bool {
        self.applied_head().is_some_and(|head| {
            (head.incarnation, head.height) >= (target.incarnation, target.height)
        })
    }

    /// A connection ended: blocks that were accepted but not applied are asked for again.
    pub(crate) fn disconnect(&mut self) {
        let applied = self.applied;
        let is_dirty = self.is_dirty;
        *self = Self::new(self.journal, applied);
        self.is_dirty = is_dirty;
    }

    /// What to ask the partner for next, if it is time to.
    pub(crate) fn ask(&mut self) -> Option<Ask> {
        let is_busy = self.is_asked || self.is_live || self.is_quarantined;
        if is_busy || self.missing.len() >= MISSING_MAX {
            return None;
        }
        self.is_asked = true;
        let ask = match &self.accepted {
            Some(follower) => Ask {
                incarnation: follower.cursor().incarnation,
                from_height: follower.next_height(),
            },
            None => Ask {
                incarnation: 0,
                from_height: 0,
            },
        };
        Some(ask)
    }

    /// Whether the partner sends its blocks as it cuts them.
    pub(crate) const fn is_live(&self) -> bool {
        self.is_live
    }

    /// An answer to the last ask came; `head` is where the partner's journal ends.
    pub(crate) fn answered(&mut self, head: Option<Head>) {
        self.is_asked = false;
        let end = self.accepted.as_ref().and_then(Follower::head);
        self.is_live = !self.is_quarantined && end == head;
    }

    /// Checks a block, and returns the transactions that it lists and `is_relevant` says yes to (by item number).
    ///
    /// Known blocks and live blocks beyond a gap give nothing.
    pub(crate) fn accept(
        &mut self,
        block: &Block,
        is_relevant: impl Fn(usize) -> bool,
        verifier: &dyn Verifier,
    ) -> Result<Option<Vec<Id>>, FollowError> {
        if self.is_quarantined {
            return Ok(None);
        }
        let mut follower = self
            .accepted
            .unwrap_or_else(|| Follower::new(self.journal, block.header.incarnation));
        let items = match follower.accept(block, verifier) {
            Ok(Step::Known) => return Ok(None),
            Ok(Step::Next | Step::Began) => block.decode_items(),
            // Blocks went by while we were busy, so they are asked for.
            Err(FollowError::Skipped { .. }) => {
                self.is_live = false;
                return Ok(None);
            }
            Err(error) => {
                self.is_quarantined = true;
                return Err(error);
            }
        };
        if self.waiting.len() >= WAITING_BLOCKS_MAX {
            self.is_live = false;
            return Ok(None);
        }
        self.accepted = Some(follower);
        self.waiting.push_back(Waiting {
            after: follower,
            missing: 0,
        });
        let listed = items?
            .into_iter()
            .enumerate()
            .filter_map(|(number, item)| match item {
                Item::Transaction { id, .. } if is_relevant(number) => Some(id),
                _ => None,
            });
        Ok(Some(listed.collect()))
    }

    /// The block accepted last waits for these transactions.
    pub(crate) fn wait_for(&mut self, missing: &[Id]) {
        let Some(last) = self.waiting.back_mut() else {
            return;
        };
        last.missing += missing.len();
        let number = self.first + self.waiting.len() as u64 - 1;
        for id in missing {
            self.missing.entry(*id).or_default().push(number);
        }
        self.advance();
    }

    /// A transaction was applied here, or is one that never will be.
    pub(crate) fn resolve(&mut self, id: &Id) {
        let Some(blocks) = self.missing.remove(id) else {
            return;
        };
        for number in blocks {
            let index = usize::try_from(number - self.first).ok();
            if let Some(waiting) = index.and_then(|index| self.waiting.get_mut(index)) {
                waiting.missing -= 1;
            }
        }
        self.advance();
    }

    /// Moves the applied position over blocks that wait for nothing.
    fn advance(&mut self) {
        while self.waiting.front().is_some_and(|block| block.missing == 0) {
            if let Some(block) = self.waiting.pop_front() {
                self.first += 1;
                self.applied = Some(block.after);
                self.is_dirty = true;
            }
        }
    }

    /// The applied position, if it is not on disk yet.
    pub(crate) fn take_dirty(&mut self) -> Option<Follower> {
        let applied = self.applied.filter(|_| self.is_dirty)?;
        self.is_dirty = false;
        Some(applied)
    }
}
