//! A peer's driver, step by step: rounds, commits, sends and answers. A process may end between any two steps.

use std::sync::Arc;

use kittengrad_node_core::{
    Event as Told, Fatal, Input, Outbound, Reply,
    driver::{Command, Step},
};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{id::PublicKey, link::Message};

use super::{Machine, Process};
use crate::{
    calls::{Answer, Question},
    host::Node,
    invariants::is_released,
    queue::Event,
    world::World,
};

/// Statements of a thousand whose tree over all blocks is checked; a check takes long.
const PROOFS_PERMILLE: u64 = 50;

impl World {
    /// Starts a round as soon as the last one is done, if the core has commands.
    pub(crate) fn wake(&mut self, member: usize) {
        let machine = &mut self.machines[member];
        let run = machine.host.run;
        let us = machine.host.slowness;
        let Some(process) = &mut machine.process else {
            return;
        };
        if process.steps.is_none() && !process.is_woken {
            process.is_woken = true;
            let node = Node::Peer(member);
            self.queue.after(us, Event::Round { node, run });
        }
    }

    /// Gives an input to a core, as its edge does.
    pub fn hand_in(&mut self, member: usize, input: Input) {
        self.command(member, Command::Input(input));
    }

    /// Queues a command for a driver.
    pub(crate) fn command(&mut self, member: usize, command: Command<()>) {
        if let Some(process) = &mut self.machines[member].process {
            process.inbox.push(command);
            self.wake(member);
        }
    }

    pub(crate) fn peer_round(&mut self, member: usize, run: u64) {
        if !self.machines[member].host.runs(run) {
            return;
        }
        let now_us = self.queue.now_us;
        let machine = &mut self.machines[member];
        if let Err(fatal) = machine.round(now_us) {
            return self.stops(member, &fatal);
        }
        let process = machine.process.as_mut().expect("it runs");
        process.is_woken = false;
        let steps = process.steps.as_ref().expect("a round ended");
        let is_empty = steps.writes().is_empty();
        while let Some(send) = self.forward(member) {
            if !self.send(member, send, true) {
                return;
            }
        }
        let at_us = if is_empty {
            now_us
        } else {
            let us = self.random.within(self.shape.weather.commit_us.clone());
            self.machines[member].host.synced_at_us(now_us, us)
        };
        let node = Node::Peer(member);
        self.queue.at(at_us, Event::Synced { node, run });
    }

    pub(crate) fn peer_synced(&mut self, member: usize, run: u64) {
        if !self.machines[member].host.runs(run) || !self.survives(member) {
            return;
        }
        let machine = &mut self.machines[member];
        let process = machine.process.as_mut().expect("it runs");
        let status = process.driver.status();
        let steps = process.steps.as_ref().expect("a round was committed");
        if machine.host.is_failing && !steps.writes().is_empty() {
            self.commit_failed(Node::Peer(member));
            return self.dies(member);
        }
        self.judge(is_released(&status));
        let steps = process_of(&mut self.machines[member]).steps.take();
        for step in steps.expect("a round was committed") {
            if !self.perform(member, step) {
                return;
            }
        }
        self.machines[member].show();
        self.check_statement_of(member);
        self.pump_all(Node::Peer(member));
        // A reader of the journal may have found damage.
        let process = self.machines[member].process.as_ref();
        if process.is_some_and(|of| !of.inbox.is_empty() || of.driver.is_due()) {
            self.wake(member);
        }
    }

    /// Checks the statement that a peer publishes.
    fn check_statement_of(&mut self, member: usize) {
        let machine = &self.machines[member];
        let shown = machine.process.as_ref().map(|process| &process.shown);
        let Some((statement, tip)) =
            shown.and_then(|shown| Some((shown.statement.as_ref()?, shown.tip?)))
        else {
            return;
        };
        let is_rotten = machine.disk.is_rotten();
        if is_rotten
            || machine
                .stated
                .as_ref()
                .is_some_and(|last| Arc::ptr_eq(last, statement))
        {
            return;
        }
        let statement = Arc::clone(statement);
        let (key, view) = (machine.key(), Arc::clone(&machine.view));
        let holds = |journal: &PublicKey, point| {
            let holders = view.ring().replicas_of(point);
            holders.contains(&journal.point()) && holders.contains(&key.point())
        };
        let disk = machine.disk.sound();
        let mut checked = self
            .invariants
            .contained
            .states(key, &statement, disk, holds);
        let is_last = statement.incarnation == tip.head.incarnation
            && statement.checkpoint.height == tip.head.height;
        if is_last && self.fate.permille(PROOFS_PERMILLE) {
            checked = checked.and_then(|()| {
                self.invariants
                    .contained
                    .proves_blocks(&statement, tip.head.hash)
            });
        }
        self.machines[member].stated = Some(statement);
        self.judge(checked);
    }

