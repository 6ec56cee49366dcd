//! Being read: blocks and transactions for partners who follow this peer's journal, and reading theirs.

use std::sync::Arc;

use bytes::Bytes;
use kittengrad_journal::{self as journal, Blocks, Cut, Store, StoreError};
use kittengrad_proto::{
    block::{Bitmap, Block, Head},
    id::{Id, PublicKey, RecordId},
    limits::{FRAMES_BYTES_MAX, GET_BLOCKS_MAX},
    link::{Frames, Message, Push},
    transaction::{Entry, Transaction},
};

use crate::{
    io::{Event, Fatal, Now, Output, Send},
    link::Reader,
    peer::Peer,
};

impl Peer {
    /// A partner asks for blocks from a height on: answers with what is committed, and notes where it is.
    pub(crate) fn serve_blocks(
        &mut self,
        to: PublicKey,
        incarnation: u64,
        from_height: u64,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let Some(member) = self.config.membership.index_of(&to) else {
            return Ok(());
        };
        let heads: Vec<Head> = store
            .incarnations()?
            .iter()
            .map(|last| last.head())
            .collect();
        let start = start_of(&heads, incarnation, from_height);
        let Some((incarnation, from_height)) = start else {
            return self.serve_nothing(to, &heads, incarnation, from_height, out);
        };
        let limit = GET_BLOCKS_MAX as usize;
        let Blocks { blocks, is_end } =
            journal::blocks(store, incarnation, from_height, limit, FRAMES_BYTES_MAX)?;
        let next_height = from_height + blocks.len() as u64;
        let is_last = heads
            .last()
            .is_some_and(|head| head.incarnation == incarnation);
        let mut framed = Vec::with_capacity(blocks.len());
        for stored in blocks {
            let relevant = self.relevance_of_stored(member, &stored.block, store)?;
            framed.push((stored.block, relevant));
        }
        if let Some(link) = self.links.get_mut(&to) {
            link.reader = Some(Reader {
                incarnation,
                next_height,
                is_live: is_end && is_last,
            });
        }
        let frames = Frames {
            blocks: framed,
            head: heads.last().copied(),
        };
        out.sends.push(Send {
            to,
            message: Message::Frames(frames),
        });
        Ok(())
    }

    /// The partner has everything that is committed: it gets new blocks as they are cut.
    fn serve_nothing(
        &mut self,
        to: PublicKey,
        heads: &[Head],
        incarnation: u64,
        from_height: u64,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let head = heads.last().copied();
        let next = head.map_or((incarnation, 0), |head| (head.incarnation, head.height + 1));
        let is_live = head.is_none() || next == (incarnation, from_height);
        if let Some(link) = self.links.get_mut(&to) {
            link.reader = Some(Reader {
                incarnation: next.0,
                next_height: next.1,
                is_live,
            });
        }
        let frames = Frames {
            blocks: Vec::new(),
            head,
        };
        out.sends.push(Send {
            to,
            message: Message::Frames(frames),
        });
        Ok(())
    }

    /// Sends the round's blocks to the partners that have everything before them.
    pub(crate) fn publish(&mut self, round: &[Cut], out: &mut Output) {
        let Some(last) = round.last() else { return };
        let head = last.block.head();
        let first = &round[0].block.header;
        let live: Vec<_> = self
            .links
            .iter()
            .filter(|(_, link)| {
                link.reader.is_some_and(|reader| {
                    let continues = (reader.incarnation, reader.next_height)
                        == (first.incarnation, first.height);
                    reader.is_live && (continues || first.height == 0)
                })
            })
            .map(|(key, _)| *key)
            .collect();
        for to in live {
            let Some(member) = self.config.membership.index_of(&to) else {
                continue;
            };
            let blocks = round
                .iter()
                .map(|cut| (cut.block.clone(), self.relevance_of_cut(member, cut)));
            let frames = Frames {
                blocks: blocks.collect(),
                head: Some(head),
            };
            if let Some(link) = self.links.get_mut(&to) {
                let (incarnation, next_height) = (head.incarnation, head.height + 1);
                link.reader = Some(Reader {
                    incarnation,
                    next_height,
                    is_live: true,
                });
            }
            out.sends.push(Send {
                to,
                message: Message::Frames(frames),
            });
        }
    }

    fn holds_any(&self, member: usize, mut canonicals: impl Iterator<Item = RecordId>) -> bool {
        canonicals.any(|canonical| self.config.membership.holds(member, &canonical))
    }

    fn relevance_of_cut(&self, member: usize, cut: &Cut) -> Bytes {
        let mut listed = cut.listed.iter().peekable();
        let bits = (0..cut.block.items.len()).map(|number| {
            match listed.next_if(|(index, _)| *index as usize == number) {
                Some((_, transaction)) => {
                    self.holds_any(member, transaction.entries().iter().map(|e| e.canonical))
                }
                None => false,
            }
        });
        Bitmap::new(bits).as_bytes().clone()
    }

