//! The queue of future events.

use std::collections::BTreeMap;

use kittengrad_aggregator_core::Now;
use kittengrad_journal::place::Beginning;
use kittengrad_node_core::Input;
use kittengrad_proto::{id::PublicKey, identity::Beat, link::Message};

use crate::{
    calls::Answer,
    faults::{Kind, Relief},
    host::Node,
    stream::{Broken, StreamFrame},
};

/// An event at one moment.
#[derive(Debug)]
pub(crate) enum Event {
    /// A message between peers arrives. It counts if its connection is still up.
    Arrives {
        connection: u64,
        from: usize,
        to: usize,
        message: Message,
    },
    /// Ends a connection on which nothing got through for too long, unless something does by now.
    Silent { a: usize, b: usize, connection: u64 },
    /// Tries to connect the peers that are not connected.
    Dial,
    /// An input reaches a peer's core.
    Reaches { node: Node, run: u64, input: Input },
    /// A connection ended, and one side notices.
    Notices {
        node: Node,
        run: u64,
        partner: PublicKey,
        connection: u64,
    },
    /// A round starts.
    Round { node: Node, run: u64 },
    /// A commit is done.
    Synced { node: Node, run: u64 },
    /// A process handles its tick.
    Tick { node: Node, run: u64 },
    /// A call reaches the process that it asks.
    Asked { node: Node, call: u64 },
    /// An answer reaches the caller.
    Answered {
        node: Node,
        call: u64,
        answer: Answer,
    },
    /// A call times out.
    Overdue { node: Node, call: u64 },
    /// A call to several replicas checks the clock.
    Due { node: Node, ask: u64 },
    /// A subscription reaches the journal's owner.
    Opens {
        node: Node,
        stream: u64,
        from: Beginning,
    },
    /// A frame of a journal reaches its reader.
    Frame {
        node: Node,
        stream: u64,
        shown: StreamFrame,
    },
    /// A reader learns that its subscription ended.
    Breaks {
        node: Node,
        stream: u64,
        why: Broken,
    },
    /// A journal's owner sends its head again if it sent nothing else.
    Beats { node: Node, stream: u64 },
    /// A reader checks whether a frame came lately.
    Listens { node: Node, stream: u64 },
    /// A reader opens a journal again.
    Follows {
        node: Node,
        run: u64,
        source: PublicKey,
    },
    /// The aggregator's question for a head reaches a peer.
    Questions { node: Node, run: u64, at: Now },
    /// The answer reaches the aggregator.
    Tells {
        node: Node,
        run: u64,
        member: PublicKey,
        at: Now,
        beat: Box<Beat>,
    },
    /// A client sends its next request.
    Speaks { node: Node, run: u64 },
    /// A supervisor restarts a process.
    Restarts { node: Node, run: u64 },
    /// A fault strikes.
    Strikes(Kind),
    /// The effect of a fault ends.
    Passes(Relief),
}

impl Event {
    /// The node whose process handles the event. The event waits while that process is paused.
    pub(crate) const fn node(&self) -> Option<Node> {
        match self {
            Self::Arrives { to, .. } => Some(Node::Peer(*to)),
            Self::Reaches { node, .. }
            | Self::Notices { node, .. }
            | Self::Round { node, .. }
            | Self::Synced { node, .. }
            | Self::Tick { node, .. }
            | Self::Asked { node, .. }
            | Self::Answered { node, .. }
            | Self::Overdue { node, .. }
            | Self::Due { node, .. }
            | Self::Opens { node, .. }
            | Self::Frame { node, .. }
            | Self::Breaks { node, .. }
            | Self::Beats { node, .. }
            | Self::Listens { node, .. }
            | Self::Follows { node, .. }
            | Self::Questions { node, .. }
            | Self::Tells { node, .. }
            | Self::Speaks { node, .. } => Some(*node),
            Self::Silent { .. }
            | Self::Dial
            | Self::Restarts { .. }
            | Self::Strikes(_)
            | Self::Passes(_) => None,
        }
    }
}

/// Events by time. Events of the same time keep the order in which they were queued.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) now_us: u64,
    /// Boxed, because the tree moves its values.
    events: BTreeMap<(u64, u64), Box<Event>>,
    count: u64,
}

impl Queue {
    pub(crate) fn at(&mut self, time_us: u64, event: Event) {
        self.count += 1;
        let place = (time_us.max(self.now_us), self.count);
        self.events.insert(place, Box::new(event));
    }

    pub(crate) fn after(&mut self, us: u64, event: Event) {
        self.at(self.now_us + us, event);
    }

    pub(crate) fn next(&mut self, end_us: u64) -> Option<Event> {
        let entry = self.events.first_entry()?;
        if entry.key().0 > end_us {
            return None;
        }
        self.now_us = entry.key().0;
        Some(*entry.remove())
    }
}
