//! Reading a partner's journal: headers and items only. Missing transactions are fetched by id.
//!
//! **Invariant:** the position on disk never passes a block with a transaction that is not applied. So a crash skips no
//! block.

use std::collections::{BTreeMap, VecDeque};

use kittengrad_journal::{
    Accepted, Applied, FollowError, Follower, Step, Write, keep_applied, keep_hold,
};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::{Bitmap, Block, Head, Item},
    id::{Id, PublicKey},
    limits::FETCH_MAX,
    link::Frames,
    signed::Verifier,
    transaction::Transaction,
};
use kittengrad_ring::{KeyRange, KeyRanges};

use crate::{catch_up::known::Listed, misbehaviour::Misbehaviour};

/// Missing transactions of one journal, at most. Above it, this peer asks for no more blocks.
const MISSING_MAX: usize = 8 * FETCH_MAX;
/// Blocks that wait for their transactions, at most. Above it, this peer asks for no more blocks.
const WAITING_BLOCKS_MAX: usize = 4_096;

/// An accepted block that waits for its transactions.
#[derive(Debug)]
struct Waiting {
    /// The position after this block, reached once it and all blocks before it are applied.
    after: Follower,
    missing: usize,
}

/// The state of the requests for a partner's blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// There are more blocks to ask for.
    Behind,
    /// A request was sent at this time (monotonic milliseconds) and is not answered yet.
    Asked(u64),
    /// The partner sends its blocks as it cuts them.
    Live,
    /// The partner has no more blocks. It is asked again when it announces a higher head.
    Exhausted,
    /// The partner broke a rule of its journal. No block of it is read any more on this connection.
    Quarantined,
}

/// This peer's position in one partner's journal.
#[derive(Debug)]
pub(crate) struct Following {
    journal: PublicKey,
    /// The last block accepted; `None` before the first.
    accepted: Option<Follower>,
    /// The last block whose transactions are all applied; `None` before the first.
    applied: Option<Follower>,
    /// The arcs that this peer held during the whole reading so far. The position is valid only for these.
    held: KeyRanges,
    /// Whether `applied` differs from the position on disk.
    is_dirty: bool,
    /// Incarnation and height of the `hold` whose proof is on disk.
    hold_kept: Option<(u64, u64)>,
    waiting: VecDeque<Waiting>,
    /// Number of the first block in `waiting`, counted from 0 on this connection.
    first: u64,
    /// Missing transactions, each with the numbers of the blocks that list it and their items.
    missing: BTreeMap<Id, Vec<(u64, Listed)>>,
    pace: Pace,
    plants: Plants,
}

/// A request for blocks, from this place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) incarnation: u64,
    pub(crate) from_height: u64,
}

impl Following {
    /// Continues from the position on disk. `held` are the arcs that this peer holds now.
    pub(crate) fn new(
        journal: PublicKey,
        applied: Option<Applied>,
        held: &KeyRanges,
        plants: Plants,
    ) -> Self {
        // The items after a position can be checked only with the arcs that the partner held there.
        match applied.filter(|applied| applied.follower.holds().is_some()) {
            Some(Applied {
                follower,
                held: then,
            }) => Self::at(journal, Some(follower), then.intersection(held), plants),
            None => Self::at(journal, None, held.clone(), plants),
        }
    }

    fn at(journal: PublicKey, applied: Option<Follower>, held: KeyRanges, plants: Plants) -> Self {
        Self {
            journal,
            accepted: applied.clone(),
            applied,
            held,
            is_dirty: false,
            hold_kept: None,
            waiting: VecDeque::new(),
            first: 0,
            missing: BTreeMap::new(),
            pace: Pace::Behind,
            plants,
        }
    }

    /// The last block whose transactions are all applied.
    pub(crate) fn applied_head(&self) -> Option<Head> {
        self.applied.as_ref().and_then(Follower::head)
    }

    /// The last block that was accepted, for a planted bug.
    pub(crate) fn accepted_head(&self) -> Option<Head> {
        self.end()
    }

    /// The arcs that this peer held during the whole reading so far.
    pub(crate) const fn held(&self) -> &KeyRanges {
        &self.held
    }

    /// Takes the arcs that this peer holds from now on. Arcs that it gains do not count: it read without them.
    pub(crate) fn hold(&mut self, held: &KeyRanges) {
        self.held = self.held.intersection(held);
    }

