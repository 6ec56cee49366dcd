//! What happens next: the queue of events, and what each of them does to the network.

use std::{collections::BTreeMap, mem};

use kittengrad_node_core::{Ack, Delivery, Event as Told, Input, Output, Reply, Send};
use kittengrad_proto::{id::PublicKey, link::Message};

use super::{Cluster, DIAL_US, check};

/// Something that happens at one moment.
pub(super) enum Event {
    /// A message arrives, if its connection still is.
    Arrives {
        connection: u64,
        from: usize,
        to: usize,
        message: Message,
    },
    /// Something reaches a core, if its process still runs.
    Reaches {
        member: usize,
        run: u64,
        input: Input,
    },
    /// A connection ended, and one side notices.
    Notices {
        member: usize,
        run: u64,
        partner: PublicKey,
        connection: u64,
    },
    /// A round begins.
    Round { member: usize, run: u64 },
    /// A commit is done.
    Synced { member: usize, run: u64 },
    /// A second went by.
    Tick { member: usize, run: u64 },
    /// Machines that are not connected try to be.
    Dial,
}

/// Events by time, and in the order in which they were foreseen.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) now_us: u64,
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
}

impl Queue {
    pub(super) fn at(&mut self, time_us: u64, event: Event) {
        self.count += 1;
        self.events.insert((time_us, self.count), event);
    }

    pub(super) fn after(&mut self, us: u64, event: Event) {
        self.at(self.now_us + us, event);
    }

    fn next(&mut self, end_us: u64) -> Option<Event> {
        let entry = self.events.first_entry()?;
        if entry.key().0 > end_us {
            return None;
        }
        self.now_us = entry.key().0;
        Some(entry.remove())
    }
}

impl Cluster {
    /// The next thing happens, unless it is later than `end_us`.
    pub(super) fn step(&mut self, end_us: u64) -> bool {
        let Some(event) = self.queue.next(end_us) else {
            return false;
        };
        self.note(&event);
        match event {
            Event::Arrives {
                connection,
                from,
                to,
                message,
            } => self.arrives(connection, from, to, message),
            Event::Reaches { member, run, input } => {
                if self.runs(member, run) {
                    self.hand_in(member, input);
                }
            }
            Event::Notices {
                member,
                run,
                partner,
                connection,
            } => self.notices(member, run, partner, connection),
            Event::Round { member, run } => self.round(member, run),
            Event::Synced { member, run } => self.synced(member, run),
            Event::Tick { member, run } => {
                if self.runs(member, run) {
                    self.hand_in(member, Input::Tick);
                    self.queue.after(1_000_000, Event::Tick { member, run });
                }
            }
            Event::Dial => self.dial(),
        }
        true
    }

    fn runs(&self, member: usize, run: u64) -> bool {
        self.machines[member].run == run && self.is_up(member)
    }

    /// A core with something to do begins a round as soon as its last one is done.
    pub(super) fn wake(&mut self, member: usize) {
        let run = self.machines[member].run;
        let Some(process) = &mut self.machines[member].process else {
            return;
        };
        if process.output.is_none() && !process.is_woken {
            process.is_woken = true;
            self.queue.after(1, Event::Round { member, run });
        }
    }

