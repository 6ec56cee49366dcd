//! Subscriptions: a journal's owner sends its blocks, one after another, to each reader.
//!
//! The order of frames is that of the service: blocks from the requested place on, as fast as the reader takes them,
//! then heartbeats. The service's own code decides where a subscription starts.

mod frame;
mod reader;

use std::{collections::BTreeMap, sync::Arc};

use kittengrad_journal::{
    BlockStore, ChainStore, RecordStore, StoreError, StoredBlock, Tip, entries,
    place::{self, Extent, Place, Start},
};
use kittengrad_proto::{
    certificate::Chain,
    cursor::Cursor,
    id::PublicKey,
    identity::{Beat, Heartbeat, HeartbeatFields},
};

pub(crate) use frame::{Broken, Stream, StreamBlock, StreamEntry, StreamFrame, Streams};
pub(crate) use place::Beginning;
pub(crate) use reader::{Fault, Reader, Went};

use crate::{disk::SimDisk, host::Node, queue::Event, world::World};

/// A journal that sent nothing for this long sends its head again, in microseconds.
const BEAT_US: u64 = 1_000_000;
/// A subscription without a frame for this long starts again, in microseconds.
const SILENCE_US: u64 = 20_000_000;

impl World {
    /// Subscribes to a journal, with the bodies of its transactions or without.
    pub(crate) fn subscribe(
        &mut self,
        reader: Node,
        source: Node,
        from: Beginning,
        window: usize,
        has_bodies: bool,
    ) -> u64 {
        self.streams.count += 1;
        let stream = self.streams.count;
        let now_us = self.queue.now_us;
        let entry = Stream {
            reader,
            reader_run: self.host(reader).run,
            source,
            has_bodies,
            source_run: None,
            place: None,
            flying: 0,
            window,
            busy_until_us: 0,
            has_heard_head: false,
            said_us: now_us,
            heard_us: now_us,
        };
        self.streams.streams.insert(stream, entry);
        if !self.network.is_blocked(reader, source) {
            let us = self.way_us(reader, source);
            let node = source;
            self.queue.after(us, Event::Opens { node, stream, from });
        }
        let node = reader;
        self.queue
            .after(SILENCE_US, Event::Listens { node, stream });
        stream
    }

    /// Handles a subscription that reaches the journal's owner.
    pub(crate) fn opens(&mut self, stream: u64, from: Beginning) {
        let Some(entry) = self.streams.streams.get(&stream) else {
            return;
        };
        let source = entry.source;
        let host = self.host(source);
        if !host.is_up {
            return self.breaks(stream, Broken::Unreachable);
        }
        let run = host.run;
        let (tip, own) = (self.tip(source), self.key_of(source));
        let disk = self.disk(source).expect("a journal's owner has a disk");
        match place::start(from, own, tip, disk) {
            Err(_) => self.breaks(stream, Broken::Unreachable),
            Ok(Start::Problem(problem)) => self.send_frame(stream, problem_of(&problem)),
            Ok(Start::At(place)) => {
                if let Some(entry) = self.streams.streams.get_mut(&stream) {
                    entry.source_run = Some(run);
                    entry.place = place;
                }
                self.queue.after(
                    BEAT_US,
                    Event::Beats {
                        node: source,
                        stream,
                    },
                );
                self.pump(stream);
            }
        }
        self.notice_damage(source);
    }

    /// Sends new blocks to all readers of this journal.
    pub(crate) fn pump_all(&mut self, source: Node) {
        let streams = self.streams.streams.iter();
        let of_source = streams.filter(|(_, stream)| stream.source == source);
        let streams: Vec<_> = of_source.map(|(number, _)| *number).collect();
        for stream in streams {
            self.pump(stream);
        }
    }

    /// Releases a block of the window.
    pub(crate) fn let_go(&mut self, stream: u64) {
        if let Some(entry) = self.streams.streams.get_mut(&stream) {
            entry.flying = entry.flying.saturating_sub(1);
            self.pump(stream);
        }
    }

    /// Sends as many blocks as the window allows.
    fn pump(&mut self, stream: u64) {
        loop {
            let Some(entry) = self.streams.streams.get(&stream) else {
                return;
            };
            let source = entry.source;
            let Some(run) = entry.source_run else { return };
            if !self.host(source).runs(run) || entry.flying >= entry.window {
                return;
            }
            let Some(tip) = self.tip(source) else { return };
            let disk = self.disk(source).expect("a journal's owner has a disk");
            let next = next_of(entry.place, tip, disk, |stored| {
                let entries = entry
                    .has_bodies
                    .then(|| load(&stored, disk, &self.overlay, &self.chains));
                let entries = entries.transpose()?;
                Ok(StreamBlock { stored, entries })
            });
            match next {
                Err(_) => {
                    self.breaks(stream, Broken::Unreachable);
                    return self.notice_damage(source);
                }
                Ok(Next::Level) => return self.level(stream),
                Ok(Next::Gone) => return self.breaks(stream, Broken::Unreachable),
                Ok(Next::Block(block, place)) => {
                    if let Some(entry) = self.streams.streams.get_mut(&stream) {
                        entry.place = Some(place);
                        entry.flying += 1;
                        entry.has_heard_head = false;
                    }
                    let block = Box::new(self.sent_block(source, *block));
                    self.send_frame(stream, StreamFrame::Block(block));
                }
            }
        }
    }

