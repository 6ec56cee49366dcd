//! How an aggregator follows its sources. A subscription that ended starts again at the core's position.

use std::collections::VecDeque;

use kittengrad_aggregator_core::{
    Input, Mode, SourceBlock, SourceEntry,
    follow::{self, End},
};
use kittengrad_client_core::routing::Backoff;
use kittengrad_journal::Follower;
use kittengrad_proto::{cursor::Cursor, id::PublicKey, identity::Beat, wire::cursor_problem::Kind};

use super::reading::Following;
use crate::{
    host::Node,
    queue::Event,
    stream::{Broken, Reader, StreamBlock, StreamEntry, StreamFrame, Went},
    world::World,
};

/// The pauses between connections, as in the SDK.
const RECONNECT: Backoff = Backoff {
    base_ms: 200,
    max_ms: 10_000,
};

impl World {
    /// Follows a source from the core's position, or from the start that the source named.
    fn follow(&mut self, source: PublicKey) {
        let Some(process) = self.aggregator.as_mut().and_then(|m| m.process.as_mut()) else {
            return;
        };
        let plan = process.following.remove(&source).map(|of| of.plan);
        let plan = plan.unwrap_or_else(|| follow::Following::new(source));
        let reader = Reader::new(source, plan.start(process.driver.taken(&source).as_ref()));
        let following = Following {
            stream: None,
            reader,
            plan,
            mode: process.driver.mode(&source),
            failures: 0,
            held: VecDeque::new(),
            held_before: 0,
            inside: 0,
        };
        process.following.insert(source, following);
        self.reconnect(source);
    }

    /// Follows a source again after a pause. A lost subscription continues with its reader; others start at the core's
    /// position.
    pub(crate) fn follows(&mut self, run: u64, source: PublicKey) {
        let Some(machine) = self.aggregator.as_mut().filter(|m| m.host.runs(run)) else {
            return;
        };
        let process = machine.process.as_mut().expect("it runs");
        if !process.planned.contains(&source) {
            return;
        }
        match process.following.get(&source) {
            Some(following) if following.failures > 0 => self.reconnect(source),
            Some(_) => {
                self.hand_aggregator(Input::Retry(source));
                self.follow(source);
            }
            // Only the follower that ended sends a retry. This one is new.
            None => self.follow(source),
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
        let has_bodies = following.mode == Mode::Read;
        let stream = self.subscribe(Node::Aggregator, node, from, window, has_bodies);
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

    /// Handles a frame of a source.
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
                Err(fault) => {
                    let evidence = following.reader.accuse(&block.stored.block, &fault);
                    if let Some(evidence) = evidence.map(Box::new) {
                        let by = source;
                        self.hand_aggregator(Input::Evidence { by, evidence });
                    }
                    self.lies(source, format!("{fault:?}"));
                }
            },
            StreamFrame::Alive(beat) => {
                match following.reader.heartbeat(&beat.heartbeat, &*verifier) {
                    Ok(()) => self.alive(source, beat),
                    Err(fault) => self.lies(source, format!("{fault:?}")),
                }
            }
            StreamFrame::Problem(kind, start) => self.problem(source, kind, start),
        }
    }

    fn alive(&mut self, source: PublicKey, beat: Box<Beat>) {
        self.hand_aggregator(Input::Alive(source, beat));
    }

    /// Gives held blocks to the core, unless the disk is short of space.
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

    /// Gives all held blocks to the core once the disk has space again.
    pub(super) fn release_all(&mut self) {
        let Some(process) = self.aggregator.as_ref().and_then(|m| m.process.as_ref()) else {
            return;
        };
        let sources: Vec<_> = process.following.keys().copied().collect();
        for source in sources {
            self.release(source);
        }
    }

    /// Frees window space for blocks that the core no longer needs.
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

    /// Handles a lost subscription: it starts again after a pause.
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

    /// Handles a source that cannot start at the core's position.
    fn problem(&mut self, source: PublicKey, kind: Kind, start: Option<Cursor>) {
        let Some(process) = self.aggregator.as_mut().and_then(|m| m.process.as_mut()) else {
            return;
        };
        let taken = process.driver.taken(&source);
        let Some(following) = process.following.get_mut(&source) else {
            return;
        };
        // Blocks that were read before go in first.
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

    /// Handles the end of a subscription for a reason other than a lost connection.
    fn ended(&mut self, source: PublicKey, end: End, taken: Option<Follower>) {
        let Some(following) = self.following(&source) else {
            return;
        };
        following.failures = 0;
        let stream = following.stream.take();
        let next = following.plan.ended(end, taken.as_ref());
        if let Some(input) = next.tell {
            self.hand_aggregator(input);
        }
        // A lost subscription starts again at the end of its pause, at the core's position then.
        let Some(stream) = stream else {
            return;
        };
        self.unsubscribe(stream);
        match next.pause_ms {
            0 => self.follow(source),
            ms => self.try_again(source, ms * 1_000),
        }
    }

    /// Ends a subscription whose source sent a block or heartbeat that does not verify.
    fn lies(&mut self, source: PublicKey, why: String) {
        let now_us = self.queue.now_us;
        self.trace
            .line(now_us, || format!("aggregator: {source:?} lies: {why}"));
        self.ended(source, End::Tampered(why), None);
    }

    /// Reads a source again from the position that the core then has.
    pub(super) fn read_again(&mut self, source: PublicKey) {
        self.ended(source, End::Behind, None);
    }

    /// Reads a source in the mode that the core then has, from the position that it then has.
    pub(super) fn read_otherwise(&mut self, source: PublicKey) {
        self.ended(source, End::Mode, None);
    }

    /// Pauses a source that lied.
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
    let entry = |entry: StreamEntry| SourceEntry {
        transaction: entry.transaction,
        records: entry.records,
        chain: entry.chain,
    };
    SourceBlock {
        block: shown.stored.block,
        entries: shown
            .entries
            .map(|entries| entries.into_iter().map(entry).collect()),
    }
}
