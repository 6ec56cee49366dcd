//! How an aggregator follows its sources: subscriptions that end are begun again from where the core is.

use std::collections::VecDeque;

use kittengrad_aggregator_core::{
    Input, SourceBlock, SourceEntry,
    follow::{self, End},
};
use kittengrad_client_core::routing::Backoff;
use kittengrad_journal::Follower;
use kittengrad_proto::{
    cursor::Cursor, id::PublicKey, identity::Heartbeat, wire::cursor_problem::Kind,
};

use super::reading::Following;
use crate::{
    host::Node,
    queue::Event,
    stream::{Broken, Reader, StreamBlock, StreamFrame, Went},
    world::World,
};

/// Waits between connections, as the SDK has them.
const RECONNECT: Backoff = Backoff {
    base_ms: 200,
    max_ms: 10_000,
};

impl World {
    /// A source is followed from where the core is, or from where the source said.
    fn follow(&mut self, source: PublicKey) {
        let Some(process) = self.aggregator.as_mut().and_then(|m| m.process.as_mut()) else {
            return;
        };
        let plan = process.following.remove(&source).map(|of| of.plan);
        let plan = plan.unwrap_or_else(|| follow::Following::new(source));
        let reader = Reader::new(source, plan.start(process.driver.taken(&source)));
        let following = Following {
            stream: None,
            reader,
            plan,
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
            self.follow(source);
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
    pub(crate) fn aggregator_reads(&mut self, stream: u64, source: Node, shown: StreamFrame) {
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
            StreamFrame::Block(block) => match following.reader.accept(&block, &*verifier) {
                Ok(Went::On) => {
                    following.held.push_back(block);
                    self.release(source);
                }
                Ok(Went::Known) => self.let_go(stream),
                Err(fault) => self.lies(source, format!("{fault:?}")),
            },
            StreamFrame::Alive(heartbeat) => {
                match following.reader.heartbeat(&heartbeat, &*verifier) {
                    Ok(()) => self.alive(source, heartbeat),
                    Err(fault) => self.lies(source, format!("{fault:?}")),
                }
            }
            StreamFrame::Problem(kind, start) => self.problem(source, kind, start),
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
        let taken = process.driver.taken(&source);
        let Some(following) = process.following.get_mut(&source) else {
            return;
        };
        // What was read before goes in first.
        let waits = !following.held.is_empty();
        let has_no_block = kind == Kind::UnknownIncarnation && start.is_none();
        if waits || has_no_block {
            if let Some(stream) = following.stream.take() {
                self.unsubscribe(stream);
            }
            let node = self.peer_of(&source).expect("sources are peers");
            return self.aggregator_lost(node, Broken::Unreachable);
        }
        let why = format!("{kind:?}");
        self.ended(source, End::Refused { start, why }, taken);
    }

    /// A subscription is over, and not only lost.
    fn ended(&mut self, source: PublicKey, end: End, taken: Option<Follower>) {
        let Some(following) = self.following(&source) else {
            return;
        };
        following.failures = 0;
        let stream = following.stream.take();
        let next = following.plan.ended(end, taken);
        if let Some(input) = next.tell {
            self.hand_aggregator(input);
        }
        // One that was lost is begun again when its pause is over, where the core is then.
        let Some(stream) = stream else {
            return;
        };
        self.unsubscribe(stream);
        match next.pause_ms {
            0 => self.follow(source),
            ms => self.try_again(source, ms * 1_000),
        }
    }

    /// The source showed what does not verify.
    fn lies(&mut self, source: PublicKey, why: String) {
        let now_us = self.queue.now_us;
        self.trace
            .line(now_us, || format!("aggregator: {source:?} lies: {why}"));
        self.ended(source, End::Tampered(why), None);
    }

    /// A source is read from another place.
    pub(super) fn read_again(&mut self, source: PublicKey) {
        self.ended(source, End::Behind, None);
    }

    /// Nothing more is read of a source for a while.
    pub(super) fn source_lied(&mut self, source: PublicKey) {
        self.ended(source, End::Lied, None);
    }

    fn try_again(&mut self, source: PublicKey, us: u64) {
        let run = self.host(Node::Aggregator).run;
        let node = Node::Aggregator;
        self.queue.after(us, Event::Follows { node, run, source });
    }
}

fn source_block(shown: StreamBlock) -> SourceBlock {
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
