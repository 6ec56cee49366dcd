//! A digest of everything that happened: two runs of one seed must have the same.

use kittengrad_proto::link::Message;

use super::{Cluster, events::Event, random::mix};

impl Cluster {
    /// Names everything that happened so far.
    pub(crate) const fn trace(&self) -> u64 {
        self.trace
    }

    /// Adds an event to the digest of everything that happened.
    pub(super) fn note(&mut self, event: &Event) {
        let (kind, member, what) = match event {
            Event::Arrives {
                from, to, message, ..
            } => (0, *to, mix(*from as u64) ^ digest(message)),
            Event::Reaches { member, .. } => (1, *member, 0),
            Event::Notices { member, .. } => (2, *member, 0),
            Event::Round { member, .. } => (3, *member, 0),
            Event::Synced { member, .. } => (4, *member, 0),
            Event::Tick { member, .. } => (5, *member, 0),
            Event::Dial => (6, 0, 0),
        };
        for word in [self.queue.now_us, kind, member as u64, what] {
            self.trace = mix(self.trace ^ word).wrapping_add(1);
        }
    }
}

/// A number that differs for messages that differ, as a rule.
fn digest(message: &Message) -> u64 {
    let name =
        |bytes: &[u8; 32]| u64::from_be_bytes(*bytes.first_chunk().expect("32 are more than 8"));
    match message {
        Message::Hello(hello) => hello.head.map_or(1, |head| name(head.hash.as_bytes())),
        Message::Push(push) => name(push.transaction.id().as_bytes()),
        Message::PushResult(result) => {
            name(result.id.as_bytes()) + u64::from(result.outcome.is_ok())
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
