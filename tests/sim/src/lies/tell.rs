//! The effects of lies.

use kittengrad_proto::{
    block::{Bitmap, Block, Cells, Header, HeaderFields, Item},
    id::Id,
    identity::{Beat, Heartbeat, HeartbeatFields},
    merkle::Tree,
};

use super::Lie;
use crate::{
    host::Node,
    publisher::Publication,
    stream::{StreamBlock, StreamEntry},
    world::World,
};

impl World {
    /// Lets a peer lie from now on.
    pub fn lie(&mut self, member: usize, lie: Lie) {
        self.lies.insert(member, lie);
    }

    /// The answer of a journal's owner to a question for its head.
    pub(crate) fn answered_head(&self, owner: Node) -> Option<Beat> {
        let mut beat = self.signed_head(owner)?;
        if let Node::Peer(member) = owner
            && let Some(Lie::SecondHead) = self.lies.get(&member)
        {
            let heartbeat = beat.heartbeat;
            let mut head = heartbeat.head;
            head.hash = Id::of(&[b"another block", head.hash.as_bytes()]);
            let fields = HeartbeatFields {
                head,
                time_ms: heartbeat.time_ms,
                nonce: heartbeat.nonce,
                checkpoint: heartbeat.checkpoint.map(|checkpoint| *checkpoint),
            };
            let signer = self.signer(owner);
            beat.heartbeat = Heartbeat::sign_fields(&self.overlay, fields, &*signer);
        }
        Some(beat)
    }

    /// Changes a block that a peer sends to a reader of its journal, if it lies about it.
    pub(crate) fn sent_block(&mut self, source: Node, block: StreamBlock) -> StreamBlock {
        let Node::Peer(member) = source else {
            return block;
        };
        match self.lies.get(&member).cloned() {
            Some(Lie::Unheld(publication)) => {
                self.lies.remove(&member);
                self.listing(source, block, &publication)
            }
            _ => block,
        }
    }

    /// The same block, signed again, with a further transaction of which it lists all elements.
    fn listing(
        &self,
        source: Node,
        mut block: StreamBlock,
        publication: &Publication,
    ) -> StreamBlock {
        let added = publication.elements();
        let item = Item::Transaction {
            id: publication.id(),
            bitmap: Bitmap::new(added.iter().map(|_| true)),
            cells: Cells::new([true]),
        };
        let Block {
            header,
            mut items,
            through,
        } = block.stored.block;
        items.push(item.encode());
        let fields = HeaderFields {
            incarnation: header.incarnation,
            height: header.height,
            previous: header.previous,
            time_ms: header.time_ms,
            items_root: Tree::new(items.iter().map(|item| &item[..])).root(),
            item_count: u32::try_from(items.len()).unwrap(),
            fork: header.fork,
            checkpoint: header.checkpoint.map(|checkpoint| *checkpoint),
        };
        block.stored.block = Block {
            header: Header::sign(&self.overlay, &fields, &*self.signer(source)),
            items,
            through,
        };
        let submission = &publication.submission;
        block.entries.push(StreamEntry {
            transaction: submission.transaction.clone(),
            added,
            records: submission.records.clone(),
            chain: publication.chain.clone(),
        });
        block
    }
}
