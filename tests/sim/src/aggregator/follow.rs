//! How an aggregator follows its sources: subscriptions that end are begun again from where the core is.

use std::collections::VecDeque;

use kittengrad_aggregator_core::{Input, SourceBlock, SourceEntry, redirect};
use kittengrad_client_core::routing::Backoff;
use kittengrad_proto::{
    cursor::Cursor, id::PublicKey, identity::Heartbeat, wire::cursor_problem::Kind,
};

use crate::{
    host::Node,
    queue::Event,
    stream::{Broken, Reader, Shown, ShownBlock, Went},
    world::World,
};

/// Pause before a source is tried again that cannot be followed from where we are, in microseconds.
const WAITING_US: u64 = 5_000_000;
/// Pause before a source is tried again that showed what does not verify, in microseconds.
const LYING_US: u64 = 30_000_000;
/// Waits between connections, as the SDK has them.
const RECONNECT: Backoff = Backoff {
    base_ms: 200,
    max_ms: 10_000,
};

/// How one source is read.
#[derive(Debug)]
pub(super) struct Following {
    stream: Option<u64>,
    reader: Reader,
    /// The subscription began where the source said, not where the core is.
    is_redirected: bool,
    failures: u32,
    /// Blocks that find no room. They were read, so they stay when the subscription is lost.
    held: VecDeque<Box<ShownBlock>>,
    /// How many of them an earlier stream brought.
    held_before: usize,
    /// Frames of blocks that are in the core.
    inside: usize,
}

impl World {
    /// A source is followed from where the core is, or from where `redirected` says.
    pub(crate) fn follow(&mut self, source: PublicKey, redirected: Option<Cursor>) {
        let Some(process) = self.aggregator.as_mut().and_then(|m| m.process.as_mut()) else {
            return;
        };
        let position = process.aggregator.taken(&source);
        let reader = match (redirected, position) {
            (Some(cursor), _) => Reader::at(source, cursor),
            (None, Some(follower)) => match follower.head() {
                Some(head) => Reader::after(source, head, follower.time_ms()),
                None => Reader::genesis(source),
            },
            (None, None) => Reader::genesis(source),
        };
        let following = Following {
            stream: None,
            reader,
            is_redirected: redirected.is_some(),
            failures: 0,
            held: VecDeque::new(),
            held_before: 0,
            inside: 0,
        };
        process.following.insert(source, following);
        self.reconnect(source);
    }

    /// Follows a source again after a pause: with the reader that there is, if its subscription was lost, or from
    /// where the core is.
    pub(crate) fn follows(&mut self, run: u64, source: PublicKey) {
        let Some(machine) = self.aggregator.as_mut().filter(|m| m.host.runs(run)) else {
            return;
        };
        let process = machine.process.as_mut().expect("it runs");
        let is_lost = process
            .following
            .get(&source)
            .is_some_and(|following| following.failures > 0);
        if is_lost {
            self.reconnect(source);
        } else {
            self.hand_aggregator(Input::Retry(source));
            self.follow(source, None);
        }
    }

    fn reconnect(&mut self, source: PublicKey) {
        let Some(node) = self.peer_of(&source) else {
            return;
        };
        let Some(machine) = &self.aggregator else {
            return;
        };
        let window = machine.window;
        let process = machine.process.as_ref().expect("it follows");
        let Some(following) = process.following.get(&source) else {
            return;
        };
        let from = following.reader.from();
        let stream = self.subscribe(Node::Aggregator, node, from, window);
        if let Some(following) = self.following(&source) {
            following.stream = Some(stream);
            following.inside = 0;
            following.held_before = following.held.len();
        }
    }

    fn following(&mut self, source: &PublicKey) -> Option<&mut Following> {
        let process = self.aggregator.as_mut()?.process.as_mut()?;
        process.following.get_mut(source)
    }

    /// Something of a source came.
    pub(crate) fn aggregator_reads(&mut self, stream: u64, source: Node, shown: Shown) {
        let source = self.key_of(source);
        let verifier = self.scheme.verifier();
        let Some(following) = self.following(&source) else {
            return;
        };
        if following.stream != Some(stream) {
            return;
        }
        following.failures = 0;
        match shown {
            Shown::Block(block) => match following.reader.accept(&block, &*verifier) {
                Ok(Went::On) => {
                    following.held.push_back(block);
                    self.release(source);
                }
                Ok(Went::Known) => self.let_go(stream),
                Err(fault) => self.is_lying(source, format!("{fault:?}")),
            },
            Shown::Alive(heartbeat) => match following.reader.heartbeat(&heartbeat, &*verifier) {
                Ok(()) => self.alive(source, heartbeat),
                Err(fault) => self.is_lying(source, format!("{fault:?}")),
            },
            Shown::Problem(kind, start) => self.problem(source, kind, start),
        }
    }

