//! One source: where its journal was read to, and what of it waits to be emitted.

use std::collections::VecDeque;

use kittengrad_journal::{FollowError, Follower, Step, Store, applied};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::{Bitmap, BitmapError, Block, BlockError, Item},
    id::{Id, PublicKey, RecordId},
    signed::Verifier,
};
use kittengrad_ring::{KeyRange, KeyRanges};
use thiserror::Error;

use crate::{
    io::{Event, Fatal, Heard, Moment, Now, SourceBlock, SourceEntry},
    settled::Settled,
};

/// Why a block of a source is not taken: it breaks the rules. Nothing of it was emitted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SourceError {
    #[error(transparent)]
    Follow(#[from] FollowError),
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error("block {height} lists {items} transactions, {bodies} came")]
    Count {
        height: u64,
        items: usize,
        bodies: usize,
    },
    #[error("block {height} lists transaction {named:?}, {came:?} came")]
    Other { height: u64, named: Id, came: Id },
    #[error("block {height}, transaction {id:?}: {error}")]
    Bitmap {
        height: u64,
        id: Id,
        error: BitmapError,
    },
}

/// A transaction that waits to be emitted.
pub(crate) struct Waiting {
    pub(crate) entry: SourceEntry,
    /// What the source adds of it.
    pub(crate) bitmap: Bitmap,
    /// What it waits for, once it was seen to lack something.
    pub(crate) blocked: Option<Blocked>,
}

/// A transaction that lacks records.
pub(crate) struct Blocked {
    pub(crate) missing: Vec<RecordId>,
    /// Monotonic time after which it goes on without them.
    pub(crate) until_ms: u64,
}

/// A block of which some transactions still wait.
struct Queued {
    /// Where the follower is once the block is wholly emitted.
    follower: Follower,
    at: Moment,
    waiting: VecDeque<Waiting>,
    /// The arcs after the block, if it said anything of them.
    settled: Option<Settled>,
}

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was the next one.
    Next,
    /// It was taken before.
    Known,
    /// Blocks before it were perhaps never read: the journal is to be read from its beginning.
    Behind,
}

/// How a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// Nothing was heard of it since the start.
    Silent,
    /// It answers.
    Up,
    /// It does not.
    Down(String),
    /// It showed something that does not verify.
    Lying(String),
}

/// One source.
pub(crate) struct Source {
    pub(crate) key: PublicKey,
    /// The part of the circle that it is required for; `None` if the plan no longer has it.
    pub(crate) required: Option<KeyRange>,
    pub(crate) link: Link,
    /// The last head that it signed.
    pub(crate) heard: Option<Heard>,
    /// The last block taken in; `None` before the first.
    taken: Option<Follower>,
    /// The journal is to be read again, and begins before this incarnation.
    again_before: Option<u64>,
    queue: VecDeque<Queued>,
    /// The last block wholly emitted, and when it was signed and heard.
    emitted: Option<Follower>,
    emitted_at: Moment,
    /// The last block of which that is on disk.
    pub(crate) durable: Option<Follower>,
    /// The last time for which it is proved that nothing of the source is missing on our disk: when it signed
    /// a head that `durable` has reached.
    pub(crate) reached: Option<Moment>,
    /// Whether everything that it had of its part was on our disk once since the start.
    pub(crate) has_caught_up: bool,
    /// The arcs as of `emitted`.
    pub(crate) settled: Settled,
    /// The arcs as of `taken`.
    settled_taken: Settled,
    is_settled_kept: bool,
    plants: Plants,
}

impl Source {
    /// Goes on where the store says.
    pub(crate) fn load(key: PublicKey, plants: Plants, store: &dyn Store) -> Result<Self, Fatal> {
        // An aggregator holds the whole circle, always.
        let applied = applied(store, key, &KeyRanges::whole())?;
        let follower = applied.map(|applied| applied.follower);
        let settled = Settled::load(key, store)?;
        Ok(Self {
            key,
            required: None,
            link: Link::Silent,
            heard: None,
            taken: follower,
            again_before: None,
            queue: VecDeque::new(),
            emitted: follower,
            durable: follower,
            emitted_at: Moment::default(),
            reached: follower.map(|follower| Moment {
                signed_ms: follower.time_ms(),
                heard_ms: 0,
            }),
            has_caught_up: false,
            settled_taken: settled.clone(),
            settled,
            is_settled_kept: true,
            plants,
        })
    }

    /// The last block taken in.
    pub(crate) const fn taken(&self) -> Option<Follower> {
        self.taken
    }

