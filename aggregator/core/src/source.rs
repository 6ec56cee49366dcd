//! One source: the position in its journal, and the blocks that wait to be emitted.

use std::collections::VecDeque;

use kittengrad_journal::{
    Accepted, FollowError, Follower, Step, Store, Write, applied, keep_hold, show_hold,
};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::{Block, Head, Item},
    checkpoint::{Checkpoint, ThroughList},
    evidence::Evidence,
    id::PublicKey,
    namespace::Overlay,
    signed::Verifier,
};
use kittengrad_ring::KeyRange;
use thiserror::Error;

use crate::{
    complete::{Vouched, Vouches},
    io::{Event, Fatal, Heard, Moment, Now, SourceBlock},
    plan::{Mode, Planned},
    settled::Settled,
    waiting::{ItemsError, Refused, Waiting, waiting_items},
};

/// The rule that a block of a source breaks. Nothing of the block was emitted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SourceError {
    #[error(transparent)]
    Follow(#[from] FollowError),
    #[error(transparent)]
    Items(#[from] ItemsError),
}

/// A block of which some items still wait.
struct Queued {
    /// The position after the block.
    follower: Follower,
    at: Moment,
    waiting: VecDeque<Waiting>,
    /// The settled arcs after the block, if the block changed them.
    settled: Option<Settled>,
}

/// Result of [`Source::take`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was the next block, and waits in the queue.
    Next,
    /// It was taken before, or must not be taken now.
    Known,
    /// Blocks before it may never have been read. The journal must be read from its beginning.
    Behind,
}

/// The connection to a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// It sent nothing since the start or since [`Input::Retry`](crate::Input::Retry).
    Silent,
    /// It answers.
    Up,
    /// It does not answer, for this reason.
    Down(String),
    /// It sent data that does not verify, for this reason.
    Lying(String),
}

/// One source.
pub(crate) struct Source {
    pub(crate) key: PublicKey,
    /// The part of the circle that it is required for. `None` if the plan does not have it.
    pub(crate) required: Option<KeyRange>,
    /// How its next subscription reads it. Blocks under way may still come as before.
    pub(crate) mode: Mode,
    pub(crate) link: Link,
    /// The newest signed head that was received.
    pub(crate) heard: Option<Heard>,
    /// The last block taken in. `None` before the first.
    taken: Option<Follower>,
    /// While the journal is read again from its beginning: blocks from this incarnation on are ignored until an earlier
    /// one arrives, or the first one of a new disk.
    again_before: Option<u64>,
    queue: VecDeque<Queued>,
    /// The last block wholly emitted; `emitted_at` has its times.
    emitted: Option<Follower>,
    emitted_at: Moment,
    /// The last block whose elements are all on disk.
    pub(crate) durable: Option<Follower>,
    /// The times of the newest signed head that `durable` reached. Nothing that the source had then is missing on our
    /// disk.
    pub(crate) reached: Option<Moment>,
    /// The settled arcs as of `emitted`.
    pub(crate) settled: Settled,
    /// The settled arcs as of `taken`.
    settled_taken: Settled,
    is_settled_kept: bool,
    /// What it says that its set contains of other journals.
    pub(crate) vouches: Vouches,
    /// Incarnation and height of the `hold` whose proof is on disk.
    hold_kept: Option<(u64, u64)>,
    /// Evidence of the last block that was refused.
    pub(crate) evidence: Option<Evidence>,
    plants: Plants,
}

impl Source {
    /// Loads the position and the settled arcs of a source.
    pub(crate) fn load(
        key: PublicKey,
        overlay: &Overlay,
        plants: Plants,
        store: &dyn Store,
    ) -> Result<Self, Fatal> {
        let applied = applied(store, key)?;
        let follower = applied.map(|applied| applied.follower);
        // The items after a position can be checked only with the arcs that the source held there.
        let follower = follower.filter(|follower| follower.holds().is_some());
        let follower = follower.map(|it| show_hold(it, overlay, store));
        let follower = follower.transpose()?;
        let settled = Settled::load(key, store)?;
        Ok(Self {
            key,
            required: None,
            mode: Mode::default(),
            link: Link::Silent,
            heard: None,
            reached: follower.as_ref().map(|follower| Moment {
                signed_ms: follower.time_ms(),
                heard_ms: 0,
            }),
            taken: follower.clone(),
            again_before: None,
            queue: VecDeque::new(),
            emitted: follower.clone(),
            durable: follower,
            emitted_at: Moment::default(),
            settled_taken: settled.clone(),
            settled,
            is_settled_kept: true,
            vouches: Vouches::default(),
            hold_kept: None,
            evidence: None,
            plants,
        })
    }