    fn alive(&mut self, source: PublicKey, heartbeat: Heartbeat) {
        self.hand_aggregator(Input::Alive(source, heartbeat));
    }

    /// Blocks go in as long as there is room on the disk.
    fn release(&mut self, source: PublicKey) {
        let Some(process) = self.aggregator.as_mut().and_then(|m| m.process.as_mut()) else {
            return;
        };
        if process.is_short {
            return;
        }
        let Some(following) = process.following.get_mut(&source) else {
            return;
        };
        let held = std::mem::take(&mut following.held);
        following.inside += held.len() - std::mem::take(&mut following.held_before);
        for block in held {
            let block = Box::new(source_block(*block));
            self.hand_aggregator(Input::Block(source, block));
        }
    }

    /// There is room again.
    pub(super) fn release_all(&mut self) {
        let Some(process) = self.aggregator.as_ref().and_then(|m| m.process.as_ref()) else {
            return;
        };
        let sources: Vec<_> = process.following.keys().copied().collect();
        for source in sources {
            self.release(source);
        }
    }

    /// The core needs blocks of a source no longer.
    pub(super) fn source_done(&mut self, source: PublicKey, blocks: usize) {
        let Some(following) = self.following(&source) else {
            return;
        };
        let blocks = blocks.min(following.inside);
        following.inside -= blocks;
        let Some(stream) = following.stream else {
            return;
        };
        for _ in 0..blocks {
            self.let_go(stream);
        }
    }

    /// The subscription ended: it is begun again after a while.
    pub(crate) fn aggregator_lost(&mut self, source: Node, why: Broken) {
        let source = self.key_of(source);
        let random = self.random.next();
        let Some(following) = self.following(&source) else {
            return;
        };
        following.stream = None;
        following.failures += 1;
        let wait_ms = RECONNECT.wait_ms(following.failures, random);
        self.hand_aggregator(Input::Down(source, format!("{why:?}")));
        self.try_again(source, wait_ms * 1_000);
    }

    /// The source cannot begin where the core is.
    fn problem(&mut self, source: PublicKey, kind: Kind, start: Option<Cursor>) {
        let Some(process) = self.aggregator.as_mut().and_then(|m| m.process.as_mut()) else {
            return;
        };
        let position = process.aggregator.taken(&source);
        let Some(following) = process.following.get_mut(&source) else {
            return;
        };
        let stream = following.stream.take();
        let is_redirected = following.is_redirected;
        let waits = !following.held.is_empty();
        if let Some(stream) = stream {
            self.unsubscribe(stream);
        }
        let lost = |world: &mut Self| {
            let node = world.peer_of(&source).expect("sources are peers");
            world.aggregator_lost(node, Broken::Unreachable);
        };
        match (kind, start) {
            // What was read before goes in first.
            _ if waits => lost(self),
            // Its journal has no block yet.
            (Kind::UnknownIncarnation, None) => lost(self),
            (Kind::UnknownIncarnation | Kind::TooOld | Kind::Future, Some(start))
                if !is_redirected && redirect(start, position).is_some() =>
            {
                self.follow(source, Some(start));
            }
            _ => {
                self.hand_aggregator(Input::Down(source, format!("{kind:?}")));
                self.try_again(source, WAITING_US);
            }
        }
    }

    /// The source showed what does not verify.
    fn is_lying(&mut self, source: PublicKey, why: String) {
        let now_us = self.queue.now_us;
        self.trace
            .line(now_us, || format!("aggregator: {source:?} lies: {why}"));
        self.hand_aggregator(Input::Lying(source, why));
        self.source_lied(source);
    }

    /// A source is read from another place.
    pub(super) fn read_again(&mut self, source: PublicKey) {
        let Some(following) = self.following(&source) else {
            return;
        };
        if let Some(stream) = following.stream.take() {
            self.unsubscribe(stream);
            self.follow(source, None);
        } else {
            // A subscription that was lost is not taken up again, but begun where the core is.
            following.failures = 0;
        }
    }

    /// Nothing more is read of a source for a while.
    pub(super) fn source_lied(&mut self, source: PublicKey) {
        let Some(following) = self.following(&source) else {
            return;
        };
        following.failures = 0;
        if let Some(stream) = following.stream.take() {
            self.unsubscribe(stream);
            self.try_again(source, LYING_US);
        }
    }

    fn try_again(&mut self, source: PublicKey, us: u64) {
        let run = self.host(Node::Aggregator).run;
        let node = Node::Aggregator;
        self.queue.after(us, Event::Follows { node, run, source });
    }
}

fn source_block(shown: ShownBlock) -> SourceBlock {
    let entries = shown.entries.into_iter().map(|entry| SourceEntry {
        transaction: entry.transaction,
        records: entry.records,
        chain: entry.chain,
    });
    SourceBlock {
        block: shown.stored.block,
        entries: entries.collect(),
    }
}