    /// Takes a block into the queue, if it is the next one. One that was signed less than `fresh_ms` ago is current.
    pub(crate) fn take(
        &mut self,
        block: SourceBlock,
        (now, fresh_ms): (Now, u64),
        verifier: &dyn Verifier,
        events: &mut Vec<Event>,
    ) -> Result<Taken, SourceError> {
        let SourceBlock { block, entries } = block;
        let header = &block.header;
        let (incarnation, height) = (header.incarnation, header.height);
        if self.again_before.is_some_and(|began| incarnation >= began) {
            // It was on its way before the journal was read again.
            return Ok(Taken::Known);
        }
        let mut follower = self
            .taken
            .unwrap_or_else(|| Follower::new(self.key, incarnation));
        let step = follower.accept(&block, verifier)?;
        if step == Step::Known {
            return Ok(Taken::Known);
        }
        if step == Step::Began && self.is_behind(&block) {
            (self.taken, self.again_before) = (None, Some(incarnation));
            return Ok(Taken::Behind);
        }
        self.again_before = None;
        let items = block.decode_items()?;
        let waiting = pair(height, &items, entries)?;
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
        self.taken = Some(follower);
        let at = Moment {
            signed_ms: block.header.time_ms,
            heard_ms: now.monotonic_ms,
        };
        let head = block.head();
        self.heard(Heard {
            head,
            at,
            is_current: at.is_young(now, fresh_ms),
        });
        self.queue.push_back(Queued {
            follower,
            at,
            waiting,
            settled,
        });
        Ok(Taken::Next)
    }

    /// Whether a new incarnation goes on from one that is older than what was taken last.
    ///
    /// An old disk came back that had been given up: how much of it was ever read is not remembered, so the journal is
    /// read again from its beginning.
    fn is_behind(&self, first: &Block) -> bool {
        let read = self.taken.map(|taken| taken.cursor().incarnation);
        let fork = first.header.fork.map(|fork| fork.incarnation);
        !self.plants.has(Plant::AggregatorOldDisk) && fork.is_some() && fork < read
    }

    /// The source is required for this part of the circle.
    pub(crate) fn require(&mut self, arc: KeyRange) {
        self.required = Some(arc);
        self.has_caught_up = false;
        self.prove();
    }

    /// Takes a signed head, unless it or a newer one was heard: one that is said again is no younger.
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

    /// Everything up to there is on disk.
    pub(crate) fn synced(&mut self, follower: Follower) {
        self.durable = Some(follower);
        self.reach(self.emitted_at);
        self.prove();
    }

    /// Nothing that was signed before that is missing.
    fn reach(&mut self, at: Moment) {
        if self
            .reached
            .is_none_or(|before| before.signed_ms <= at.signed_ms)
        {
            self.reached = Some(at);
        }
    }

    /// If we have the head that was heard of last, nothing was missing when it was signed.
    fn prove(&mut self) {
        let durable = self.durable.and_then(|follower| follower.head());
        if let Some(heard) = self.heard.filter(|heard| Some(heard.head) == durable) {
            self.reach(heard.at);
            let required = self.required.as_ref();
            let covers = required.is_some_and(|arc| self.settled.covers(arc));
            self.has_caught_up |= heard.is_current && covers;
        }
    }

    /// The transaction that is to be emitted next.
    pub(crate) fn next(&mut self) -> Option<&mut Waiting> {
        self.queue.front_mut()?.waiting.front_mut()
    }

    /// The next transaction was emitted.
    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        self.queue.front_mut()?.waiting.pop_front()
    }

    /// Lets go of the first block if nothing of it waits any more. Returns whether there was one.
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

    /// Forgets everything that waits. Returns it, and how many blocks it was.
    pub(crate) fn clear(&mut self) -> (Vec<Waiting>, usize) {
        let blocks = self.queue.len();
        let waiting = self
            .queue
            .drain(..)
            .flat_map(|queued| queued.waiting)
            .collect();
        self.taken = self.emitted;
        self.settled_taken = self.settled.clone();
        (waiting, blocks)
    }

    /// What is to be kept on disk by now: position and, if they changed, arcs.
    pub(crate) fn unkept(&mut self) -> (Option<Follower>, Option<&Settled>) {
        let position = match self.plants.has(Plant::AggregatorCursorEarly) {
            true => self.taken,
            false => self.emitted,
        };
        let position = position.filter(|_| position != self.durable);
        let settled = (!self.is_settled_kept).then_some(&self.settled);
        self.is_settled_kept = true;
        (position, settled)
    }

    /// How many blocks wait.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// How many records the next transaction waits for.
    pub(crate) fn blocked(&self) -> Option<&Blocked> {
        self.queue.front()?.waiting.front()?.blocked.as_ref()
    }
}

/// Puts the bodies to their items.
fn pair(
    height: u64,
    items: &[Item],
    entries: Vec<SourceEntry>,
) -> Result<VecDeque<Waiting>, SourceError> {
    let listed = items.iter().filter_map(|item| match item {
        Item::Transaction { id, bitmap } => Some((*id, bitmap)),
        _ => None,
    });
    let listed: Vec<_> = listed.collect();
    if listed.len() != entries.len() {
        let (items, bodies) = (listed.len(), entries.len());
        return Err(SourceError::Count {
            height,
            items,
            bodies,
        });
    }
    let mut waiting = VecDeque::with_capacity(entries.len());
    for ((named, bitmap), entry) in listed.into_iter().zip(entries) {
        let came = entry.transaction.id();
        if named != came {
            return Err(SourceError::Other {
                height,
                named,
                came,
            });
        }
        let elements = entry.transaction.elements().count();
        bitmap
            .check(elements)
            .map_err(|error| SourceError::Bitmap {
                height,
                id: named,
                error,
            })?;
        waiting.push_back(Waiting {
            entry,
            bitmap: bitmap.clone(),
            blocked: None,
        });
    }
    Ok(waiting)
}
