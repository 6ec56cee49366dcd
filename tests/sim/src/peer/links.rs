//! Connections between peers: dialled, ended, noticed, and the messages that arrive on them.

use kittengrad_node_core::{Delivery, Input, driver::Command};
use kittengrad_proto::{
    id::PublicKey,
    link::{Message, Push},
};

use crate::{faults::Kind, host::Node, queue::Event, world::World};

/// The time between two attempts to connect all machines, in microseconds.
const DIAL_US: u64 = 50_000;
/// The longest silence of a connection, in microseconds.
const SILENCE_US: u64 = 10_000_000;

impl World {
    pub(crate) fn arrives(&mut self, connection: u64, from: usize, to: usize, message: Message) {
        let sender = self.key(from);
        // The sender may be down by now, without this side having noticed.
        let process = self.machines[to].process.as_ref();
        let is_open = process.is_some_and(|process| process.open.get(&sender) == Some(&connection));
        if !is_open {
            return;
        }
        if self.network.is_blocked(Node::Peer(from), Node::Peer(to)) {
            if self.network.connection(from, to) == Some(connection) {
                self.network.hold(from, to, message, true);
            }
            return;
        }
        let message = if self.shape.weather.is_encoded {
            let bytes = message.encode(&self.overlay);
            Message::decode(bytes.into(), &self.overlay)
                .expect("honest peers understand each other")
        } else {
            message
        };
        match message {
            Message::Push(push) => self.verify(to, sender, Delivery::Push, push),
            Message::Bodies { bodies, missing } => {
                let delivered = bodies.iter().map(|body| body.transaction.id()).collect();
                let input = Input::Bodies {
                    from: sender,
                    delivered,
                    missing,
                };
                self.came(to, (sender, connection), input);
                for body in bodies {
                    self.verify(to, sender, Delivery::Body, body);
                }
            }
            other => {
                let (receiver, now_us) = (self.key(to), self.queue.now_us);
                self.invariants.hears(receiver, sender, &other, now_us);
                self.came(to, (sender, connection), Input::Message(sender, other));
            }
        }
    }

    fn came(&mut self, member: usize, (partner, connection): (PublicKey, u64), input: Input) {
        let heard = Command::Heard {
            partner,
            connection,
            input,
        };
        self.command(member, heard);
    }

    fn verify(&mut self, member: usize, from: PublicKey, delivery: Delivery, push: Push) {
        let us = self.verify_us(member);
        let machine = &mut self.machines[member];
        let run = machine.host.run;
        if let Some(input) = machine.verify(from, delivery, push) {
            let node = Node::Peer(member);
            self.replay(member, from, &input);
            self.queue.after(us, Event::Reaches { node, run, input });
        }
        self.notice_damage(Node::Peer(member));
    }

    /// The time that a peer takes to verify a transaction.
    pub(crate) fn verify_us(&mut self, member: usize) -> u64 {
        let us = self.random.within(self.shape.weather.verify_us.clone());
        us * self.machines[member].host.slowness
    }

    pub(crate) fn notices(&mut self, member: usize, run: u64, partner: PublicKey, connection: u64) {
        if !self.machines[member].host.runs(run) {
            return;
        }
        let process = self.machines[member].process.as_mut().expect("it runs");
        if process.open.get(&partner) == Some(&connection) {
            process.open.remove(&partner);
            let down = Command::LinkDown {
                partner,
                connection,
            };
            self.command(member, down);
        }
    }

    /// Ends a connection. Each side notices within 200 ms.
    pub(crate) fn disconnect(&mut self, a: usize, b: usize) {
        let Some(connection) = self.network.disconnect(a, b) else {
            return;
        };
        for (member, other) in [(a, b), (b, a)] {
            let us = self.random.within(0..=200_000);
            let run = self.machines[member].host.run;
            let (node, partner) = (Node::Peer(member), self.key(other));
            let notices = Event::Notices {
                node,
                run,
                partner,
                connection,
            };
            self.queue.after(us, notices);
        }
    }

