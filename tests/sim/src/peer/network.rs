//! The network between peers: their connections, and the messages on their way.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use kittengrad_proto::link::Message;

use crate::{host::Node, random::Random};

/// The delays and the disorder of machines and network.
#[derive(Debug, Clone)]
pub struct Weather {
    /// The delay of a message, in microseconds.
    pub delay_us: RangeInclusive<u64>,
    /// The duration of a commit, in microseconds.
    pub commit_us: RangeInclusive<u64>,
    /// The duration of verifying a transaction, in microseconds.
    pub verify_us: RangeInclusive<u64>,
    /// Messages overtake each other.
    pub is_unordered: bool,
    /// Messages of a thousand that arrive twice.
    pub twice_permille: u64,
    /// Messages are encoded and decoded.
    pub is_encoded: bool,
    /// The time between two ticks of a process, in microseconds.
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

/// Two machines, the smaller number first.
pub(crate) type Pair = (usize, usize);

pub(crate) fn pair(a: usize, b: usize) -> Pair {
    (a.min(b), a.max(b))
}

#[derive(Debug, Default)]
struct Wire {
    /// The connection that is up, if one is.
    connection: Option<u64>,
    /// The arrival of the last message, by sender and lane.
    busy_until_us: BTreeMap<(usize, bool), u64>,
    /// Messages that are blocked: sender, message, and whether the message was on its way before the block.
    held: Vec<(usize, Message, bool)>,
    /// The earliest time of the next attempt to connect.
    dial_from_us: u64,
    /// Failed attempts since the last connection.
    failures: u32,
}

/// All wires, and the blocked directions.
#[derive(Debug, Default)]
pub(crate) struct Network {
    wires: BTreeMap<Pair, Wire>,
    connections: u64,
    /// The blocked directions, and since when.
    blocked: BTreeMap<(Node, Node), u64>,
}

/// The longest pause between two attempts to connect, in microseconds.
const PAUSE_US_MAX: u64 = 2_000_000;
/// The shortest pause, in microseconds.
const PAUSE_US_MIN: u64 = 50_000;

impl Network {
    /// The connection between two machines.
    pub(crate) fn connection(&self, a: usize, b: usize) -> Option<u64> {
        self.wires.get(&pair(a, b)).and_then(|wire| wire.connection)
    }

    /// Whether an attempt to connect two machines is due.
    pub(crate) fn is_due(&self, a: usize, b: usize, now_us: u64) -> bool {
        let wire = self.wires.get(&pair(a, b));
        wire.is_none_or(|wire| wire.connection.is_none() && wire.dial_from_us <= now_us)
    }

    /// Notes a failed attempt to connect.
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

    /// Whether one direction is blocked.
    pub(crate) fn is_blocked(&self, from: Node, to: Node) -> bool {
        self.blocked.contains_key(&(from, to))
    }

    /// The time since which at least one direction between two machines is blocked.
    pub(crate) fn blocked_since_us(&self, a: Node, b: Node) -> Option<u64> {
        let there = self.blocked.get(&(a, b));
        there
            .into_iter()
            .chain(self.blocked.get(&(b, a)))
            .min()
            .copied()
    }

    /// Blocks one direction. Returns whether it was open before.
    pub(crate) fn block(&mut self, from: Node, to: Node, now_us: u64) -> bool {
        if self.is_blocked(from, to) {
            return false;
        }
        self.blocked.insert((from, to), now_us);
        true
    }

    /// Unblocks one direction. Returns the held messages.
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

    /// All blocked directions.
    pub(crate) fn blocks(&self) -> BTreeSet<(Node, Node)> {
        self.blocked.keys().copied().collect()
    }

    /// Holds a message until the way is free, in its order. A message that `was_on_its_way` comes before those that
    /// were sent after the block.
    pub(crate) fn hold(&mut self, from: usize, to: usize, message: Message, was_on_its_way: bool) {
        if let Some(wire) = self.wires.get_mut(&pair(from, to)) {
            let mut held = wire.held.iter();
            let later = held.position(|(_, _, was)| was_on_its_way && !was);
            let at = later.unwrap_or(wire.held.len());
            wire.held.insert(at, (from, message, was_on_its_way));
        }
    }

    /// The arrival times of a message that is sent now: one, or two if it is duplicated.
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
