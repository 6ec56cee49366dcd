//! How an aggregator asks the peers for their heads, and follows the sources that its driver plans.

use std::collections::BTreeSet;

use kittengrad_aggregator_core::{Input, Now};
use kittengrad_proto::{id::PublicKey, identity::Beat};

use super::driver::now_of;
use crate::{host::Node, queue::Event, world::World};

/// Time between two questions to one peer, in milliseconds of the aggregator's clock.
const ASK_EVERY_MS: u64 = 1_000;

impl World {
    /// Asks all peers for their heads, if they are due.
    pub(super) fn ask_for_heads(&mut self) {
        let now_us = self.queue.now_us;
        let Some(machine) = &mut self.aggregator else {
            return;
        };
        let (run, at) = (machine.host.run, now_of(&machine.host, now_us));
        let Some(process) = &mut machine.process else {
            return;
        };
        if at.monotonic_ms < process.ask_due_ms {
            return;
        }
        process.ask_due_ms = at.monotonic_ms + ASK_EVERY_MS;
        self.invariants.complete.asks(at, now_us);
        for member in 0..self.machines.len() {
            let node = Node::Peer(member);
            if !self.network.is_blocked(Node::Aggregator, node) {
                let us = self.way_us(Node::Aggregator, node);
                self.queue.after(us, Event::Questions { node, run, at });
            }
        }
    }

    /// Answers the question for a peer's head.
    pub(crate) fn questioned(&mut self, member: Node, run: u64, at: Now) {
        if self.network.is_blocked(member, Node::Aggregator) {
            return;
        }
        if let Some(beat) = self.answered_head(member) {
            let us = self.way_us(member, Node::Aggregator);
            let (node, member) = (Node::Aggregator, self.key_of(member));
            let beat = Box::new(beat);
            let event = Event::Tells {
                node,
                run,
                member,
                at,
                beat,
            };
            self.queue.after(us, event);
        }
    }

    /// Passes an answer to the core.
    pub(crate) fn told_head(&mut self, run: u64, member: PublicKey, at: Now, beat: Box<Beat>) {
        let runs = self.aggregator.as_ref().is_some_and(|m| m.host.runs(run));
        if runs {
            self.hand_aggregator(Input::Asked { member, at, beat });
        }
    }

    /// Follows the sources of the newest plan, and no others.
    pub(super) fn follow_plan(&mut self) {
        let Some(machine) = &mut self.aggregator else {
            return;
        };
        let run = machine.host.run;
        let Some(process) = &mut machine.process else {
            return;
        };
        let plan = process.driver.plan();
        let planned = plan.into_iter().flat_map(|plan| &plan.sources);
        let planned: BTreeSet<_> = planned.map(|of| of.source).collect();
        let begun: Vec<_> = planned.difference(&process.planned).copied().collect();
        let mut streams = Vec::new();
        process.following.retain(|source, following| {
            let is_planned = planned.contains(source);
            streams.extend(following.stream.filter(|_| !is_planned));
            is_planned
        });
        process.planned = planned;
        streams
            .into_iter()
            .for_each(|stream| self.unsubscribe(stream));
        for source in begun {
            let node = Node::Aggregator;
            self.queue
                .after(1_000, Event::Follows { node, run, source });
        }
    }
}