    /// Whether all elements up to `target` that lie in an arc are applied.
    pub(crate) fn has_reached(&self, arc: KeyRange, target: Head) -> bool {
        let head = self.applied_head();
        self.held.covers(arc) && head.is_some_and(|head| head.place() >= target.place())
    }

    /// Ends a connection. Blocks that were accepted but not applied are asked for again.
    pub(crate) fn disconnect(&mut self) {
        if self.plants.has(Plant::WaitsAcrossLinks) {
            self.pace = Pace::Behind;
            return;
        }
        let (applied, held) = (self.applied.clone(), self.held.clone());
        let (is_dirty, hold_kept) = (self.is_dirty, self.hold_kept);
        *self = Self::at(self.journal, applied, held, self.plants);
        (self.is_dirty, self.hold_kept) = (is_dirty, hold_kept);
    }

    /// Makes the next request for blocks, if one is due. A request is repeated after `patience_ms` without an answer.
    pub(crate) fn ask(&mut self, now_ms: u64, patience_ms: u64) -> Option<Ask> {
        let is_due = match self.pace {
            Pace::Behind => true,
            Pace::Asked(at_ms) => now_ms.saturating_sub(at_ms) >= patience_ms,
            Pace::Live | Pace::Exhausted | Pace::Quarantined => false,
        };
        if !is_due || !self.has_room() {
            return None;
        }
        self.pace = Pace::Asked(now_ms);
        let follower = self.position();
        Some(Ask {
            incarnation: follower.cursor().incarnation,
            from_height: follower.next_height() + u64::from(self.plants.has(Plant::CursorOffByOne)),
        })
    }

    /// Whether the partner sends its blocks as it cuts them.
    pub(crate) fn is_live(&self) -> bool {
        self.pace == Pace::Live
    }

    /// Stops reading this journal until the connection ends.
    pub(crate) fn quarantine(&mut self) {
        self.pace = Pace::Quarantined;
    }

    /// Takes the head that a partner announced. A head above the last accepted block means that blocks were lost on the
    /// way, or that the partner began a new incarnation.
    pub(crate) fn told(&mut self, head: Head) {
        let is_more = self.end().is_none_or(|end| end.place() < head.place());
        if is_more && matches!(self.pace, Pace::Live | Pace::Exhausted) {
            self.pace = Pace::Behind;
        }
    }

    /// Whether these frames answer the last request: they begin with the next block, or are empty. Other frames were
    /// sent before the request was answered.
    pub(crate) fn is_answered_by(&self, frames: &Frames) -> bool {
        let first = frames.blocks.first();
        matches!(self.pace, Pace::Asked(_))
            && first.is_none_or(|block| self.position().is_next(&block.header))
    }

    /// Chooses the next pace after frames with `accepted` new blocks. `head` is the head in these frames.
    pub(crate) fn took(&mut self, head: Option<Head>, is_answer: bool, accepted: usize) {
        if self.pace == Pace::Quarantined {
            return;
        }
        if self.end() == head {
            self.pace = Pace::Live;
        } else if is_answer && matches!(self.pace, Pace::Asked(_)) {
            self.pace = if accepted == 0 {
                Pace::Exhausted
            } else {
                Pace::Behind
            };
        } else if let Some(head) = head
            && self.pace == Pace::Live
        {
            self.told(head);
        }
    }

    /// Checks a block, and returns the transactions that it lists.
    ///
    /// Returns `None` for known blocks and blocks beyond a gap, and without room for a block that was not asked for.
    pub(crate) fn accept(
        &mut self,
        block: &Block,
        is_answer: bool,
        verifier: &dyn Verifier,
    ) -> Result<Option<Vec<Listed>>, FollowError> {
        if self.pace == Pace::Quarantined || !is_answer && !self.has_room() {
            return Ok(None);
        }
        let mut follower = self.position();
        let Accepted { step, items, holds } = match follower.accept(block, verifier) {
            Ok(accepted) => accepted,
            // Blocks were missed while there was no room. The next request asks for them.
            Err(FollowError::Skipped { .. }) => return Ok(None),
            Err(error) => {
                self.pace = Pace::Quarantined;
                return Err(error);
            }
        };
        match step {
            Step::Known => return Ok(None),
            Step::Began if self.is_behind(block) => {
                self.accepted = None;
                self.pace = Pace::Behind;
                return Ok(None);
            }
            Step::Next | Step::Began => {}
        }
        self.accepted = Some(follower.clone());
        self.waiting.push_back(Waiting {
            after: follower.stripped(),
            missing: 0,
        });
        // They are known: each incarnation is read from its first block on, which says them.
        let holds = holds.unwrap_or_default();
        let listed = items.into_iter().filter_map(|item| match item {
            Item::Transaction { id, bitmap, cells } => Some(Listed {
                id,
                added: bitmap,
                cells,
                holds: holds.clone(),
            }),
            _ => None,
        });
        Ok(Some(listed.collect()))
    }