    fn arrives(&mut self, connection: u64, from: usize, to: usize, message: Message) {
        let sender = self.key(from);
        // Whoever sent it may be gone by now, but not the news of that.
        let process = self.machines[to].process.as_ref();
        let is_known =
            process.is_some_and(|process| process.links.get(&sender) == Some(&connection));
        if !is_known || self.network.is_cut(from, to) {
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
                self.hand_in(to, input);
                for body in bodies {
                    self.verify(to, sender, Delivery::Body, body);
                }
            }
            other => self.hand_in(to, Input::Message(sender, other)),
        }
    }

    fn verify(
        &mut self,
        member: usize,
        from: PublicKey,
        delivery: Delivery,
        push: kittengrad_proto::link::Push,
    ) {
        let run = self.machines[member].run;
        let us = self.random.within(self.shape.weather.verify_us.clone());
        if let Some(input) = self.machines[member].verify(from, delivery, push) {
            self.queue.after(us, Event::Reaches { member, run, input });
        }
    }

    fn notices(&mut self, member: usize, run: u64, partner: PublicKey, connection: u64) {
        if !self.runs(member, run) {
            return;
        }
        let process = self.machines[member].process.as_mut().expect("it runs");
        if process.links.get(&partner) == Some(&connection) {
            process.links.remove(&partner);
            self.hand_in(member, Input::LinkDown(partner));
        }
    }

    fn round(&mut self, member: usize, run: u64) {
        if !self.runs(member, run) {
            return;
        }
        let now_us = self.queue.now_us;
        let machine = &mut self.machines[member];
        machine.round(now_us);
        let process = machine.process.as_mut().expect("it runs");
        process.is_woken = false;
        let output = process.output.as_mut().expect("a round ended");
        let forwards = mem::take(&mut output.forwards);
        let is_empty = output.writes.is_empty();
        for send in forwards {
            if !self.send(member, send, true) {
                return;
            }
        }
        let us = if is_empty {
            0
        } else {
            self.random.within(self.shape.weather.commit_us.clone())
        };
        self.queue.after(us, Event::Synced { member, run });
    }

    fn synced(&mut self, member: usize, run: u64) {
        if !self.runs(member, run) || !self.survives(member) {
            return;
        }
        let process = self.machines[member].process.as_mut().expect("it runs");
        let started_us = process.started_us;
        let Output {
            writes,
            sends,
            replies,
            events,
            ..
        } = process.output.take().expect("a round was committed");
        self.witness.commits(&self.machines[member], &writes);
        self.machines[member].disk.commit(writes);
        if events.contains(&Told::Settled) {
            self.witness.settles(&self.machines[member], started_us);
        }
        self.told[member].extend(events);
        for send in sends {
            if !self.send(member, send, false) {
                return;
            }
        }
        for reply in replies {
            if !self.survives(member) {
                return;
            }
            self.replied(reply);
        }
        let process = self.machines[member].process.as_ref().expect("it runs");
        if !process.inbox.is_empty() {
            self.wake(member);
        }
    }

    fn replied(&mut self, reply: Reply) {
        let request = self
            .requests
            .get_mut(&reply.request)
            .expect("somebody asked");
        assert!(request.outcome.is_none(), "one request, two answers");
        request.outcome = Some(reply.outcome);
        let Some(Ok(submitted)) = &request.outcome else {
            return;
        };
        if !submitted.is_acknowledged || request.ack == Ack::One {
            return;
        }
        let quorum = self.machines[0].membership.ring().replication().quorum();
        let ack = request.ack;
        self.witness.acknowledges(
            &self.machines,
            &request.said,
            submitted,
            request.asked_us,
            self.queue.now_us,
            |replicas| if ack == Ack::All { replicas } else { quorum },
        );
    }

    /// Sends one message, if the machine survives until then.
    fn send(&mut self, from: usize, Send { to, message }: Send, is_early: bool) -> bool {
        if !self.survives(from) {
            return false;
        }
        let sender = self.key(from);
        self.witness.sends(sender, &message, is_early);
        let process = self.machines[from].process.as_ref().expect("it runs");
        let Some(&connection) = process.links.get(&to) else {
            return true;
        };
        let to = self.machines[from]
            .membership
            .index_of(&to)
            .expect("a partner is a member");
        if self.network.connection(from, to) != Some(connection) {
            return true;
        }
        self.witness.moves(self.key(to), &message);
        let weather = &self.shape.weather;
        let now_us = self.queue.now_us;
        let arrivals = self
            .network
            .arrivals(from, to, &message, now_us, weather, &mut self.random);
        for at_us in arrivals {
            let message = message.clone();
            self.queue.at(
                at_us,
                Event::Arrives {
                    connection,
                    from,
                    to,
                    message,
                },
            );
        }
        true
    }

    /// One more step of a driver: says whether its process is still there.
    fn survives(&mut self, member: usize) -> bool {
        let is_alive = self.machines[member].burn();
        if !is_alive {
            self.buried(member);
        }
        is_alive
    }

    /// A process is gone: its connections end, and its disk must make sense.
    pub(super) fn buried(&mut self, member: usize) {
        for other in self.members() {
            self.disconnect(member, other);
        }
        check::check_positions(&self.machines[member], &self.machines);
    }

    /// Ends a connection; both sides notice it some time later.
    pub(super) fn disconnect(&mut self, a: usize, b: usize) {
        let Some(connection) = self.network.disconnect(a, b) else {
            return;
        };
        for (member, other) in [(a, b), (b, a)] {
            let us = self.random.within(0..=200_000);
            let run = self.machines[member].run;
            let partner = self.key(other);
            self.queue.after(
                us,
                Event::Notices {
                    member,
                    run,
                    partner,
                    connection,
                },
            );
        }
    }

    fn dial(&mut self) {
        for a in self.members() {
            for b in self.partners(a).into_iter().filter(|b| *b > a) {
                if !self.is_up(a) || !self.is_up(b) {
                    continue;
                }
                let Some(connection) = self.network.connect(a, b) else {
                    continue;
                };
                for (member, other) in [(a, b), (b, a)] {
                    let partner = self.key(other);
                    let process = self.machines[member].process.as_mut().expect("it runs");
                    process.links.insert(partner, connection);
                    self.hand_in(member, Input::LinkUp(partner));
                }
            }
        }
        self.queue.after(DIAL_US, Event::Dial);
    }
}
