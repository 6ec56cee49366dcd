//! What happens next.

use std::collections::BTreeMap;

use kittengrad_journal::place::Beginning;
use kittengrad_node_core::Input;
use kittengrad_proto::{id::PublicKey, link::Message};

use crate::{
    calls::Answer,
    faults::{Kind, Relief},
    host::Node,
    stream::{Broken, StreamFrame},
};

/// Something that happens at one moment.
#[derive(Debug)]
pub(crate) enum Event {
    /// A message between peers arrives, if its connection still is.
    Arrives {
        connection: u64,
        from: usize,
        to: usize,
        message: Message,
    },
    /// Nothing got through on a connection for too long, if it still does not.
    Silent { a: usize, b: usize, connection: u64 },
    /// Peers that are not connected try to be.
    Dial,
    /// Something reaches a peer's core.
    Reaches { node: Node, run: u64, input: Input },
    /// A connection ended, and one side notices.
    Notices {
        node: Node,
        run: u64,
        partner: PublicKey,
        connection: u64,
    },
    /// A round begins.
    Round { node: Node, run: u64 },
    /// A commit is done.
    Synced { node: Node, run: u64 },
    /// Some time went by.
    Tick { node: Node, run: u64 },
    /// A call reaches whom it is for.
    Asked { node: Node, call: u64 },
    /// An answer reaches whoever asked.
    Answered {
        node: Node,
        call: u64,
        answer: Answer,
    },
    /// Whoever asked waits no longer.
    Overdue { node: Node, call: u64 },
    /// Somebody who waits for several answers looks at the clock.
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
    /// A journal's owner says its head again if nothing else was said.
    Beats { node: Node, stream: u64 },
    /// A reader looks whether anything came lately.
    Listens { node: Node, stream: u64 },
    /// A reader tries a journal again.
    Follows {
        node: Node,
        run: u64,
        source: PublicKey,
    },
    /// A client has something to do.
    Speaks { node: Node, run: u64 },
    /// A process is started again by whoever looks after it.
    Restarts { node: Node, run: u64 },
    /// A fault of some kind strikes.
    Strikes(Kind),
    /// What a fault did is over.
    Passes(Relief),
}

impl Event {
    /// Whose process it happens to: it waits while that stands still.
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
            | Self::Speaks { node, .. } => Some(*node),
            Self::Silent { .. }
            | Self::Dial
            | Self::Restarts { .. }
            | Self::Strikes(_)
            | Self::Passes(_) => None,
        }
    }
}

/// Events by time, and in the order in which they were foreseen.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) now_us: u64,
    /// Boxed, because they are moved about.
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