    /// The last block taken in.
    pub(crate) const fn taken(&self) -> Option<&Follower> {
        self.taken.as_ref()
    }

    /// Puts a block into the queue, if it is the next one.
    pub(crate) fn take(
        &mut self,
        block: SourceBlock,
        now: Now,
        verifier: &dyn Verifier,
        events: &mut Vec<Event>,
    ) -> Result<Taken, SourceError> {
        let SourceBlock { block, entries } = block;
        let header = &block.header;
        let (incarnation, height) = (header.incarnation, header.height);
        // An empty disk has nothing earlier: the source lost the old one before the journal was read again.
        let is_root = height == 0 && header.fork.is_none();
        if !is_root && self.again_before.is_some_and(|began| incarnation >= began) {
            // The source sent it before the journal was read again.
            return Ok(Taken::Known);
        }
        let taken = self.taken.clone();
        let mut follower = taken.unwrap_or_else(|| Follower::new(self.key, incarnation));
        let Accepted { step, items, holds } = match follower.accept(&block, verifier) {
            // The reader checks the order. It is ahead if the plan left this source and took it again before the reader
            // heard of it: the blocks that waited here are forgotten then.
            Err(FollowError::Skipped { .. }) => return Ok(Taken::Behind),
            Err(error) => {
                self.evidence = follower.accuse(&block, &error);
                return Err(error.into());
            }
            Ok(accepted) => accepted,
        };
        if step == Step::Known {
            return Ok(Taken::Known);
        }
        if step == Step::Began && self.is_behind(&block) {
            (self.taken, self.again_before) = (None, Some(incarnation));
            self.vouches.clear();
            return Ok(Taken::Behind);
        }
        self.again_before = None;
        // They are known: each incarnation is read from its first block on, which says them.
        let holds = holds.unwrap_or_default();
        let waiting = waiting_items(height, &items, &holds, entries, self.plants);
        let waiting = waiting.map_err(|Refused { error, by }| {
            self.evidence = by.and_then(|by| follower.accuse_of_transaction(&block, &by));
            error
        })?;
        for item in &items {
            if let Item::Gap {
                incarnation,
                from_height,
            } = *item
            {
                events.push(Event::Gap {
                    source: self.key,
                    incarnation,
                    from_height,
                });
            }
        }
        if height == 0 {
            events.push(Event::Began {
                source: self.key,
                incarnation,
            });
        }
        let changed = self.settled_taken.take(incarnation, &items);
        let settled = changed.then(|| self.settled_taken.clone());
        self.taken = Some(follower.clone());
        let at = Moment {
            signed_ms: block.header.time_ms,
            heard_ms: now.monotonic_ms,
        };
        if let Some(checkpoint) = &block.header.checkpoint {
            self.vouched(incarnation, checkpoint, &block.through);
        }
        let head = block.head();
        self.heard(Heard { head, at });
        self.queue.push_back(Queued {
            follower: follower.stripped(),
            at,
            waiting,
            settled,
        });
        Ok(Taken::Next)
    }

    /// Whether a new incarnation forks from one that is older than the last one taken.
    ///
    /// In that case an old disk came back that had been given up. The aggregator does not remember how much of it was
    /// read, so it reads the journal again from its beginning.
    fn is_behind(&self, first: &Block) -> bool {
        let taken = self.taken.as_ref();
        let read = taken.map(|taken| taken.cursor().incarnation);
        let fork = first.header.fork.map(|fork| fork.incarnation);
        !self.plants.has(Plant::AggregatorOldDisk) && fork.is_some() && fork < read
    }

    /// Requires the source as the plan says.
    pub(crate) const fn require(&mut self, planned: &Planned) {
        (self.required, self.mode) = (Some(planned.arc), planned.mode);
    }

    /// Takes a checkpoint with its list.
    pub(crate) fn vouched(
        &mut self,
        incarnation: u64,
        checkpoint: &Checkpoint,
        through: &ThroughList,
    ) {
        let vouched = Vouched::new(incarnation, checkpoint, through);
        self.vouches
            .add(vouched, self.durable.as_ref(), self.plants);
    }

