//! A digest of all events, and a text of them on request. Two runs of one seed must give the same of both.

use std::fmt::Write as _;

use kittengrad_proto::{block::Block, link::Message};

use crate::{host::Node, queue::Event, random::mix};

/// The events so far.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    digest: u64,
    /// The events as text, if the trace is written down.
    text: Option<String>,
}

impl Trace {
    /// Starts to write the events as text.
    pub(crate) fn write_down(&mut self) {
        self.text.get_or_insert_default();
    }

    /// The digest of all events so far.
    pub(crate) const fn digest(&self) -> u64 {
        self.digest
    }

    /// The text so far; empty if none is written.
    pub(crate) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Appends a line to the text, if one is written.
    pub(crate) fn line(&mut self, now_us: u64, line: impl FnOnce() -> String) {
        if let Some(text) = &mut self.text {
            let (s, us) = (now_us / 1_000_000, now_us % 1_000_000);
            writeln!(text, "{s:4}.{us:06} {}", line()).unwrap();
        }
    }

    /// Adds an event to digest and text.
    pub(crate) fn note(&mut self, now_us: u64, event: &Event) {
        let (kind, node, detail) = digest_of(event);
        for word in [now_us, kind, node, detail] {
            self.digest = mix(self.digest ^ word).wrapping_add(1);
        }
        if self.text.is_some()
            && let Some(line) = line_of(event)
        {
            self.line(now_us, || line);
        }
    }
}

const fn number_of(node: &Node) -> u64 {
    match node {
        Node::Peer(member) => *member as u64,
        Node::Aggregator => 1_000_000,
        Node::Indexer => 1_000_001,
        Node::Client(client) => 2_000_000 + *client as u64,
    }
}

fn digest_of(event: &Event) -> (u64, u64, u64) {
    let node = event.node().map_or(u64::MAX, |node| number_of(&node));
    match event {
        Event::Arrives { from, message, .. } => (0, node, mix(*from as u64) ^ digest(message)),
        Event::Reaches { run, .. } => (1, node, *run),
        Event::Notices { connection, .. } => (2, node, *connection),
        Event::Round { run, .. } => (3, node, *run),
        Event::Synced { run, .. } => (4, node, *run),
        Event::Tick { run, .. } => (5, node, *run),
        Event::Dial => (6, node, 0),
        Event::Silent { connection, .. } => (7, node, *connection),
        Event::Asked { call, .. } => (8, node, *call),
        Event::Answered { call, .. } => (9, node, *call),
        Event::Overdue { call, .. } => (10, node, *call),
        Event::Due { ask, .. } => (11, node, *ask),
        Event::Opens { stream, .. } => (12, node, *stream),
        Event::Frame { stream, .. } => (13, node, *stream),
        Event::Breaks { stream, .. } => (14, node, *stream),
        Event::Beats { stream, .. } => (15, node, *stream),
        Event::Listens { stream, .. } => (16, node, *stream),
        Event::Follows { run, .. } => (17, node, *run),
        Event::Speaks { run, .. } => (18, node, *run),
        Event::Questions { at, .. } => (22, node, at.monotonic_ms),
        Event::Tells { at, .. } => (23, node, at.monotonic_ms),
        Event::Restarts { node, run } => (19, number_of(node), *run),
        Event::Strikes(kind) => (20, node, *kind as u64),
        Event::Passes(_) => (21, node, 0),
    }
}

/// Describes an event that is worth reading. The others only enter the digest.
fn line_of(event: &Event) -> Option<String> {
    Some(match event {
        Event::Arrives {
            from, to, message, ..
        } => format!("peer {to} <- peer {from}: {}", name_of(message)),
        Event::Notices { node, partner, .. } => format!("{node} lost its link to {partner:?}"),
        Event::Round { node, .. } => format!("{node} begins a round"),
        Event::Synced { node, .. } => format!("{node} has synced"),
        Event::Asked { node, call } => format!("{node} is asked (call {call})"),
        Event::Answered { node, call, answer } => {
            format!("{node} is answered (call {call}): {}", answered(answer))
        }
        Event::Overdue { .. } | Event::Due { .. } | Event::Beats { .. } => return None,
        Event::Opens { node, stream, from } => {
            format!("{node} shows its journal from {from:?} (stream {stream})")
        }
        Event::Frame {
            node,
            stream,
            shown,
        } => format!("{node} reads (stream {stream}) {}", shown_name(shown)),
        Event::Breaks { node, stream, why } => {
            format!("{node} reads no more (stream {stream}): {why:?}")
        }
        Event::Restarts { node, .. } => format!("{node} is started again, unless it runs"),
        Event::Passes(relief) => format!("passes: {relief:?}"),
        _ => return None,
    })
}