    /// The next message that goes out before the commit.
    fn forward(&mut self, member: usize) -> Option<Outbound> {
        let steps = &mut self.machines[member].process.as_mut()?.steps;
        steps.as_mut()?.forward()
    }

    /// Performs one step of a round. Returns false if the process ends before it.
    fn perform(&mut self, member: usize, step: Step) -> bool {
        match step {
            Step::Forward(send) => return self.send(member, send, true),
            Step::Commit(writes) => self.commit(member, writes),
            Step::Tell(event) => self.hears_of(member, event),
            Step::Send(send) => return self.send(member, send, false),
            Step::Reply(reply) => {
                if !self.survives(member) {
                    return false;
                }
                self.replied(member, reply);
            }
        }
        true
    }

    fn hears_of(&mut self, member: usize, event: Told) {
        let process = process_of(&mut self.machines[member]);
        let started_us = process.started_us;
        // A new incarnation may be settled from its first block on, without a `Settled` event.
        let has_lost_nothing = |event: &Told| {
            let is_new = matches!(
                event,
                Told::Opened {
                    began_after: Some(_),
                    ..
                }
            );
            is_new && process.driver.status().is_settled
        };
        if event == Told::Settled || has_lost_nothing(&event) {
            self.settles(member, started_us);
        }
        self.tell(member, event);
    }

    /// Commits writes to the disk.
    pub(crate) fn commit(&mut self, member: usize, writes: Vec<kittengrad_journal::Write>) {
        let checked = self.invariants.commits(&self.machines[member], &writes);
        self.judge(checked);
        self.machines[member].disk.commit(writes);
    }

    fn replied(&mut self, member: usize, reply: Reply) {
        let request = self
            .requests
            .get_mut(&reply.request)
            .expect("somebody asked");
        assert!(request.outcome.is_none(), "one request, two answers");
        request.outcome = Some(reply.outcome.clone());
        let process = self.machines[member].process.as_mut().expect("it runs");
        let call = process.calls.remove(&reply.request);
        let request = &self.requests[&reply.request];
        if let Some(Ok(submitted)) = &request.outcome
            && submitted.is_acknowledged
            && request.ack != Ack::One
        {
            let replication = self.view().replication();
            let is_all = request.ack == Ack::All;
            let checked = self.invariants.acknowledges(
                &self.machines,
                self.machines[member].key(),
                request,
                submitted,
                self.queue.now_us,
                |held| {
                    if is_all {
                        replication.all(held)
                    } else {
                        replication.quorum()
                    }
                },
            );
            self.judge(checked);
        }
        if let Some(call) = call {
            // A call waits for the outcome, so no story will ask for the request.
            self.requests.remove(&reply.request);
            let answer = match reply.outcome {
                Ok(submitted) => Answer::Submitted(Box::new(submitted)),
                Err(refusal) => Answer::Refused(crate::calls::code_of(&refusal)),
            };
            self.answer(call, answer);
        }
    }

    /// Gives a client's transaction to the core if it verifies; otherwise answers with a refusal.
    pub(crate) fn take_submission(&mut self, member: usize, call: u64) {
        let Some(Question::Submit {
            publication,
            ack,
            chain,
            ..
        }) = self.question(call)
        else {
            return;
        };
        let machine = &mut self.machines[member];
        if chain {
            machine.learn(Some((*publication.chain).clone()));
        }
        let canonicals = publication.canonicals();
        if !canonicals.iter().all(|id| machine.view.holds_here(id)) {
            let code = kittengrad_proto::error::ErrorCode::NotResponsible;
            return self.answer(call, Answer::Refused(code));
        }
        let records = publication.submission.records.values().cloned().collect();
        let transaction = publication.submission.transaction.clone();
        match machine.check(None, transaction, records) {
            Ok((submission, chain)) => {
                let request = self.asks(&publication, ack);
                let machine = &mut self.machines[member];
                let process = machine.process.as_mut().expect("it was asked");
                process.calls.insert(request, call);
                let input = Input::Submit {
                    request,
                    submission,
                    chain,
                    ack,
                    receipt: request.is_multiple_of(8),
                };
                self.hand_in(member, input);
            }
            Err(kittengrad_node_core::Unverified::ChainUnknown) => {
                let code = kittengrad_proto::error::ErrorCode::ChainUnknown;
                self.answer(call, Answer::Refused(code));
            }
            Err(kittengrad_node_core::Unverified::Failed(_)) => {
                let code = kittengrad_proto::error::ErrorCode::Internal;
                self.answer(call, Answer::Refused(code));
            }
            Err(kittengrad_node_core::Unverified::Refused(_)) => {
                let code = kittengrad_proto::error::ErrorCode::Invalid;
                self.answer(call, Answer::Refused(code));
            }
        }
        self.notice_damage(Node::Peer(member));
    }