    fn relevance_of_stored(
        &self,
        member: usize,
        block: &Block,
        store: &dyn Store,
    ) -> Result<Bytes, StoreError> {
        let overlay = self.config.membership.overlay();
        let mut relevant = vec![false; block.items.len()];
        for entry in journal::entries(store, overlay, block)? {
            relevant[entry.index] =
                self.holds_any(member, entry.added.iter().map(|element| element.canonical));
        }
        Ok(Bitmap::new(relevant).as_bytes().clone())
    }

    /// A partner asks for transactions: answers with those whose records for it are here.
    pub(crate) fn serve_bodies(
        &mut self,
        to: PublicKey,
        ids: &[Id],
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let Some(member) = self.config.membership.index_of(&to) else {
            return Ok(());
        };
        let (mut bodies, mut missing, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (id, found) in ids.iter().zip(store.transactions(ids)?) {
            if bytes >= FRAMES_BYTES_MAX {
                // Neither here nor missing: the partner asks again.
                break;
            }
            let body = match found {
                Some(transaction) => self.body(member, to, transaction, store)?,
                None => None,
            };
            match body {
                Some(body) => {
                    bytes += body.transaction.signed().size_bytes();
                    bytes += body.records.iter().map(Bytes::len).sum::<usize>();
                    bodies.push(body);
                }
                None => missing.push(*id),
            }
        }
        out.sends.push(Send {
            to,
            message: Message::Bodies { bodies, missing },
        });
        Ok(())
    }

    /// A transaction with every record that a member needs of it; `None` if one is not here.
    fn body(
        &mut self,
        member: usize,
        to: PublicKey,
        bytes: Bytes,
        store: &dyn Store,
    ) -> Result<Option<Push>, Fatal> {
        let membership = &self.config.membership;
        let damaged = |why: String| Fatal::Store(StoreError::Damaged(why));
        let transaction = Transaction::decode(bytes, membership.overlay())
            .map_err(|error| damaged(error.to_string()))?;
        let entries = transaction.entries().iter();
        let held = entries.filter(|entry| membership.holds(member, &entry.canonical));
        let named = |entry: &Entry| {
            let canonical = entry.insert.then_some(entry.canonical);
            canonical
                .into_iter()
                .chain(entry.updates.iter().copied())
                .collect::<Vec<_>>()
        };
        let ids: Vec<_> = held.flat_map(named).collect();
        let records: Option<Vec<_>> = store.records(&ids)?.into_iter().collect();
        let Some(records) = records else {
            return Ok(None);
        };
        let chain_id = transaction.envelope().chain;
        let is_new = self
            .links
            .get_mut(&to)
            .is_some_and(|link| link.sent_chains.insert(chain_id));
        let chain = if is_new {
            journal::chain(store, &chain_id)?
        } else {
            None
        };
        Ok(Some(Push {
            transaction: Arc::new(transaction),
            records,
            chain,
        }))
    }

    /// Asks a partner for the next blocks of its journal, if it is time to.
    pub(crate) fn ask_for_blocks(&mut self, partner: PublicKey, out: &mut Output) {
        let Some(link) = self
            .links
            .get_mut(&partner)
            .filter(|link| link.hello.is_some())
        else {
            return;
        };
        if let Some(ask) = link.following.ask() {
            let message = Message::Follow {
                incarnation: ask.incarnation,
                from_height: ask.from_height,
            };
            out.forwards.push(Send {
                to: partner,
                message,
            });
        }
    }

    /// Blocks of a partner's journal came.
    pub(crate) fn frames(
        &mut self,
        now: Now,
        from: PublicKey,
        frames: Frames,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let Some(link) = self.links.get_mut(&from) else {
            return Ok(());
        };
        let was_live = link.following.is_live();
        let grace_ms = if was_live {
            self.config.timing.push_grace_ms
        } else {
            0
        };
        for (block, relevant) in frames.blocks {
            let hint = Bitmap::from_bytes(relevant);
            let Some(link) = self.links.get_mut(&from) else {
                return Ok(());
            };
            let verifier = Arc::clone(&self.config.verifier);
            match link
                .following
                .accept(&block, |number| hint.is_set(number), &*verifier)
            {
                Ok(Some(listed)) => {
                    link.saw(block.head());
                    let missing = self.lacking(&listed, store)?;
                    if let Some(link) = self.links.get_mut(&from) {
                        link.following.wait_for(&missing);
                    }
                    for id in missing {
                        self.wants.add(id, from, now.monotonic_ms + grace_ms);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    out.events.push(Event::Misbehaved {
                        peer: from,
                        why: error.to_string(),
                    });
                    break;
                }
            }
        }
        if let Some(link) = self.links.get_mut(&from) {
            link.following.answered(frames.head);
        }
        self.ask_for_blocks(from, out);
        Ok(())
    }
}

/// Where to go on for a reader that wants `from_height` of `incarnation`: there, or at the beginning of the next
/// incarnation that this peer has; `None` if there is nothing yet.
fn start_of(heads: &[Head], incarnation: u64, from_height: u64) -> Option<(u64, u64)> {
    let same = heads.iter().find(|head| head.incarnation == incarnation);
    if same.is_some_and(|head| from_height <= head.height) {
        return Some((incarnation, from_height));
    }
    let next = heads.iter().find(|head| head.incarnation > incarnation);
    next.map(|head| (head.incarnation, 0))
}