fn answered(answer: &crate::calls::Answer) -> String {
    use crate::calls::Answer;
    match answer {
        Answer::Submitted(submitted) if submitted.is_acknowledged => "acknowledged".to_owned(),
        Answer::Submitted(submitted) => format!("on {} disks only", submitted.synced.len()),
        Answer::Looked(looked) => format!("{} sets", looked.sets.len()),
        Answer::Records(records) => format!("{} records", records.len()),
        Answer::Refused(code) => format!("refused, {code}"),
        Answer::Unreachable => "unreachable".to_owned(),
        Answer::TimedOut => "timed out".to_owned(),
    }
}

fn shown_name(shown: &crate::stream::StreamFrame) -> String {
    use crate::stream::StreamFrame;
    match shown {
        StreamFrame::Block(block) => {
            let header = &block.stored.block.header;
            let (incarnation, height) = (header.incarnation, header.height);
            format!("block {incarnation}/{height} of {:?}", header.peer)
        }
        StreamFrame::Alive(beat) => format!("head {:?}", beat.heartbeat.head),
        StreamFrame::Problem(kind, start) => format!("problem {kind:?}, start {start:?}"),
    }
}

fn name_of(message: &Message) -> String {
    match message {
        Message::Hello(hello) => {
            let (head, seen) = (hello.head, hello.seen.as_ref());
            let (open, settled) = (hello.is_open, hello.is_settled);
            format!("hello, head {head:?}, seen {seen:?}, open {open}, settled {settled}")
        }
        Message::Push(push) => format!("push of {:?}", push.transaction.id()),
        Message::PushResult(result) => {
            let id = result.id;
            match &result.outcome {
                Ok(proofs) => format!("{} proofs of {id:?}", proofs.len()),
                Err(why) => format!("refusal of {id:?}: {why}"),
            }
        }
        Message::Follow {
            incarnation,
            from_height,
        } => format!("follow {incarnation}/{from_height}"),
        Message::Frames(frames) => {
            let first = frames.blocks.first().map(Block::head);
            let count = frames.blocks.len();
            format!("{count} blocks from {first:?}, head {:?}", frames.head)
        }
        Message::Fetch(ids) => format!("fetch of {ids:?}"),
        Message::Bodies { bodies, missing } => {
            let ids: Vec<_> = bodies.iter().map(|body| body.transaction.id()).collect();
            format!("bodies of {ids:?}, not {missing:?}")
        }
        Message::Alive(heartbeat) => format!("alive, head {:?}", heartbeat.head),
    }
}

/// Returns a number that usually differs for different messages.
fn digest(message: &Message) -> u64 {
    let name =
        |bytes: &[u8; 32]| u64::from_be_bytes(*bytes.first_chunk().expect("32 are more than 8"));
    match message {
        Message::Hello(hello) => hello.head.map_or(1, |head| name(head.hash.as_bytes())),
        Message::Push(push) => name(push.transaction.id().as_bytes()),
        Message::PushResult(result) => {
            name(result.id.as_bytes()).wrapping_add(u64::from(result.outcome.is_ok()))
        }
        Message::Follow {
            incarnation,
            from_height,
        } => mix(*incarnation) ^ from_height,
        Message::Frames(frames) => {
            let head = frames.head.map_or(2, |head| name(head.hash.as_bytes()));
            head ^ frames.blocks.len() as u64
        }
        Message::Fetch(ids) => ids
            .iter()
            .map(|id| name(id.as_bytes()))
            .fold(3, |a, b| mix(a ^ b)),
        Message::Bodies { bodies, missing } => mix(bodies.len() as u64) ^ missing.len() as u64,
        Message::Alive(heartbeat) => name(heartbeat.head.hash.as_bytes()),
    }
}
