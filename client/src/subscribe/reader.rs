//! Puts checked frames in order: links, incarnations, offsets, and the chain of each transaction.

use std::{collections::BTreeMap, sync::Arc};

use kittengrad_journal::{Continued, Follower, ReadFrom, Reading, Step};
use kittengrad_proto::{
    block::{Holds, Item},
    evidence::Evidence,
    id::{Id, PublicKey},
    identity::Beat,
    signed::{SIGNATURE_BYTES, Verifier},
    wire,
};

use super::{
    Bodies, Event, Resume, Start, SubscribeError, VerifiedBlock, VerifiedEntry,
    frame::{BodyFault, CheckedBody, CheckedFrame, FrameFault},
};
use crate::vouched::Vouched;

/// Chains remembered for one connection. With more, the stream starts again and the source sends them again.
const CHAINS_MAX: usize = 10_000;

/// A reader of one journal, across all connections to its owner.
pub(super) struct Reader {
    bodies: Bodies,
    reading: Reading,
    /// Elements of the next block that were processed before.
    skip: u64,
    /// Elements of the incarnation before the next block; `None` until a block arrived.
    offset: Option<u64>,
    /// Chains that arrived on this connection.
    chains: BTreeMap<Id, Arc<Vouched>>,
}

impl Reader {
    /// A reader that starts at `start`. [`Start::Now`] was replaced by a place before.
    pub(super) fn new(source: PublicKey, bodies: Bodies, start: Start) -> Self {
        let (place, skip, offset) = match start {
            Start::Genesis | Start::Now => (ReadFrom::Genesis, 0, None),
            Start::Cursor(position) => {
                // Before the first block of an incarnation there are no elements.
                let offset = position.cursor.height.is_none().then_some(0);
                (ReadFrom::At(position.cursor), position.elements, offset)
            }
            Start::Resume(resume) => {
                let Resume {
                    head,
                    time_ms,
                    holds,
                    offset,
                } = resume;
                let place = ReadFrom::After {
                    head,
                    time_ms,
                    holds,
                };
                (place, 0, offset)
            }
        };
        Self {
            bodies,
            reading: Reading::new(source, place),
            skip,
            offset,
            chains: BTreeMap::new(),
        }
    }

    /// The place from which to ask the source.
    pub(super) fn from(&self) -> wire::subscribe_request::From {
        match self.reading.cursor() {
            None => wire::subscribe_request::From::Genesis(true),
            Some(cursor) => wire::subscribe_request::From::Cursor(cursor.to_wire()),
        }
    }

    /// Starts a new connection, on which the source sends its chains again.
    pub(super) fn begin_connection(&mut self) {
        self.chains.clear();
    }

    /// Whether the connection has named so many chains that the stream should start again.
    pub(super) fn is_full(&self) -> bool {
        self.chains.len() > CHAINS_MAX
    }

    /// Takes the next frame and appends its events to `events`.
    pub(super) fn accept(
        &mut self,
        frame: CheckedFrame,
        events: &mut Vec<Event>,
    ) -> Result<(), SubscribeError> {
        for vouched in &frame.chains {
            self.chains.insert(vouched.chain.id(), Arc::clone(vouched));
        }
        let header = &frame.block.header;
        let next = self.reading.next(&frame.block, &frame.items, &Checked);
        let next = next.map_err(|error| {
            let evidence = self.follower().accuse(&frame.block, &error);
            events.extend(convicts(evidence));
            FrameFault::Follow(error)
        });
        let Continued {
            reading,
            step,
            holds,
            is_first,
        } = next?;
        if step == Step::Known {
            return Ok(());
        }
        if let Some(holds) = &holds {
            check_cells(&frame, holds).inspect_err(|fault| {
                let follower = reading.follower();
                let evidence = follower.and_then(|it| accuse_of_cells(it, &frame, fault));
                events.extend(convicts(evidence));
            })?;
        }
        if header.height == 0 {
            (self.offset, self.skip) = (Some(0), if step == Step::Began { 0 } else { self.skip });
            let (incarnation, fork) = (header.incarnation, header.fork);
            events.push(Event::Began { incarnation, fork });
        } else if is_first {
            let (incarnation, to_height) = (header.incarnation, header.height);
            events.push(Event::Missing {
                incarnation,
                to_height,
            });
        }
        if self.skip > frame.added {
            let (height, added, elements) = (header.height, frame.added, self.skip);
            return Err(SubscribeError::BehindBlock {
                height,
                added,
                elements,
            });
        }
        let gaps = frame.items.iter().filter_map(|item| match item {
            Item::Gap {
                incarnation,
                from_height,
            } => Some((*incarnation, *from_height)),
            _ => None,
        });
        events.extend(gaps.map(|(incarnation, from_height)| Event::Gap {
            incarnation,
            from_height,
        }));
        let block = self.verified(frame, holds)?;
        self.reading = reading;
        events.push(Event::Block(Box::new(block)));
        Ok(())
    }