    /// Sends the head once to a reader that has read everything.
    fn level(&mut self, stream: u64) {
        if let Some(entry) = self.streams.streams.get_mut(&stream)
            && !entry.has_heard_head
        {
            entry.has_heard_head = true;
            self.beat(stream);
        }
    }

    fn beat(&mut self, stream: u64) {
        let Some(entry) = self.streams.streams.get(&stream) else {
            return;
        };
        let source = entry.source;
        if let Some(beat) = self.signed_head(source) {
            self.send_frame(stream, StreamFrame::Alive(Box::new(beat)));
        }
    }

    /// The head of a journal with the owner's last statement about its set, signed now.
    pub(crate) fn signed_head(&self, owner: Node) -> Option<Beat> {
        let head = self.tip(owner)?.head;
        let statement = self
            .statement(owner)
            .filter(|of| of.incarnation == head.incarnation && of.checkpoint.height <= head.height);
        let statement = statement.map(|statement| self.told_statement(owner, statement));
        let fields = HeartbeatFields {
            head,
            time_ms: self.host(owner).wall_ms(self.queue.now_us),
            nonce: None,
            checkpoint: statement.as_ref().map(|of| of.checkpoint.clone()),
        };
        let signer = self.signer(owner);
        Some(Beat {
            heartbeat: Heartbeat::sign_fields(&self.overlay, fields, &*signer),
            through: statement.map_or_else(Default::default, |of| of.through.clone()),
        })
    }

    /// Sends the head again if nothing was sent for [`BEAT_US`].
    pub(crate) fn beats(&mut self, stream: u64) {
        let Some(entry) = self.streams.streams.get(&stream) else {
            return;
        };
        let (source, said_us) = (entry.source, entry.said_us);
        if !entry
            .source_run
            .is_some_and(|run| self.host(source).runs(run))
        {
            return;
        }
        if self.queue.now_us - said_us >= BEAT_US {
            self.beat(stream);
        }
        self.queue.after(
            BEAT_US,
            Event::Beats {
                node: source,
                stream,
            },
        );
    }

    /// Sends a frame to the reader.
    fn send_frame(&mut self, stream: u64, shown: StreamFrame) {
        let Some(entry) = self.streams.streams.get(&stream) else {
            return;
        };
        let (source, reader) = (entry.source, entry.reader);
        self.messages += 1;
        if self.network.is_blocked(source, reader) {
            // The transport retries until the connection is given up, and nothing overtakes the frame.
            return self.lose(stream);
        }
        let us = self.way_us(source, reader) * self.host(reader).slowness;
        let now_us = self.queue.now_us;
        if let Some(entry) = self.streams.streams.get_mut(&stream) {
            entry.busy_until_us = entry.busy_until_us.max(now_us + us);
            entry.said_us = now_us;
            let node = reader;
            let at_us = entry.busy_until_us;
            self.queue.at(
                at_us,
                Event::Frame {
                    node,
                    stream,
                    shown,
                },
            );
        }
    }

    /// Loses a frame and all frames after it. The reader notices by the silence.
    fn lose(&mut self, stream: u64) {
        if let Some(entry) = self.streams.streams.get_mut(&stream) {
            entry.source_run = None;
        }
    }

    /// Ends a subscription at its source. The reader learns of the end unless the way is blocked.
    fn breaks(&mut self, stream: u64, why: Broken) {
        let Some(entry) = self.streams.streams.get_mut(&stream) else {
            return;
        };
        entry.source_run = None;
        let (source, reader) = (entry.source, entry.reader);
        let busy_until_us = entry.busy_until_us;
        if !self.network.is_blocked(source, reader) {
            let us = self.way_us(source, reader);
            let at_us = busy_until_us.max(self.queue.now_us + us);
            let node = reader;
            self.queue.at(at_us, Event::Breaks { node, stream, why });
        }
    }

    /// Breaks a subscription without a frame for [`SILENCE_US`].
    pub(crate) fn listens(&mut self, stream: u64) {
        let Some(entry) = self.streams.streams.get(&stream) else {
            return;
        };
        let (node, quiet_from_us) = (entry.reader, entry.heard_us + SILENCE_US);
        if quiet_from_us <= self.queue.now_us {
            return self.broken(stream, Broken::Silent);
        }
        self.queue
            .at(quiet_from_us, Event::Listens { node, stream });
    }

