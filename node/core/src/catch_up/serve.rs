//! Serving this peer's journal: blocks and transactions for partners that follow it.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use kittengrad_journal::{self as journal, Blocks, Cut, StoreError};
use kittengrad_plants::Plant;
use kittengrad_proto::{
    block::Head,
    id::{Id, PublicKey},
    limits::{FRAMES_BYTES_MAX, GET_BLOCKS_MAX},
    link::{Frames, Message, Push},
    transaction::Transaction,
};

use crate::{
    catch_up::known::records_of,
    io::{Fatal, Outbound, Output},
    partners::{Partners, link::Reader},
    scope::Scope,
};

/// Bytes of blocks in one message: about a thousand items. The reader must fetch their transactions before it has room
/// for more blocks.
const BLOCKS_BYTES_MAX: usize = FRAMES_BYTES_MAX / 64;
/// Transactions in one read of the store.
const READ_MAX: usize = 32;

/// Serves partners.
pub(crate) struct Serving<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) partners: &'a mut Partners,
    pub(crate) out: &'a mut Output,
}

impl Serving<'_> {
    /// Answers a partner's request with committed blocks from a height on, and notes the partner's position.
    pub(crate) fn serve_blocks(
        &mut self,
        to: PublicKey,
        incarnation: u64,
        from_height: u64,
    ) -> Result<(), Fatal> {
        let store = self.scope.store;
        let ends = store.incarnations()?;
        let heads: Vec<Head> = ends.iter().map(|last| last.head()).collect();
        let head = heads.last().copied();
        let mut blocks = Vec::new();
        // The reader's position after this answer. It matches no head if the reader has blocks that this disk lost.
        let mut next = (incarnation, from_height);
        if let Some((incarnation, from_height)) = start_of(&heads, incarnation, from_height) {
            let limit = GET_BLOCKS_MAX as usize;
            let Blocks { blocks: found, .. } =
                journal::blocks(store, incarnation, from_height, limit, BLOCKS_BYTES_MAX)?;
            next = (incarnation, from_height + found.len() as u64);
            blocks.extend(found.into_iter().map(|stored| stored.block));
        }
        let is_live = head.is_none_or(|head| next == (head.incarnation, head.height + 1));
        if let Some(link) = self.partners.get_mut(&to) {
            link.reader = Some(Reader {
                incarnation: next.0,
                next_height: next.1,
                is_live,
            });
        }
        let message = Message::Frames(Frames { blocks, head });
        self.out.sends.push(Outbound { to, message });
        Ok(())
    }

    /// Sends the round's blocks to the live readers, which have all blocks before them.
    pub(crate) fn publish(&mut self, cuts: &[Cut]) {
        let (Some(first), Some(last)) = (cuts.first(), cuts.last()) else {
            return;
        };
        let (first, last) = (first.block.head(), last.block.head());
        let is_reading = |reader: Reader| {
            let is_next =
                (reader.incarnation, reader.next_height) == (first.incarnation, first.height);
            reader.is_live && (is_next || first.height == 0)
        };
        let readers = self.partners.iter();
        let readers = readers.filter(|(_, link)| link.reader.is_some_and(is_reading));
        let readers: Vec<_> = readers.map(|(key, _)| *key).collect();
        for to in readers {
            for part in parts(cuts) {
                let blocks = part.iter().map(|cut| cut.block.clone());
                let frames = Frames {
                    blocks: blocks.collect(),
                    // The head of this part, not of the round, so that the reader sees no gap.
                    head: part.last().map(|cut| cut.block.head()),
                };
                let message = Message::Frames(frames);
                let sends = match self.scope.has(Plant::PublishBeforeSync) {
                    true => &mut self.out.forwards,
                    false => &mut self.out.sends,
                };
                sends.push(Outbound { to, message });
            }
            if let Some(link) = self.partners.get_mut(&to) {
                link.reader = Some(Reader {
                    incarnation: last.incarnation,
                    next_height: last.height + 1,
                    is_live: true,
                });
            }
        }
    }

    /// Answers a fetch with the entries that the partner holds and whose records are here.
    pub(crate) fn serve_bodies(&mut self, to: PublicKey, ids: &[Id]) -> Result<(), Fatal> {
        let store = self.scope.store;
        let mut bodies = Bodies::default();
        'full: for ids in ids.chunks(READ_MAX) {
            for (id, found) in ids.iter().zip(store.transactions(ids)?) {
                if bodies.bytes >= FRAMES_BYTES_MAX {
                    // The rest is in neither list, so the partner fetches it again.
                    break 'full;
                }
                let body = match found {
                    Some(bytes) => self.body(&to, bytes, &mut bodies.chains)?,
                    None => None,
                };
                bodies.add(*id, body);
            }
        }
        let Bodies {
            bodies, missing, ..
        } = bodies;
        self.out.sends.push(Outbound {
            to,
            message: Message::Bodies { bodies, missing },
        });
        Ok(())
    }

    /// Makes the body of a transaction, with the records of the entries that a member holds, where they are all here.
    /// `None` if there is no such entry.
    ///
    /// A certificate chain comes only with the first body of a message that needs it.
    fn body(
        &self,
        member: &PublicKey,
        bytes: Bytes,
        chains: &mut BTreeSet<Id>,
    ) -> Result<Option<Push>, Fatal> {
        let view = self.scope.view();
        let store = self.scope.store;
        let damaged = |why: String| Fatal::Store(StoreError::Damaged(why));
        let transaction = Transaction::decode(bytes, view.overlay())
            .map_err(|error| damaged(error.to_string()))?;
        let entries = transaction.entries().iter();
        let held = entries.filter(|entry| view.holds(member, &entry.canonical));
        let needed: Vec<Vec<_>> = held.map(|entry| records_of(entry).collect()).collect();
        let found = store.records(&needed.concat())?;
        let mut found = found.into_iter();
        let mut records = Vec::new();
        for needed in needed {
            let of_entry: Vec<_> = found.by_ref().take(needed.len()).collect();
            let of_entry: Option<Vec<_>> = of_entry.into_iter().collect();
            records.extend(of_entry.into_iter().flatten());
        }
        if records.is_empty() {
            return Ok(None);
        }
        let chain = transaction.envelope().chain;
        let chain = if chains.insert(chain) {
            journal::chain(store, &chain)?
        } else {
            None
        };
        Ok(Some(Push {
            transaction: Arc::new(transaction),
            records,
            chain,
        }))
    }
}

