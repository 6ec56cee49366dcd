//! The network: who is connected with whom, and what is on its way.

use std::{collections::BTreeMap, ops::RangeInclusive};

use kittengrad_proto::link::Message;

use super::random::Random;

/// How the machines and what lies between them behave.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    /// How long a message takes, in microseconds.
    pub(crate) delay_us: RangeInclusive<u64>,
    /// How long a commit takes, in microseconds.
    pub(crate) commit_us: RangeInclusive<u64>,
    /// How long a transaction is verified, in microseconds.
    pub(crate) verify_us: RangeInclusive<u64>,
    /// Messages overtake each other.
    pub(crate) is_unordered: bool,
    /// So many messages of a thousand come twice.
    pub(crate) twice_permille: u64,
    /// Messages travel as bytes.
    pub(crate) is_encoded: bool,
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
    /// Nothing gets through.
    is_cut: bool,
    /// When the last message arrives, by sender and lane.
    busy_until_us: BTreeMap<(usize, bool), u64>,
}

/// All wires.
#[derive(Debug, Default)]
pub(crate) struct Network {
    wires: BTreeMap<Pair, Wire>,
    connections: u64,
}

impl Network {
    /// The connection between two machines.
    pub(crate) fn connection(&self, a: usize, b: usize) -> Option<u64> {
        self.wires.get(&pair(a, b)).and_then(|wire| wire.connection)
    }

    /// Connects two machines, if nothing stands between them and they are not connected yet.
    pub(crate) fn connect(&mut self, a: usize, b: usize) -> Option<u64> {
        let wire = self.wires.entry(pair(a, b)).or_default();
        if wire.is_cut || wire.connection.is_some() {
            return None;
        }
        self.connections += 1;
        wire.connection = Some(self.connections);
        wire.busy_until_us.clear();
        wire.connection
    }

    /// Ends the connection of two machines.
    pub(crate) fn disconnect(&mut self, a: usize, b: usize) -> Option<u64> {
        self.wires.get_mut(&pair(a, b))?.connection.take()
    }

    /// Whether nothing gets through between two machines.
    pub(crate) fn is_cut(&self, a: usize, b: usize) -> bool {
        self.wires.get(&pair(a, b)).is_some_and(|wire| wire.is_cut)
    }

    /// Lets nothing through, or everything again.
    pub(crate) fn set_cut(&mut self, a: usize, b: usize, is_cut: bool) {
        self.wires.entry(pair(a, b)).or_default().is_cut = is_cut;
    }

    /// When a message that is sent now arrives: never, once, or twice.
    pub(crate) fn arrivals(
        &mut self,
        from: usize,
        to: usize,
        message: &Message,
        now_us: u64,
        weather: &Weather,
        random: &mut Random,
    ) -> Vec<u64> {
        let Some(wire) = self.wires.get_mut(&pair(from, to)) else {
            return Vec::new();
        };
        let is_bulk = matches!(message, Message::Push(_) | Message::Bodies { .. });
        let busy_until_us = wire.busy_until_us.entry((from, is_bulk)).or_default();
        let copies = 1 + usize::from(random.permille(weather.twice_permille));
        let mut arrivals = Vec::new();
        for _ in 0..copies {
            let mut at_us = now_us + random.within(weather.delay_us.clone());
            if !weather.is_unordered {
                at_us = at_us.max(*busy_until_us);
                *busy_until_us = at_us;
            }
            arrivals.push(at_us);
        }
        arrivals
    }
}