    /// Takes back the last accepted block, and stops reading this journal until the connection ends.
    pub(crate) fn refuse_last(&mut self) {
        self.waiting.pop_back();
        self.quarantine();
    }

    /// Lets the last accepted block wait for these transactions.
    pub(crate) fn wait_for(&mut self, missing: Vec<Listed>) {
        let Some(last) = self.waiting.back_mut() else {
            return;
        };
        last.missing += missing.len();
        let number = self.first + self.waiting.len() as u64 - 1;
        for listed in missing {
            let listings = self.missing.entry(listed.id).or_default();
            listings.push((number, listed.detached()));
        }
        self.advance();
    }

    /// Checks the items that wait for a transaction against it. If it refutes one, their blocks are never applied, and
    /// no block is read any more until the connection ends.
    pub(crate) fn check(&mut self, transaction: &Transaction) -> Result<(), Misbehaviour> {
        let id = transaction.id();
        let mut listings = self.missing.get(&id).into_iter().flatten();
        listings
            .try_for_each(|(_, listed)| listed.check(transaction))
            .inspect_err(|_| {
                self.missing.remove(&id);
                self.quarantine();
            })
    }

    /// Resolves a transaction for those blocks whose added elements `is_here` confirms.
    ///
    /// Returns `None` if no block waited for the transaction, else whether no block waits any more.
    pub(crate) fn resolve(
        &mut self,
        id: &Id,
        mut is_here: impl FnMut(&Bitmap) -> bool,
    ) -> Option<bool> {
        let mut listings = self.missing.remove(id)?;
        for (number, _) in listings.extract_if(.., |(_, listed)| is_here(&listed.added)) {
            let index = usize::try_from(number - self.first).ok();
            if let Some(waiting) = index.and_then(|index| self.waiting.get_mut(index)) {
                waiting.missing -= 1;
            }
        }
        let is_over = listings.is_empty();
        if !is_over {
            self.missing.insert(*id, listings);
        }
        self.advance();
        Some(is_over)
    }

    /// Writes the applied position, if it is not on disk yet.
    pub(crate) fn take_dirty(&mut self) -> Option<Write> {
        let applied = match self.plants.has(Plant::CursorBeforeApply) {
            true => &self.accepted,
            false => &self.applied,
        };
        let applied = applied.as_ref().filter(|_| self.is_dirty)?;
        self.is_dirty = false;
        keep_applied(applied, &self.held)
    }

    /// Advances the applied position over blocks without missing transactions.
    fn advance(&mut self) {
        while self.waiting.front().is_some_and(|block| block.missing == 0) {
            if let Some(block) = self.waiting.pop_front() {
                self.first += 1;
                self.applied = Some(block.after);
                self.is_dirty = true;
            }
        }
    }

    /// Whether a new incarnation continues from one that is older than the incarnation read last.
    ///
    /// This happens when an old disk comes back that had been given up. This peer does not remember how much of it was
    /// read, so it reads the journal again from the beginning.
    fn is_behind(&self, first: &Block) -> bool {
        let read = self.position().cursor().incarnation;
        let fork = first.header.fork;
        !self.plants.has(Plant::OldDiskNotReread)
            && fork.is_some_and(|fork| fork.incarnation < read)
    }

    /// The follower of the last accepted block, which can accuse the partner.
    pub(crate) fn reader(&self) -> Follower {
        self.position()
    }

    /// Makes the write of the proof of the partner's last `hold`, if it is not on disk yet.
    pub(crate) fn take_hold(&mut self) -> Option<Write> {
        let applied = self.applied.as_ref()?;
        let hold = Some((applied.cursor().incarnation, applied.hold_height()?));
        if self.hold_kept == hold {
            return None;
        }
        self.hold_kept = hold;
        keep_hold(applied)
    }

