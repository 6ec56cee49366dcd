//! How an indexer follows the aggregator's journal.

use kittengrad_client_core::routing::Backoff;
use kittengrad_indexer_core::{
    Block, Input, Last, Transaction,
    follow::{End, Next},
};
use kittengrad_journal::FollowError;
use kittengrad_proto::{cursor::Cursor, wire::cursor_problem::Kind};

use crate::{
    host::Node,
    queue::Event,
    stream::{Broken, Fault, Reader, StreamBlock, StreamFrame, Went},
    world::World,
};

/// Blocks that wait for the driver, at most.
const WINDOW: usize = 16;

/// The pauses between connections, as in the SDK.
const RECONNECT: Backoff = Backoff {
    base_ms: 200,
    max_ms: 10_000,
};

impl World {
    /// Subscribes at the reader's position.
    pub(crate) fn indexer_follows(&mut self, run: u64) {
        let Some(machine) = self.indexer.as_mut().filter(|m| m.host.runs(run)) else {
            return;
        };
        let process = machine.process.as_mut().expect("it runs");
        if process.stream.is_some() {
            return;
        }
        let from = process.reader.from();
        let stream = self.subscribe(Node::Indexer, Node::Aggregator, from, WINDOW, true);
        let process = self.indexer.as_mut().and_then(|m| m.process.as_mut());
        process.expect("it runs").stream = Some(stream);
    }

    /// Handles a frame of the aggregator's journal.
    pub(crate) fn indexer_reads(&mut self, stream: u64, shown: StreamFrame) {
        let verifier = self.scheme.verifier();
        let Some(process) = self.indexer.as_mut().and_then(|m| m.process.as_mut()) else {
            return;
        };
        if process.stream != Some(stream) {
            return;
        }
        process.failures = 0;
        match shown {
            StreamFrame::Block(block) => match process.reader.accept(&block, &*verifier) {
                Ok(Went::On) => {
                    let block = block_of(*block, &self.vouched);
                    process.following.read(block.last);
                    self.hand_indexer(Input::Block(block), Some(stream));
                }
                Ok(Went::Known) => self.let_go(stream),
                Err(Fault::Follow(FollowError::Link { .. } | FollowError::Equivocation { .. })) => {
                    self.cannot_read(stream, End::Other, "it is another journal".to_owned());
                }
                Err(fault) => self.cannot_read(stream, End::Failed, format!("{fault:?}")),
            },
            StreamFrame::Alive(heartbeat) => {
                if let Err(fault) = process.reader.heartbeat(&heartbeat.heartbeat, &*verifier) {
                    self.cannot_read(stream, End::Failed, format!("{fault:?}"));
                }
            }
            StreamFrame::Problem(kind, start) => self.index_problem(stream, kind, start),
        }
    }

    fn index_problem(&mut self, stream: u64, kind: Kind, start: Option<Cursor>) {
        match (kind, start) {
            (Kind::UnknownIncarnation, None) => {
                self.unsubscribe(stream);
                self.indexer_lost(Broken::Unreachable);
            }
            (Kind::UnknownIncarnation, Some(_)) => {
                self.cannot_read(stream, End::Other, format!("{kind:?}"));
            }
            (Kind::TooOld | Kind::Future, Some(start)) => {
                self.cannot_read(stream, End::Moved(start), format!("{kind:?}"));
            }
            _ => self.cannot_read(stream, End::Failed, format!("{kind:?}")),
        }
    }

    /// Handles the end of a subscription for a reason other than a lost connection.
    fn cannot_read(&mut self, stream: u64, end: End, why: String) {
        let now_us = self.queue.now_us;
        let journal = self.key_of(Node::Aggregator);
        let random = self.random.next();
        let Some(process) = self.indexer.as_mut().and_then(|m| m.process.as_mut()) else {
            return;
        };
        process.stream = None;
        let (next, pause_ms) = process.following.ended(end, random);
        process.reader = Reader::new(journal, process.following.begin());
        self.trace
            .line(now_us, || format!("indexer cannot read: {why}"));
        self.unsubscribe(stream);
        if next == Next::Again {
            self.hand_indexer(Input::Again(journal), None);
        }
        self.index_again(pause_ms * 1_000);
    }

    /// Handles a lost subscription: it starts again after a pause.
    pub(crate) fn indexer_lost(&mut self, _why: Broken) {
        let random = self.random.next();
        let Some(process) = self.indexer.as_mut().and_then(|m| m.process.as_mut()) else {
            return;
        };
        process.stream = None;
        process.failures += 1;
        let wait_ms = RECONNECT.wait_ms(process.failures, random);
        self.index_again(wait_ms * 1_000);
    }

    fn index_again(&mut self, us: u64) {
        let source = self.key_of(Node::Aggregator);
        let run = self.host(Node::Indexer).run;
        let node = Node::Indexer;
        self.queue.after(us, Event::Follows { node, run, source });
    }
}

fn block_of(shown: StreamBlock, vouched: &crate::keys::Vouched) -> Block {
    let header = &shown.stored.block.header;
    let last = Last {
        journal: header.peer,
        head: header.head(),
        time_ms: header.time_ms,
    };
    let transactions = shown
        .entries
        .into_iter()
        .flatten()
        .map(|entry| Transaction {
            publisher: entry.transaction.publisher(),
            publisher_name: vouched
                .get(&entry.chain.id())
                .map(|holder| holder.name.clone()),
            created_ms: entry.transaction.envelope().created_ms,
            added: entry.added,
            records: entry.records,
        });
    Block {
        last,
        transactions: transactions.collect(),
    }
}
