//! A single core: the test plays all of its partners.

use std::sync::Arc;

use kittengrad_journal::MemoryStore;
use kittengrad_node_core::{
    Delivery, Event as Told, Fatal, Input, Output, RequestId, Status, StatusOf, Timing,
    driver::{Command, Step},
};
use kittengrad_overlay::quorum::Ack;
use kittengrad_overlay::view::View;
use kittengrad_plants::Plants;
use kittengrad_proto::{
    block::{Bitmap, Block, Cells, Head, Header, HeaderFields, Holds, Item},
    certificate::Role,
    id::{Id, PublicKey},
    identity::{Addresses, Heartbeat, Identity, IdentityFields, State},
    link::{Frames, Hello, Message, Push, PushResult},
    merkle::Tree,
    namespace::Overlay,
    receipt::ItemProof,
    signed::{Signed, Signer as _},
    signed_head::SignedHead,
    wire,
};

use crate::{
    host::WALL_MS,
    invariants::is_released,
    keys::{Key, chain_of, identity},
    peer::Machine,
    publisher::Publication,
    world::{Shape, World},
};

/// A running core. Every round is committed at once.
pub struct Solo {
    pub(crate) machine: Machine,
    timing: Timing,
    now_us: u64,
    /// All events of the core.
    pub told: Vec<Told>,
}

/// A partner played by the test, with a key and a journal of its own. Its journal says that it holds the whole circle.
pub struct Partner {
    key: Key,
    overlay: Overlay,
    ring: Id,
    incarnation: u64,
    /// The last block of the incarnation before, as the fork of the next block.
    fork: Option<Head>,
    /// Its journal.
    pub blocks: Vec<Block>,
}

impl Solo {
    /// Starts the first machine of a new network, with all others as partners.
    pub fn start(shape: Shape) -> (Self, Vec<Partner>) {
        let timing = shape.timing;
        let names = (0..shape.peers).map(|number| format!("peer {number} of 0"));
        let mut keys: Vec<_> = names.map(|name| Key::named(&name)).collect();
        keys.sort_by_key(|key| key.public().point());
        let mut world = World::new(0, shape);
        let mut machine = world.machines.remove(0);
        machine.start(0, timing, Plants::NONE).unwrap();
        let view = &machine.view;
        let partner = |key: &Key| Partner {
            key: *key,
            overlay: view.overlay().clone(),
            ring: view.ring_id(),
            incarnation: 1,
            fork: None,
            blocks: Vec::new(),
        };
        let partners = keys[1..].iter().map(partner).collect();
        let solo = Self {
            machine,
            timing,
            now_us: 0,
            told: Vec::new(),
        };
        (solo, partners)
    }

    /// Starts a core that opened after all partners said hello.
    pub fn open(shape: Shape) -> (Self, Vec<Partner>) {
        let (mut solo, partners) = Self::start(shape);
        for partner in &partners {
            solo.meet(partner);
        }
        assert!(solo.status().is_open);
        (solo, partners)
    }

    pub fn key(&self) -> PublicKey {
        self.machine.key()
    }

    pub fn disk(&self) -> &MemoryStore {
        self.machine.disk.sound()
    }

    pub fn status(&self) -> Status {
        self.machine.process.as_ref().unwrap().driver.status()
    }

    /// The core's status of a partner.
    pub fn status_of(&self, partner: &Partner) -> StatusOf {
        let partners = self.status().partners.into_iter();
        let mut of = partners.filter_map(|(key, of)| (key == partner.key()).then_some(of));
        of.next().unwrap()
    }

    /// The ring of this peer and some partners, as this peer sees it.
    #[must_use]
    pub fn view_with(&self, partners: &[Partner]) -> Arc<View> {
        let overlay = self.machine.view.overlay();
        let identities = partners
            .iter()
            .map(|partner| identity(overlay, 1, &partner.key));
        let own = identity(overlay, 1, &*self.machine.signer);
        let replicas = self.machine.view.replication();
        let view = View::new(overlay.clone(), replicas, identities.chain([own]).collect());
        Arc::new(view.unwrap().seen_by(self.key()).unwrap())
    }

    /// Kills the process and starts another on the same disk.
    pub fn restart(&mut self) {
        self.machine.crash();
        let started = self.machine.start(self.now_us, self.timing, Plants::NONE);
        started.unwrap();
    }

    /// Runs one round and commits it.
    pub fn round(&mut self, inputs: Vec<Input>) -> Output {
        let process = self.machine.process.as_mut().unwrap();
        process.inbox = inputs.into_iter().map(Command::Input).collect();
        self.machine.round(self.now_us).unwrap();
        let process = self.machine.process.as_mut().unwrap();
        let steps = process.steps.take().unwrap();
        is_released(&process.driver.status()).unwrap();
        let mut output = Output::default();
        for step in steps {
            match step {
                Step::Forward(send) => output.forwards.push(send),
                Step::Commit(writes) => {
                    output.writes.clone_from(&writes);
                    self.machine.disk.commit(writes);
                }
                Step::Tell(event) => self.told.push(event),
                Step::Send(send) => output.sends.push(send),
                Step::Reply(reply) => output.replies.push(reply),
            }
        }
        output
    }

