//! No owner signs two blocks for one place (S7), and it shows only synced heads of its journal (S4).

use std::collections::BTreeMap;

use kittengrad_journal::Write;
use kittengrad_proto::{
    block::{Block, Head, Header},
    id::{Id, PublicKey},
    link::Message,
};

use super::{Verdict, check};

const NAME: &str = "one-block";
const SOURCE: &str = "S7";

/// The hashes of all synced blocks, by owner, incarnation and height.
#[derive(Debug, Default)]
pub(super) struct Blocks(BTreeMap<(PublicKey, u64, u64), Id>);

impl Blocks {
    pub(super) fn commits(&mut self, owner: PublicKey, writes: &[Write]) -> Verdict {
        for write in writes {
            let Write::Block(stored) = write else {
                continue;
            };
            self.sees(owner, &stored.block.header)?;
        }
        Ok(())
    }

    /// Checks that there is no other block in the same place.
    pub(super) fn sees(&mut self, owner: PublicKey, header: &Header) -> Verdict {
        let place = (owner, header.incarnation, header.height);
        let hash = header.hash();
        let known = *self.0.entry(place).or_insert(hash);
        check(known == hash, NAME, SOURCE, || {
            format!("two blocks at {place:?}: {known:?} and {hash:?}")
        })
    }

    pub(super) fn sends(&self, owner: PublicKey, message: &Message) -> Verdict {
        for head in signed_heads(message) {
            let synced = self.0.get(&(owner, head.incarnation, head.height));
            check(synced == Some(&head.hash), "sync-first", "S4, S7", || {
                format!("{owner:?} shows {head:?}, which it never synced")
            })?;
        }
        Ok(())
    }
}

/// The heads of the sender's own journal that a message vouches for.
fn signed_heads(message: &Message) -> Vec<Head> {
    match message {
        Message::Hello(hello) => hello.head.into_iter().collect(),
        Message::Alive(heartbeat) => vec![heartbeat.head],
        Message::Frames(frames) => {
            let blocks = frames.blocks.iter().map(Block::head);
            blocks.chain(frames.head).collect()
        }
        Message::PushResult(result) => {
            let proofs = result.outcome.iter().flatten();
            proofs.map(|proof| proof.header.head()).collect()
        }
        _ => Vec::new(),
    }
}