    /// The last block of its journal up to which our set on disk contains everything.
    pub(crate) fn contained(&self) -> Option<Head> {
        if self.plants.has(Plant::CompleteFromHeads) {
            return self.heard.map(|heard| heard.head);
        }
        self.durable.as_ref().and_then(Follower::head)
    }

    /// Whether what it says counts.
    pub(crate) const fn is_trusted(&self) -> bool {
        !matches!(self.link, Link::Lying(_))
    }

    /// Takes a signed head, unless it or a newer one was received. The same head does not get younger by being sent
    /// again.
    pub(crate) fn heard(&mut self, heard: Heard) {
        let rank = |heard: &Heard| {
            let head = heard.head;
            (head.incarnation, head.height, heard.at.signed_ms)
        };
        if self
            .heard
            .as_ref()
            .is_none_or(|before| rank(before) < rank(&heard))
        {
            self.heard = Some(heard);
            self.prove();
        }
    }

    /// Notes that everything up to `follower` is on disk.
    pub(crate) fn synced(&mut self, follower: Follower) {
        self.durable = Some(follower);
        self.vouches.advance(self.durable.as_ref(), self.plants);
        self.reach(self.emitted_at);
        self.prove();
    }

    /// Notes that nothing is missing that was signed up to `at`. The time never goes back.
    fn reach(&mut self, at: Moment) {
        if self
            .reached
            .is_none_or(|before| before.signed_ms <= at.signed_ms)
        {
            self.reached = Some(at);
        }
    }

    /// If the newest signed head is on disk, nothing was missing when it was signed.
    fn prove(&mut self) {
        let durable = self.durable.as_ref().and_then(Follower::head);
        if let Some(heard) = self.heard.filter(|heard| Some(heard.head) == durable) {
            self.reach(heard.at);
        }
    }

    /// The next item to emit.
    pub(crate) fn next(&mut self) -> Option<&mut Waiting> {
        self.queue.front_mut()?.waiting.front_mut()
    }

    /// Removes the next item, which was emitted.
    pub(crate) fn pop(&mut self) {
        if let Some(queued) = self.queue.front_mut() {
            queued.waiting.pop_front();
        }
    }

    /// Removes the first block if none of its items waits any more. Returns whether it did.
    pub(crate) fn finish_block(&mut self) -> bool {
        let Some(done) = self.queue.pop_front_if(|queued| queued.waiting.is_empty()) else {
            return false;
        };
        (self.emitted, self.emitted_at) = (Some(done.follower), done.at);
        if let Some(settled) = done.settled {
            self.settled = settled;
            self.is_settled_kept = false;
        }
        true
    }

    /// Notes the end of a round. Returns whether the next item was looked at in it, and waits for others.
    pub(crate) fn end_round(&mut self) -> bool {
        match self.next() {
            Some(Waiting::Bare(bare)) => bare.end_round(),
            _ => false,
        }
    }

    /// Removes all blocks in the queue. Returns their number.
    pub(crate) fn clear(&mut self) -> usize {
        let blocks = self.queue.len();
        self.queue.clear();
        // A journal that is read again from its beginning is still read from there.
        if self.again_before.is_none() {
            self.taken.clone_from(&self.emitted);
        }
        self.settled_taken = self.settled.clone();
        blocks
    }

    /// The position and the settled arcs to write, each if it changed.
    pub(crate) fn unkept(&mut self) -> (Option<Follower>, Option<&Settled>) {
        let position = match self.plants.has(Plant::AggregatorCursorEarly) {
            true => &self.taken,
            false => &self.emitted,
        };
        let position = position.clone().filter(|_| *position != self.durable);
        let settled = (!self.is_settled_kept).then_some(&self.settled);
        self.is_settled_kept = true;
        (position, settled)
    }

    /// Makes the write of the proof of the source's last `hold`, if it is not on disk yet.
    pub(crate) fn unkept_hold(&mut self) -> Option<Write> {
        let emitted = self.emitted.as_ref()?;
        let hold = Some((emitted.cursor().incarnation, emitted.hold_height()?));
        if self.hold_kept == hold {
            return None;
        }
        self.hold_kept = hold;
        keep_hold(emitted)
    }

    /// The number of blocks in the queue.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }
}
