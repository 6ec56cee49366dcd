//! The effects of lies.

use std::sync::Arc;

use kittengrad_proto::{
    block::{Bitmap, Block, Cells, Head, Header, HeaderFields, Item},
    checkpoint::{Checkpoint, Holdings, Statement, Through, ThroughList},
    id::Id,
    identity::{Beat, Heartbeat, HeartbeatFields},
    merkle::Tree,
};
use kittengrad_ring::KeyRanges;

use super::Lie;
use crate::{
    host::Node,
    publisher::Publication,
    random::Random,
    stream::{StreamBlock, StreamEntry},
    world::World,
};

impl World {
    /// Lets a peer lie from now on.
    pub fn lie(&mut self, member: usize, lie: Lie) {
        self.lies.insert(member, lie);
    }

    /// Ends all lies.
    pub fn be_honest(&mut self) {
        self.lies.clear();
    }

    /// Lets one peer claim more than its set contains, for as long as there is trouble.
    pub(crate) fn begin_lie(&mut self) {
        // Numbers of its own, so that the other faults of a seed stay the same.
        let mut random = Random::branch(self.seed, 0x11e5);
        let member = random.next() as usize % self.machines.len();
        let lie = match random.next() % 3 {
            0 => Lie::AllHeads,
            1 => Lie::NoBlocks,
            _ => Lie::LaterBlocks,
        };
        self.lie(member, lie);
    }

    /// What a journal's owner says of its set, instead of what its core says.
    pub(crate) fn told_statement(&self, owner: Node, said: Arc<Statement>) -> Arc<Statement> {
        let Node::Peer(member) = owner else {
            return said;
        };
        let other_hash = |head: Head| Head {
            hash: Id::of(&[b"no block", head.hash.as_bytes()]),
            ..head
        };
        let claim = |head: Head| match self.lies.get(&member) {
            Some(Lie::AllHeads) => Some(head),
            Some(Lie::NoBlocks) => Some(other_hash(head)),
            Some(Lie::LaterBlocks) => Some(Head {
                height: head.height + 1_000,
                ..other_hash(head)
            }),
            _ => None,
        };
        let others = self.members().into_iter().filter(|other| *other != member);
        let others = others.filter_map(|other| {
            let (head, arcs) = (claim(self.tip(Node::Peer(other))?.head)?, None);
            Some((self.key(other), Through { head, arcs }))
        });
        let through: ThroughList = others.collect();
        if through.is_empty() {
            return said;
        }
        let whole = KeyRanges::whole();
        let checkpoint = Checkpoint {
            holds: Holdings::new(&whole, &whole),
            through_root: through.root(),
            ..said.checkpoint.clone()
        };
        Arc::new(Statement {
            incarnation: said.incarnation,
            checkpoint,
            through,
        })
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
            hold: header.hold,
        };
        block.stored.block = Block {
            header: Header::sign(&self.overlay, &fields, &*self.signer(source)),
            items,
            through,
        };
        let submission = &publication.submission;
        if let Some(entries) = &mut block.entries {
            entries.push(StreamEntry {
                transaction: submission.transaction.clone(),
                added,
                records: submission.records.clone(),
                chain: publication.chain.clone(),
            });
        }
        block
    }
}