    /// Takes a heartbeat whose signature was checked, and appends its events to `events`.
    pub(super) fn heartbeat(&self, beat: Beat, events: &mut Vec<Event>) -> Result<(), FrameFault> {
        let heartbeat = &beat.heartbeat;
        let expected = self.reading.source();
        if heartbeat.peer != expected {
            let found = heartbeat.peer;
            return Err(FrameFault::OtherHeartbeat { expected, found });
        }
        self.reading.agrees(&heartbeat.head).inspect_err(|_| {
            let evidence = self.follower().accuse_of_heartbeat(heartbeat);
            events.extend(convicts(evidence));
        })?;
        events.push(Event::Alive(Box::new(beat)));
        Ok(())
    }

    /// The follower that judges the next block. Before the first block it knows nothing.
    fn follower(&self) -> Follower {
        let known = self.reading.follower().cloned();
        known.unwrap_or_else(|| Follower::new(self.reading.source(), 0))
    }

    /// The block with the values that follow from its place in the journal.
    fn verified(
        &mut self,
        frame: CheckedFrame,
        holds: Option<Holds>,
    ) -> Result<VerifiedBlock, FrameFault> {
        let height = frame.block.header.height;
        let before = self.offset.unwrap_or(frame.offset_said);
        let skipped = std::mem::take(&mut self.skip);
        let mut left = usize::try_from(skipped).unwrap_or(usize::MAX);
        let mut entries = Vec::with_capacity(frame.bodies.len());
        for body in frame.bodies {
            let CheckedBody {
                item,
                transaction,
                mut added,
                records,
            } = body;
            let fault = |fault| FrameFault::Body {
                height,
                item,
                fault,
            };
            let chain = transaction.envelope().chain;
            let publisher = self.chains.get(&chain);
            if publisher.is_none() && self.bodies == Bodies::Records {
                return Err(fault(BodyFault::ChainMissing(chain)));
            }
            let vouched = publisher.map_or(Ok(()), |publisher| publisher.check(&transaction));
            vouched.map_err(|e| fault(e.into()))?;
            let gone = left.min(added.len());
            added.drain(..gone);
            left -= gone;
            if !added.is_empty() {
                let publisher = publisher.cloned();
                entries.push(VerifiedEntry {
                    item,
                    transaction,
                    added,
                    records,
                    publisher,
                });
            }
        }
        self.offset = Some(before.saturating_add(frame.added));
        Ok(VerifiedBlock {
            header: frame.block.header,
            holds,
            items: frame.items,
            item_bytes: frame.block.items,
            through: frame.block.through,
            offset: before.saturating_add(skipped),
            added: frame.added,
            skipped,
            entries,
        })
    }
}

/// Checks the items whose transactions came against the arcs that the journal's owner holds.
fn check_cells(frame: &CheckedFrame, holds: &Holds) -> Result<(), FrameFault> {
    for body in &frame.bodies {
        let Some(Item::Transaction { bitmap, cells, .. }) = frame.items.get(body.item) else {
            continue;
        };
        let checked = holds.check(&body.transaction, bitmap, cells);
        checked.map_err(|error| FrameFault::Body {
            height: frame.block.header.height,
            item: body.item,
            fault: error.into(),
        })?;
    }
    Ok(())
}

/// Accuses the owner of the item that `fault` is about.
fn accuse_of_cells(
    follower: &Follower,
    frame: &CheckedFrame,
    fault: &FrameFault,
) -> Option<Evidence> {
    let FrameFault::Body { item, .. } = fault else {
        return None;
    };
    let body = frame.bodies.iter().find(|body| body.item == *item)?;
    let number = u32::try_from(*item).ok()?;
    follower.accuse_of_item(&frame.block, number, &body.transaction)
}

/// The event of evidence. A reader that lacks the last `hold` passes on what it has.
fn convicts(evidence: Option<Evidence>) -> Option<Event> {
    evidence.map(|evidence| Event::Evidence(Box::new(evidence)))
}

/// The signatures were verified when the frame was checked alone.
struct Checked;

impl Verifier for Checked {
    fn verify(&self, _: &PublicKey, _: &[u8], _: &[u8; SIGNATURE_BYTES]) -> bool {
        true
    }
}