    /// The position after the last accepted block; the beginning of the journal, if there is none.
    fn position(&self) -> Follower {
        let accepted = self.accepted.clone();
        accepted.unwrap_or_else(|| Follower::new(self.journal, 0))
    }

    fn end(&self) -> Option<Head> {
        self.accepted.as_ref().and_then(Follower::head)
    }

    fn has_room(&self) -> bool {
        self.missing.len() < MISSING_MAX && self.waiting.len() < WAITING_BLOCKS_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kittengrad_journal::Journal;
    use kittengrad_proto::{
        block::{Cells, Holds},
        signed::Signer as _,
    };
    use kittengrad_ring::Point;
    use kittengrad_support::journals::{Fake, FakeKey, overlay};

    use super::*;

    const OWNER: FakeKey = FakeKey(1);

    /// A journal whose blocks after the genesis all list the same transaction.
    fn journal(blocks: usize) -> Vec<Block> {
        let holds = Holds::whole();
        let mut journal = Journal::open(overlay(), Arc::new(OWNER), 7, None, holds, &[]);
        let cut = |journal: &mut Journal, item: &Item| {
            journal.note(item);
            journal.cut(1, &mut Vec::new()).unwrap().block
        };
        let gap = Item::Gap {
            incarnation: 6,
            from_height: 0,
        };
        let listed = Item::Transaction {
            id: Id::of(&[b"a transaction"]),
            bitmap: Bitmap::new([true]),
            cells: Cells::new([true]),
        };
        let genesis = cut(&mut journal, &gap);
        let rest = (1..blocks).map(|_| cut(&mut journal, &listed));
        [genesis].into_iter().chain(rest).collect()
    }

    /// A reader of the journal that holds `held`.
    fn following(held: &KeyRanges) -> Following {
        Following::new(OWNER.public(), None, held, Plants::NONE)
    }

    /// Accepts a block, whose transactions are all missing.
    fn accept(following: &mut Following, block: &Block) {
        let listed = following.accept(block, true, &Fake).unwrap();
        following.wait_for(listed.unwrap());
    }

    fn arc(from: u8, to: u8) -> KeyRange {
        KeyRange::new(Point::new([from; 32]), Point::new([to; 32]))
    }

    #[test]
    fn a_position_does_not_count_for_arcs_that_were_gained_later() {
        let mut following = following(&arc(1, 5).into());
        following.hold(&arc(1, 9).into());
        let genesis = &journal(1)[0];
        accept(&mut following, genesis);
        assert!(following.has_reached(arc(1, 5), genesis.head()));
        assert!(!following.has_reached(arc(5, 9), genesis.head()));
    }

    #[test]
    fn a_kept_position_counts_only_for_arcs_that_were_held_then() {
        let mut before = following(&arc(1, 5).into());
        let genesis = &journal(1)[0];
        accept(&mut before, genesis);
        let follower = before.applied.unwrap();
        let held = arc(1, 5).into();
        let applied = Some(Applied { follower, held });
        let following = Following::new(OWNER.public(), applied, &arc(1, 9).into(), Plants::NONE);
        assert!(following.has_reached(arc(1, 5), genesis.head()));
        assert!(!following.has_reached(arc(5, 9), genesis.head()));
    }

    #[test]
    fn a_position_is_kept_even_if_the_connection_ends_before() {
        let mut following = following(&KeyRanges::whole());
        accept(&mut following, &journal(1)[0]);
        following.disconnect();
        assert!(following.take_dirty().is_some());
        assert!(following.take_dirty().is_none());
    }

    #[test]
    fn no_blocks_are_asked_for_while_too_many_wait() {
        let blocks = journal(WAITING_BLOCKS_MAX + 1);
        let mut following = following(&KeyRanges::whole());
        let (last, others) = blocks.split_last().unwrap();
        for block in others {
            accept(&mut following, block);
        }
        assert!(
            following.ask(0, 1).is_some(),
            "the genesis waits for nothing"
        );
        accept(&mut following, last);
        assert!(following.ask(10, 1).is_none());
        following.resolve(&Id::of(&[b"a transaction"]), |_| true);
        assert!(following.ask(20, 1).is_some());
    }
}
