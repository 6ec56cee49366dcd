//! Clients: their transactions and lookups, and the tally of both.

mod machine;

pub(crate) use machine::Machine;
pub use machine::{Load, Tally};

use kittengrad_client_core::merge::Consistency;
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::id::Id;

use crate::{
    asks::{Ask, Purpose},
    host::Node,
    publisher::{About, canonical},
    queue::Event,
    random::Random,
    world::World,
};

/// Asks of one client that wait, at most. The client sends no more until one ends.
const WAITING_MAX: usize = 64;

impl World {
    /// Starts a client.
    pub(crate) fn start_client(&mut self, client: usize) {
        let now_us = self.queue.now_us;
        let host = &mut self.clients[client].host;
        host.start(now_us);
        let (node, run) = (Node::Client(client), host.run);
        let us = self.load_random.within(1..=500_000);
        self.queue.after(us, Event::Speaks { node, run });
    }

    /// Kills a client with all its asks.
    pub(crate) fn client_dies(&mut self, client: usize) {
        let node = Node::Client(client);
        let waiting = self.asks.asks.values().filter(|ask| ask.node == node);
        let puts = waiting.filter(|ask| matches!(ask.purpose, Purpose::Put { .. }));
        self.tally.overlapped += puts.count();
        self.clients[client].host.stop();
        self.left(node);
        self.look_after(node);
    }

    /// Sends a request of a client and schedules the next one.
    pub(crate) fn speaks(&mut self, client: usize, run: u64) {
        if !self.clients[client].host.runs(run) || !self.is_speaking {
            return;
        }
        let mut random = std::mem::replace(&mut self.load_random, Random::new(0));
        let node = Node::Client(client);
        let waiting = self.asks.asks.values().filter(|ask| ask.node == node);
        if waiting.count() < WAITING_MAX {
            if random.permille(self.shape.load.lookup_permille) {
                let canonical = canonical(&self.any_name(&mut random));
                let consistency = random.pick(&[
                    Consistency::One,
                    Consistency::Quorum,
                    Consistency::Quorum,
                    Consistency::All,
                ]);
                let purpose = Purpose::Get {
                    canonical,
                    consistency,
                };
                self.ask(node, purpose);
            } else {
                self.put_something(client, &mut random);
            }
        }
        let pause_us = self.shape.load.pause_us;
        let us = random.within(1..=2 * pause_us);
        self.load_random = random;
        self.queue.after(us, Event::Speaks { node, run });
    }

    fn any_name(&self, random: &mut Random) -> String {
        let names = &self.names_of[random.next() as usize % self.names_of.len()];
        names[random.next() as usize % names.len()].clone()
    }

    fn put_something(&mut self, client: usize, random: &mut Random) {
        let again = random.permille(self.shape.load.again_permille);
        let machine = &mut self.clients[client];
        let publication = if again && !machine.publications.is_empty() {
            machine.publications[random.next() as usize % machine.publications.len()].clone()
        } else {
            let about = self.about_something(random);
            let publication = self.clients[client].publisher.say(about);
            self.invariants.says(&publication);
            self.clients[client].publications.push(publication.clone());
            publication
        };
        let ack = random.pick(&[Ack::Quorum, Ack::Quorum, Ack::Quorum, Ack::All, Ack::One]);
        self.ask(Node::Client(client), Purpose::Put { publication, ack });
    }

    /// Draws statements about new and known canonicals, all of which one member holds.
    fn about_something(&mut self, random: &mut Random) -> Vec<About> {
        let members = self.machines.len();
        let holder = random.next() as usize % members;
        let cells = self.machines[holder].view.cells_here();
        let owners: Vec<_> = cells.iter().map(|cell| self.numbers[&cell.owner]).collect();
        let mut all: Vec<About> = Vec::new();
        for _ in 0..random.within(1..=3) {
            let owner = owners[random.next() as usize % owners.len()];
            let names = &self.names_of[owner];
            let name = names[random.next() as usize % names.len()].clone();
            if all.iter().any(|about| about.name == name) {
                continue;
            }
            // Few texts, so that the same update comes with several transactions.
            let updates = 0..random.within(0..=2);
            let updates = updates.map(|_| format!("{name}: {}", random.within(0..=200)));
            let mut updates: Vec<_> = updates.collect();
            updates.sort();
            updates.dedup();
            all.push(About {
                inserts: updates.is_empty() || random.permille(800),
                name,
                updates,
            });
        }
        all
    }

    /// Counts a transaction that was acknowledged or given up.
    pub(crate) fn put_ended(&mut self, ask: &Ask, id: Id, is_done: bool) {
        let Purpose::Put { ack, .. } = ask.purpose else {
            return;
        };
        if ask.faults != Some(self.fault_count()) || self.has_faults() {
            self.tally.overlapped += 1;
        }
        if is_done {
            self.probed(id);
        }
        if ack == Ack::One {
            return;
        }
        // A transaction counts as neither if its client died before the answer.
        if self.tally.asked_ids.insert(id) {
            self.tally.asked += 1;
        }
        if is_done && self.tally.acked_ids.insert(id) {
            self.tally.acked += 1;
        }
    }
}