    /// The fatal error that a message of a partner causes, if any.
    pub fn ends_with(&mut self, from: &Partner, message: Message) -> Option<Fatal> {
        let now = self.machine.now(self.now_us);
        let input = Input::Message(from.key.public(), message);
        let driver = &mut self.machine.process.as_mut().unwrap().driver;
        let mut round = driver.begin(now, &self.machine.disk).unwrap();
        round.take(Command::Input(input)).err()
    }

    /// A heartbeat with this peer's own signature.
    #[must_use]
    pub fn signed(&self, head: Head) -> SignedHead {
        let overlay = self.machine.view.overlay();
        let heartbeat = Heartbeat::sign(overlay, head, 1, &*self.machine.signer);
        SignedHead::Heartbeat(Box::new(heartbeat))
    }

    /// Runs a round with a message of a partner.
    pub fn hear(&mut self, from: &Partner, message: Message) -> Output {
        self.round(vec![Input::Message(from.key.public(), message)])
    }

    /// Connects a partner, which says hello.
    pub fn meet(&mut self, partner: &Partner) -> Output {
        let up = Input::LinkUp(partner.key.public());
        let hello = Input::Message(partner.key.public(), partner.hello(None));
        self.round(vec![up, hello])
    }

    /// Lets time pass, and runs a round with a tick.
    pub fn wait(&mut self, ms: u64) -> Output {
        self.pass(ms);
        self.round(vec![Input::Tick])
    }

    /// Lets time pass without a round.
    pub fn pass(&mut self, ms: u64) {
        self.now_us += ms * 1_000;
    }

    /// Runs a round with a transaction of a partner.
    pub fn deliver(
        &mut self,
        from: &Partner,
        delivery: Delivery,
        publication: &Publication,
    ) -> Output {
        let push = Push {
            transaction: publication.submission.transaction.clone(),
            records: publication.submission.records.values().cloned().collect(),
            chain: Some((*publication.chain).clone()),
        };
        let mut inputs = Vec::new();
        if delivery == Delivery::Body {
            inputs.push(Input::Bodies {
                from: from.key.public(),
                delivered: vec![publication.id()],
                missing: Vec::new(),
            });
        }
        inputs.extend(self.machine.verify(from.key.public(), delivery, push));
        self.round(inputs)
    }

    /// The number of complaints about a partner.
    pub fn complaints(&self, about: &Partner) -> usize {
        let is_about = |told: &&Told| matches!(told, Told::Misbehaved { peer, .. } | Told::Invalid { peer, .. } if *peer == about.key());
        self.told.iter().filter(is_about).count()
    }
}

/// A client's submission that asks for a receipt.
#[must_use]
pub fn submit(request: RequestId, publication: &Publication, ack: Ack) -> Input {
    Input::Submit {
        request,
        submission: publication.submission.clone(),
        chain: publication.chain.clone(),
        ack,
        receipt: true,
    }
}

/// The messages of a round to a partner, early ones first.
pub fn said_to<'a>(output: &'a Output, partner: &Partner) -> Vec<&'a Message> {
    let sends = output.forwards.iter().chain(&output.sends);
    let sends = sends.filter(|send| send.to == partner.key());
    sends.map(|send| &send.message).collect()
}

/// The height from which a round asked a partner for blocks.
pub fn asked_from(output: &Output, partner: &Partner) -> Option<u64> {
    said_to(output, partner)
        .into_iter()
        .find_map(|message| match message {
            Message::Follow { from_height, .. } => Some(*from_height),
            _ => None,
        })
}

/// The transactions that a round fetched from a partner.
pub fn fetched(output: &Output, partner: &Partner) -> Vec<Id> {
    let messages = said_to(output, partner).into_iter();
    let ids = messages.filter_map(|message| match message {
        Message::Fetch(ids) => Some(ids.clone()),
        _ => None,
    });
    ids.flatten().collect()
}

/// The transactions that a round pushed to a partner.
pub fn pushed<'a>(output: &'a Output, partner: &Partner) -> Vec<&'a Push> {
    let messages = said_to(output, partner).into_iter();
    let pushes = messages.filter_map(|message| match message {
        Message::Push(push) => Some(push),
        _ => None,
    });
    pushes.collect()
}

impl Partner {
    pub fn key(&self) -> PublicKey {
        self.key.public()
    }

