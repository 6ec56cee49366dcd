//! The network between peers: who is connected with whom, and what is on its way.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use kittengrad_proto::link::Message;

use crate::{host::Node, random::Random};

/// How the machines and what lies between them behave.
#[derive(Debug, Clone)]
pub struct Weather {
    /// How long a message takes, in microseconds.
    pub delay_us: RangeInclusive<u64>,
    /// How long a commit takes, in microseconds.
    pub commit_us: RangeInclusive<u64>,
    /// How long a transaction is verified, in microseconds.
    pub verify_us: RangeInclusive<u64>,
    /// Messages overtake each other.
    pub is_unordered: bool,
    /// So many messages of a thousand come twice.
    pub twice_permille: u64,
    /// Messages travel as bytes.
    pub is_encoded: bool,
    /// How often a process hears that time went by, in microseconds.
    pub tick_us: u64,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            delay_us: 100..=500,
            commit_us: 200..=2_000,
            verify_us: 50..=200,
            is_unordered: false,
            twice_permille: 0,
            is_encoded: true,
            tick_us: 1_000_000,
        }
    }
}

/// Two machines, the smaller first.
pub(crate) type Pair = (usize, usize);

pub(crate) fn pair(a: usize, b: usize) -> Pair {
    (a.min(b), a.max(b))
}

#[derive(Debug, Default)]
struct Wire {
    /// The connection that is up, if one is.
    connection: Option<u64>,
    /// When the last message arrives, by sender and lane.
    busy_until_us: BTreeMap<(usize, bool), u64>,
    /// What cannot get through at the moment: from whom, what, and whether it had been on its way before.
    held: Vec<(usize, Message, bool)>,
    /// Not dialled before.
    dial_from_us: u64,
    /// Failed attempts since the last hello.
    failures: u32,
}

/// All wires, and what blocks the way from anybody to anybody.
#[derive(Debug, Default)]
pub(crate) struct Network {
    wires: BTreeMap<Pair, Wire>,
    connections: u64,
    /// From whom to whom nothing gets through, and since when.
    blocked: BTreeMap<(Node, Node), u64>,
}

/// The longest wait between two attempts to connect, in microseconds.
const PAUSE_US_MAX: u64 = 2_000_000;
/// The shortest.
const PAUSE_US_MIN: u64 = 50_000;

impl Network {
    /// The connection between two machines.
    pub(crate) fn connection(&self, a: usize, b: usize) -> Option<u64> {
        self.wires.get(&pair(a, b)).and_then(|wire| wire.connection)
    }

    /// Whether two machines are due to be connected.
    pub(crate) fn is_due(&self, a: usize, b: usize, now_us: u64) -> bool {
        let wire = self.wires.get(&pair(a, b));
        wire.is_none_or(|wire| wire.connection.is_none() && wire.dial_from_us <= now_us)
    }

    /// An attempt to connect was in vain.
    pub(crate) fn failed(&mut self, a: usize, b: usize, now_us: u64) {
        let wire = self.wires.entry(pair(a, b)).or_default();
        let pause_us = (PAUSE_US_MIN << wire.failures.min(10)).min(PAUSE_US_MAX);
        wire.failures += 1;
        wire.dial_from_us = now_us + pause_us;
    }

    /// Connects two machines.
    pub(crate) fn connect(&mut self, a: usize, b: usize) -> u64 {
        let wire = self.wires.entry(pair(a, b)).or_default();
        self.connections += 1;
        wire.connection = Some(self.connections);
        wire.busy_until_us.clear();
        wire.held.clear();
        (wire.failures, wire.dial_from_us) = (0, 0);
        self.connections
    }

    /// Ends the connection of two machines.
    pub(crate) fn disconnect(&mut self, a: usize, b: usize) -> Option<u64> {
        let wire = self.wires.get_mut(&pair(a, b))?;
        wire.held.clear();
        wire.connection.take()
    }

    /// Whether nothing gets through in one direction.
    pub(crate) fn is_blocked(&self, from: Node, to: Node) -> bool {
        self.blocked.contains_key(&(from, to))
    }

    /// Since when nothing gets through between two machines in one direction at least.
    pub(crate) fn blocked_since_us(&self, a: Node, b: Node) -> Option<u64> {
        let there = self.blocked.get(&(a, b));
        there
            .into_iter()
            .chain(self.blocked.get(&(b, a)))
            .min()
            .copied()
    }

    /// Lets nothing through in one direction. Returns whether something got through before.
    pub(crate) fn block(&mut self, from: Node, to: Node, now_us: u64) -> bool {
        if self.is_blocked(from, to) {
            return false;
        }
        self.blocked.insert((from, to), now_us);
        true
    }

    /// Lets everything through again in one direction, and gives what waited to get through.
    pub(crate) fn unblock(&mut self, from: Node, to: Node) -> Vec<Message> {
        self.blocked.remove(&(from, to));
        let (Node::Peer(from), Node::Peer(to)) = (from, to) else {
            return Vec::new();
        };
        let Some(wire) = self.wires.get_mut(&pair(from, to)) else {
            return Vec::new();
        };
        wire.dial_from_us = 0;
        let held = wire.held.extract_if(.., |(sender, ..)| *sender == from);
        held.map(|(_, message, _)| message).collect()
    }

    /// Everything that is blocked.
    pub(crate) fn blocks(&self) -> BTreeSet<(Node, Node)> {
        self.blocked.keys().copied().collect()
    }

    /// A message waits until the way is free, in its order: before those that were sent since the way was blocked, if it
    /// `was_on_its_way` then.
    pub(crate) fn hold(&mut self, from: usize, to: usize, message: Message, was_on_its_way: bool) {
        if let Some(wire) = self.wires.get_mut(&pair(from, to)) {
            let mut held = wire.held.iter();
            let later = held.position(|(_, _, was)| was_on_its_way && !was);
            let at = later.unwrap_or(wire.held.len());
            wire.held.insert(at, (from, message, was_on_its_way));
        }
    }

    /// When a message that is sent now arrives: once, or twice.
    pub(crate) fn arrivals(
        &mut self,
        from: usize,
        to: usize,
        message: &Message,
        now_us: u64,
        weather: &Weather,
        random: &mut Random,
    ) -> (u64, Option<u64>) {
        let wire = self.wires.entry(pair(from, to)).or_default();
        let is_bulk = matches!(message, Message::Push(_) | Message::Bodies { .. });
        let busy_until_us = wire.busy_until_us.entry((from, is_bulk)).or_default();
        let is_twice = weather.twice_permille > 0 && random.permille(weather.twice_permille);
        let mut arrival = || {
            let mut at_us = now_us + random.within(weather.delay_us.clone());
            if !weather.is_unordered {
                at_us = at_us.max(*busy_until_us);
                *busy_until_us = at_us;
            }
            at_us
        };
        (arrival(), is_twice.then(arrival))
    }
}
