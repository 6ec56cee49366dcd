//! The event loop: takes one event after another and gives it to its node.

use kittengrad_node_core::Input;

use crate::{calls::Answer, host::Node, invariants::Violation, queue::Event, world::World};

impl World {
    /// Handles the next event. Returns false if there is none until `end_us`, or if a promise was broken.
    pub(crate) fn step(&mut self, end_us: u64) -> bool {
        if self.violation.is_some() {
            return false;
        }
        let Some(event) = self.queue.next(end_us) else {
            return false;
        };
        if let Some(node) = event.node() {
            let until_us = self.host(node).paused_until_us;
            if until_us > self.queue.now_us {
                // The process is paused and finds the event when it resumes.
                self.queue.at(until_us, event);
                return true;
            }
        }
        self.trace.note(self.queue.now_us, &event);
        self.happens(event);
        true
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Arrives {
                connection,
                from,
                to,
                message,
            } => self.arrives(connection, from, to, message),
            Event::Silent { a, b, connection } => self.end_if_silent(a, b, connection),
            Event::Dial => self.dial(),
            Event::Reaches { node, run, input } => {
                if let Node::Peer(member) = node
                    && self.machines[member].host.runs(run)
                {
                    self.hand_in(member, input);
                }
            }
            Event::Notices {
                node,
                run,
                partner,
                connection,
            } => {
                if let Node::Peer(member) = node {
                    self.notices(member, run, partner, connection);
                }
            }
            Event::Round { node, run } => match node {
                Node::Peer(member) => self.peer_round(member, run),
                Node::Aggregator => self.aggregator_round(run),
                Node::Indexer => self.indexer_round(run),
                Node::Client(_) => {}
            },
            Event::Synced { node, run } => match node {
                Node::Peer(member) => self.peer_synced(member, run),
                Node::Aggregator => self.aggregator_synced(run),
                Node::Indexer => self.indexer_synced(run),
                Node::Client(_) => {}
            },
            Event::Tick { node, run } => match node {
                Node::Peer(member) => self.peer_tick(member, run),
                Node::Aggregator => self.aggregator_tick(run),
                Node::Indexer => self.indexer_tick(run),
                Node::Client(_) => {}
            },
            other => self.happens_between(other),
        }
    }

    fn happens_between(&mut self, event: Event) {
        match event {
            Event::Asked { call, .. } => self.asked(call),
            Event::Answered { call, answer, .. } => self.answered(call, answer),
            Event::Overdue { call, .. } => self.answered(call, Answer::TimedOut),
            Event::Due { ask, .. } => self.due(ask),
            Event::Opens { stream, from, .. } => self.opens(stream, from),
            Event::Frame { stream, shown, .. } => self.frame(stream, shown),
            Event::Breaks { stream, why, .. } => self.broken(stream, why),
            Event::Beats { stream, .. } => self.beats(stream),
            Event::Listens { stream, .. } => self.listens(stream),
            Event::Follows { node, run, source } => match node {
                Node::Aggregator => self.follows(run, source),
                _ => self.indexer_follows(run),
            },
            Event::Questions { node, run, at } => self.questioned(node, run, at),
            Event::Tells {
                run,
                member,
                at,
                beat,
                ..
            } => self.told_head(run, member, at, beat),
            Event::Speaks {
                node: Node::Client(client),
                run,
            } => self.speaks(client, run),
            Event::Restarts { node, run } => self.restarts(node, run),
            Event::Strikes(kind) => self.strikes(kind),
            Event::Passes(relief) => self.passes(relief),
            _ => {}
        }
    }

    fn peer_tick(&mut self, member: usize, run: u64) {
        if !self.machines[member].host.runs(run) {
            return;
        }
        let tick_us = self.shape.weather.tick_us;
        let machine = &mut self.machines[member];
        let is_full = machine.host.is_full;
        let process = machine.process.as_mut().expect("it runs");
        let looks = process.ticks.is_multiple_of((1_000_000 / tick_us).max(1));
        process.ticks += 1;
        self.hand_in(member, Input::Tick);
        if looks && self.director.is_some() {
            self.hand_in(member, Input::Space(!is_full));
        }
        let node = Node::Peer(member);
        self.queue.after(tick_us, Event::Tick { node, run });
    }

    /// Lets virtual time pass.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end_us = self.queue.now_us + ms * 1_000;
        while self.step(end_us) {}
        if self.violation.is_none() {
            self.queue.now_us = end_us;
        }
    }

    /// Reports a broken promise that only the runner of the world can see.
    pub(crate) fn breaks_promise(&mut self, violation: Violation) {
        self.judge(Err(violation));
    }
}