    pub fn signer(&self) -> Key {
        self.key
    }

    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    fn identity(&self) -> Identity {
        let fields = IdentityFields {
            seq: 1,
            state: State::Active,
            role: Role::Peer,
            addresses: Addresses::default(),
            chain: chain_of("a partner"),
        };
        Identity::sign(&self.overlay, &fields, &self.key).unwrap()
    }

    /// The partner's hello. `seen` is the head that it saw of the other.
    pub fn hello(&self, seen: Option<SignedHead>) -> Message {
        Message::Hello(Box::new(Hello {
            ring: self.ring,
            head: self.blocks.last().map(Block::head),
            seen,
            is_settled: true,
            is_open: true,
            identity: self.identity(),
            time_ms: WALL_MS,
        }))
    }

    /// The partner's hello with a change.
    pub fn hello_with(&self, change: impl FnOnce(&mut Hello)) -> Message {
        let Message::Hello(mut hello) = self.hello(None) else {
            unreachable!("a hello is a hello");
        };
        change(&mut hello);
        Message::Hello(hello)
    }

    /// The next block of the journal, without adding it. The first block of an incarnation begins with a `hold` of the
    /// whole circle, unless `items` do with another one.
    pub fn next(&self, items: &[Item], time_ms: u64) -> Block {
        let last = self.blocks.last();
        let last = last.filter(|last| last.header.incarnation == self.incarnation);
        let has_hold = last.is_some() || matches!(items.first(), Some(Item::Hold(_)));
        let hold = (!has_hold).then(|| Item::Hold(Holds::whole()));
        let items: Vec<_> = hold.iter().chain(items).collect();
        let holds = matches!(items.first(), Some(Item::Hold(_)));
        let items: Vec<_> = items.into_iter().map(Item::encode).collect();
        let height = last.map_or(0, |last| last.header.height + 1);
        let fields = HeaderFields {
            incarnation: self.incarnation,
            height,
            previous: last.map_or(Id::ZERO, |last| last.header.hash()),
            time_ms,
            items_root: Tree::new(items.iter().map(|item| &item[..])).root(),
            item_count: u32::try_from(items.len()).unwrap(),
            fork: self.fork.filter(|_| last.is_none()),
            checkpoint: None,
            hold: last
                .filter(|_| !holds)
                .map_or(height, |last| last.header.hold),
        };
        let header = Header::sign(&self.overlay, &fields, &self.key);
        Block {
            header,
            items,
            through: kittengrad_proto::checkpoint::ThroughList::default(),
        }
    }

    /// Starts a new incarnation after the last block.
    pub fn begin_anew(&mut self) {
        self.incarnation += 1;
        self.fork = self.blocks.last().map(Block::head);
    }

    /// Adds a block to the journal.
    pub fn write(&mut self, items: &[Item]) {
        self.blocks.push(self.next(items, 1));
    }

    /// Lists a whole transaction.
    pub fn list(&mut self, publication: &Publication) {
        let bits = publication.elements().into_iter().map(|_| true);
        self.write(&[Item::Transaction {
            id: publication.id(),
            bitmap: Bitmap::new(bits),
            cells: Cells::new([true]),
        }]);
    }

    /// Lists a whole transaction and proves it.
    pub fn prove(&mut self, publication: &Publication) -> Vec<ItemProof> {
        self.list(publication);
        vec![proof_of(self.blocks.last().unwrap())]
    }

    /// Lists a whole transaction and confirms it.
    pub fn confirm(&mut self, publication: &Publication) -> Message {
        confirmation(publication, self.prove(publication))
    }

    /// The blocks of the journal from a height on.
    pub fn frames(&self, from: u64) -> Message {
        frames(
            &self.blocks[usize::try_from(from).unwrap()..],
            self.blocks.last(),
        )
    }
}

/// The proof of a block's last item.
#[must_use]
pub fn proof_of(block: &Block) -> ItemProof {
    let last = block.items.len() - 1;
    ItemProof {
        header: block.header.clone(),
        item: block.items[last].clone(),
        index: u32::try_from(last).unwrap(),
        path: Tree::new(block.items.iter().map(|item| &item[..])).path(last),
        transaction: None,
    }
}

/// The answer to a push, with any proofs.
#[must_use]
pub fn confirmation(publication: &Publication, proofs: Vec<ItemProof>) -> Message {
    let (id, outcome) = (publication.id(), Ok(proofs));
    Message::PushResult(PushResult { id, outcome })
}

/// The same body with a wrong signature.
#[must_use]
pub fn forged(signed: &Signed) -> wire::Signed {
    let mut wire = signed.to_wire();
    let mut signature = wire.signature.to_vec();
    signature[0] ^= 1;
    wire.signature = signature.into();
    wire
}

/// A message of any blocks.
pub fn frames(blocks: &[Block], last: Option<&Block>) -> Message {
    Message::Frames(Frames {
        blocks: blocks.to_vec(),
        head: last.map(Block::head),
    })
}