    /// Sends one message. Returns false if the process ends before it.
    fn send(&mut self, from: usize, Outbound { to, message }: Outbound, is_early: bool) -> bool {
        if !self.survives(from) {
            return false;
        }
        let sender = self.key(from);
        let checked = self.invariants.sends(sender, &message, is_early);
        self.judge(checked);
        let machine = &self.machines[from];
        let process = machine.process.as_ref().expect("it runs");
        let Some(connection) = process.driver.link(&to).map(|link| link.connection) else {
            return true;
        };
        let to = self.numbers[&to];
        if self.network.connection(from, to) != Some(connection) {
            return true;
        }
        if self.overflow(from, to) {
            return true;
        }
        self.invariants.moves(self.key(to), &message);
        self.deliver(connection, from, to, message);
        true
    }

    /// Queues the arrival of a message.
    pub(crate) fn deliver(&mut self, connection: u64, from: usize, to: usize, message: Message) {
        self.messages += 1;
        if self.network.is_blocked(Node::Peer(from), Node::Peer(to)) {
            return self.network.hold(from, to, message, false);
        }
        let weather = &self.shape.weather;
        let now_us = self.queue.now_us;
        let arrivals = self
            .network
            .arrivals(from, to, &message, now_us, weather, &mut self.random);
        let (at_us, again_us) = arrivals;
        let spike_us = self.spike_us(Node::Peer(from), Node::Peer(to));
        let arrives = |message| Event::Arrives {
            connection,
            from,
            to,
            message,
        };
        if let Some(again_us) = again_us {
            self.fired(crate::faults::Kind::Duplicate);
            self.queue.at(again_us + spike_us, arrives(message.clone()));
        }
        self.queue.at(at_us + spike_us, arrives(message));
    }

    /// Passes one step of a driver. Returns whether the process survives it.
    pub(crate) fn survives(&mut self, member: usize) -> bool {
        let machine = &mut self.machines[member];
        if machine.fuse == Some(0) {
            self.fired(crate::faults::Kind::Crash);
            self.dies(member);
        } else {
            machine.burn();
        }
        self.machines[member].process.is_some()
    }

    /// Kills a process. Uncommitted data is gone; a running commit is lost or kept.
    pub(crate) fn dies(&mut self, member: usize) {
        let machine = &mut self.machines[member];
        let process = machine.process.as_mut();
        let mut steps = process.and_then(|process| process.steps.take());
        let writes = steps.as_mut().and_then(|steps| {
            steps.find_map(|step| match step {
                Step::Commit(writes) => Some(writes),
                _ => None,
            })
        });
        let writes = writes.unwrap_or_default();
        let is_kept = !writes.is_empty() && self.fate.permille(500);
        if is_kept {
            self.commit(member, writes);
        }
        self.machines[member].crash();
        self.buried(member);
    }

    /// Ends the process of a core with a fatal error. A damaged store is put aside at the next start.
    pub(crate) fn stops(&mut self, member: usize, fatal: &Fatal) {
        let line = format!("{} stops: {fatal}", Node::Peer(member));
        self.trace.line(self.queue.now_us, || line);
        self.machines[member].crash();
        self.buried(member);
    }

    /// Cleans up after a process: ends its connections and checks its disk.
    pub(crate) fn buried(&mut self, member: usize) {
        for other in self.partners(member) {
            self.disconnect(member, other);
        }
        self.left(Node::Peer(member));
        self.check_burial(member);
        self.look_after(Node::Peer(member));
    }
}

fn process_of(machine: &mut Machine) -> &mut Process {
    machine.process.as_mut().expect("it runs")
}