    /// Gives a frame to its reader.
    pub(crate) fn frame(&mut self, stream: u64, shown: StreamFrame) {
        let now_us = self.queue.now_us;
        let Some(entry) = self.streams.streams.get_mut(&stream) else {
            return;
        };
        entry.heard_us = now_us;
        let (reader, run, source) = (entry.reader, entry.reader_run, entry.source);
        if !self.host(reader).runs(run) {
            return;
        }
        match reader {
            Node::Aggregator => self.aggregator_reads(stream, source, shown),
            Node::Indexer => self.indexer_reads(stream, shown),
            Node::Peer(_) | Node::Client(_) => {}
        }
    }

    /// Tells a reader that its subscription ended.
    pub(crate) fn broken(&mut self, stream: u64, why: Broken) {
        let Some(entry) = self.streams.streams.remove(&stream) else {
            return;
        };
        if !self.host(entry.reader).runs(entry.reader_run) {
            return;
        }
        match entry.reader {
            Node::Aggregator => self.aggregator_lost(entry.source, why),
            Node::Indexer => self.indexer_lost(why),
            Node::Peer(_) | Node::Client(_) => {}
        }
    }

    /// Ends the subscriptions of a process that ended: drops those that it reads, and breaks those that it serves.
    pub(crate) fn hang_up_streams(&mut self, node: Node) {
        self.streams
            .streams
            .retain(|_, stream| stream.reader != node);
        let streams = self.streams.streams.iter();
        let served =
            streams.filter(|(_, stream)| stream.source == node && stream.source_run.is_some());
        let served: Vec<_> = served.map(|(number, _)| *number).collect();
        for stream in served {
            self.breaks(stream, Broken::Unreachable);
        }
    }

    /// Ends a subscription on the reader's side.
    pub(crate) fn unsubscribe(&mut self, stream: u64) {
        self.streams.streams.remove(&stream);
    }

    /// The key of a journal's owner.
    pub(crate) fn key_of(&self, node: Node) -> PublicKey {
        self.signer(node).public()
    }
}

enum Next {
    Level,
    Block(Box<StreamBlock>, Place),
    Gone,
}

/// The next block at or after a place, and the place after the block.
fn next_of(
    place: Option<Place>,
    tip: Tip,
    disk: &SimDisk,
    load: impl Fn(StoredBlock) -> Result<StreamBlock, StoreError>,
) -> Result<Next, StoreError> {
    let place = match place {
        Some(place) => Some(place),
        None => place::oldest(Some(tip), disk)?,
    };
    let Some(mut place) = place else {
        return Ok(Next::Level);
    };
    loop {
        if place > Place::of(tip.head) {
            return Ok(Next::Level);
        }
        if let Some(stored) = disk.block(place.incarnation, place.height)? {
            let block = load(stored)?;
            return Ok(Next::Block(Box::new(block), place.next()));
        }
        match place::extent(place.incarnation, tip, disk)? {
            Extent::Known {
                last,
                following: Some(following),
            } if place.height > last => place = following,
            _ => return Ok(Next::Gone),
        }
    }
}

/// The transactions of a block with their records and chains.
fn load(
    stored: &StoredBlock,
    disk: &SimDisk,
    overlay: &kittengrad_proto::namespace::Overlay,
    chains: &BTreeMap<kittengrad_proto::id::Id, Arc<Chain>>,
) -> Result<Vec<StreamEntry>, StoreError> {
    let mut shown = Vec::new();
    for entry in entries(disk, overlay, &stored.block)? {
        let id = entry.transaction.envelope().chain;
        let chain = disk.chain(&id)?.and_then(|_| chains.get(&id));
        let missing = || StoreError::Damaged(format!("certificate chain {id} is gone"));
        let chain = Arc::clone(chain.ok_or_else(missing)?);
        let added = entry.added.iter();
        let mut ids: Vec<_> = added.clone().filter_map(|element| element.update).collect();
        let inserts = entry.transaction.entries().iter().filter(|of| of.insert);
        let is_added = |canonical| {
            entry
                .added
                .iter()
                .any(|element| element.canonical == canonical)
        };
        ids.extend(inserts.map(|of| of.canonical).filter(|id| is_added(*id)));
        let found = ids.iter().zip(disk.records(&ids)?);
        let records = found
            .filter_map(|(id, record)| Some((*id, record?)))
            .collect();
        shown.push(StreamEntry {
            transaction: Arc::new(entry.transaction),
            added: entry.added,
            records,
            chain,
        });
    }
    Ok(shown)
}

fn problem_of(problem: &kittengrad_proto::wire::CursorProblem) -> StreamFrame {
    let start = problem
        .start
        .as_ref()
        .map(|start| Cursor::from_wire(Some(start)));
    let start = start.transpose().expect("our own cursors are cursors");
    StreamFrame::Problem(problem.kind(), start)
}