/// The answer to a fetch, as it grows.
#[derive(Default)]
struct Bodies {
    bodies: Vec<Push>,
    missing: Vec<Id>,
    chains: BTreeSet<Id>,
    bytes: usize,
}

impl Bodies {
    fn add(&mut self, id: Id, body: Option<Push>) {
        let Some(body) = body else {
            self.missing.push(id);
            return;
        };
        self.bytes += body.transaction.signed().size_bytes();
        self.bytes += body.records.iter().map(Bytes::len).sum::<usize>();
        self.bodies.push(body);
    }
}

/// Cuts a round into parts that fit one message each.
fn parts(round: &[Cut]) -> Vec<&[Cut]> {
    let bytes = |cut: &Cut| cut.block.items.iter().map(Bytes::len).sum::<usize>();
    let mut parts = Vec::new();
    let (mut from, mut sum) = (0, 0);
    for (number, cut) in round.iter().enumerate() {
        sum += bytes(cut);
        if sum >= BLOCKS_BYTES_MAX || number + 1 - from >= GET_BLOCKS_MAX as usize {
            parts.push(&round[from..=number]);
            (from, sum) = (number + 1, 0);
        }
    }
    if from < round.len() {
        parts.push(&round[from..]);
    }
    parts
}

/// The place to serve a reader from that asks for `from_height` of `incarnation`: that place if this peer has the
/// block, else the first block of the next incarnation. `None` if there is no such block yet.
fn start_of(heads: &[Head], incarnation: u64, from_height: u64) -> Option<(u64, u64)> {
    let same = heads.iter().find(|head| head.incarnation == incarnation);
    if same.is_some_and(|head| from_height <= head.height) {
        return Some((incarnation, from_height));
    }
    let next = heads.iter().find(|head| head.incarnation > incarnation);
    next.map(|head| (head.incarnation, 0))
}

#[cfg(test)]
mod tests {
    use kittengrad_journal::Journal;
    use kittengrad_proto::block::{Holds, Item};
    use kittengrad_support::journals::{FakeKey, overlay};

    use super::*;
    use crate::fixtures::head;

    /// Cuts so many blocks of so many items each.
    fn round(blocks: usize, items: usize) -> Vec<Cut> {
        let holds = Holds::whole();
        let mut journal = Journal::open(overlay(), Arc::new(FakeKey(1)), 7, None, holds, &[]);
        let mut cut = |_| {
            for number in 0..items {
                journal.note(&Item::Gap {
                    incarnation: 1 << 60,
                    from_height: (1 << 60) + number as u64,
                });
            }
            journal.cut(1, &mut Vec::new()).unwrap()
        };
        (0..blocks).map(&mut cut).collect()
    }

    fn sizes(round: &[Cut]) -> Vec<usize> {
        parts(round).iter().map(|part| part.len()).collect()
    }

    #[test]
    fn a_round_is_sent_in_messages_of_limited_size() {
        let most = GET_BLOCKS_MAX as usize;
        assert_eq!(sizes(&round(most, 1)), [most]);
        assert_eq!(sizes(&round(most + 2, 1)), [most, 2]);

        let large = round(7, 1_000);
        let bytes: usize = large[0].block.items.iter().map(Bytes::len).sum();
        // A message ends with the block that reaches the limit.
        let part = BLOCKS_BYTES_MAX.div_ceil(bytes);
        assert!((2..7).contains(&part), "{part}");
        assert_eq!(sizes(&large)[0], part);
        assert!(sizes(&[]).is_empty());
    }

    #[test]
    fn a_reader_gets_what_it_asks_for_or_the_next_incarnation() {
        let heads = [head(5, 2), head(7, 0), head(9, 4)];
        for (asked, expected) in [
            ((0, 0), Some((5, 0))),
            ((0, 9), Some((5, 0))),
            ((5, 0), Some((5, 0))),
            ((5, 2), Some((5, 2))),
            ((5, 3), Some((7, 0))),
            ((6, 1), Some((7, 0))),
            ((7, 0), Some((7, 0))),
            ((7, 1), Some((9, 0))),
            ((9, 4), Some((9, 4))),
            ((9, 5), None),
            ((10, 0), None),
        ] {
            let (incarnation, from_height) = asked;
            let start = start_of(&heads, incarnation, from_height);
            assert_eq!(start, expected, "{asked:?}");
        }
        assert_eq!(start_of(&[], 0, 0), None);
    }
}