    /// Ends a connection that has been blocked for [`SILENCE_US`] or longer, or has a paused side.
    pub(crate) fn end_if_silent(&mut self, a: usize, b: usize, connection: u64) {
        let now_us = self.queue.now_us;
        if self.network.connection(a, b) != Some(connection) {
            return;
        }
        let since_us = self.network.blocked_since_us(Node::Peer(a), Node::Peer(b));
        let is_paused = [a, b]
            .into_iter()
            .any(|member| self.machines[member].host.paused_until_us > now_us);
        if since_us.is_some_and(|since_us| now_us - since_us >= SILENCE_US) || is_paused {
            self.disconnect(a, b);
        }
    }

    /// Blocks one direction. Connections end after [`SILENCE_US`] of it.
    pub(crate) fn block(&mut self, from: Node, to: Node) -> bool {
        let is_new = self.network.block(from, to, self.queue.now_us);
        if let (true, Node::Peer(a), Node::Peer(b)) = (is_new, from, to) {
            self.listen(a, b);
        }
        is_new
    }

    /// Checks after [`SILENCE_US`] whether a connection was silent all the time.
    pub(crate) fn listen(&mut self, a: usize, b: usize) {
        if let Some(connection) = self.network.connection(a, b) {
            let silent = Event::Silent { a, b, connection };
            self.queue.after(SILENCE_US, silent);
        }
    }

    /// Unblocks one direction and delivers the held messages.
    pub(crate) fn unblock(&mut self, from: Node, to: Node) {
        let held = self.network.unblock(from, to);
        let (Node::Peer(from), Node::Peer(to)) = (from, to) else {
            return;
        };
        let Some(connection) = self.network.connection(from, to) else {
            return;
        };
        for message in held {
            self.deliver(connection, from, to, message);
        }
    }

    pub(crate) fn dial(&mut self) {
        let now_us = self.queue.now_us;
        for a in self.members() {
            for b in self.partners(a).into_iter().filter(|b| *b > a) {
                if !self.network.is_due(a, b, now_us) {
                    continue;
                }
                if self.can_meet(a, b) {
                    self.connect(a, b);
                } else {
                    self.network.failed(a, b, now_us);
                }
            }
        }
        self.queue.after(DIAL_US, Event::Dial);
    }

    fn can_meet(&self, a: usize, b: usize) -> bool {
        let is_there = |member: usize| {
            let host = &self.machines[member].host;
            host.is_up && host.paused_until_us <= self.queue.now_us
        };
        let (from, to) = (Node::Peer(a), Node::Peer(b));
        let is_free = !self.network.is_blocked(from, to) && !self.network.is_blocked(to, from);
        is_there(a) && is_there(b) && is_free
    }

    fn connect(&mut self, a: usize, b: usize) {
        let connection = self.network.connect(a, b);
        for (member, other) in [(a, b), (b, a)] {
            let partner = self.key(other);
            let process = self.machines[member].process.as_mut().expect("it runs");
            process.open.insert(partner, connection);
            let up = Command::LinkUp {
                partner,
                connection,
                to: (),
            };
            self.command(member, up);
        }
    }

    /// Closes a link whose queue is chosen to be full, as if its partner were too slow. Returns whether it did.
    pub(crate) fn overflow(&mut self, from: usize, to: usize) -> bool {
        if self.overflows != Some(from) {
            return false;
        }
        self.overflows = None;
        let partner = self.key(to);
        let process = self.machines[from].process.as_mut().expect("it runs");
        process.open.remove(&partner);
        process.driver.fell(partner);
        self.disconnect(from, to);
        self.fired(Kind::Overflow);
        true
    }

    /// Delivers a verified transaction once more, after the end of the connection that it came on.
    fn replay(&mut self, member: usize, from: PublicKey, input: &Input) {
        if !std::mem::take(&mut self.replays) {
            return;
        }
        let run = self.machines[member].host.run;
        let us = self.fate.within(300_000..=5_000_000);
        let (node, input) = (Node::Peer(member), input.clone());
        self.queue.after(us, Event::Reaches { node, run, input });
        if let Some(&other) = self.numbers.get(&from) {
            self.disconnect(member, other);
        }
        self.fired(Kind::Replay);
    }
}
