//! Calls from one process to another: a question and one answer, or none if the way is blocked.

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_journal::{ElementStore as _, RecordStore as _, StoreError};
use kittengrad_proto::{block::Head, error::ErrorCode, id::RecordId};

use crate::{
    calls::{Answer, By, Call, Looked, Question},
    disk::SimDisk,
    host::Node,
    queue::Event,
    world::World,
};

impl World {
    /// Asks a process a question, and waits for the answer for at most `patience_us`.
    pub(crate) fn call(
        &mut self,
        from: Node,
        to: Node,
        question: Question,
        by: By,
        patience_us: u64,
    ) -> u64 {
        self.calls.count += 1;
        let call = self.calls.count;
        let from_run = self.host(from).run;
        let entry = Call {
            from,
            from_run,
            to,
            question,
            by,
            at: None,
        };
        self.calls.calls.insert(call, entry);
        if !self.network.is_blocked(from, to) {
            let us = self.way_us(from, to);
            self.queue.after(us, Event::Asked { node: to, call });
        }
        let overdue = Event::Overdue { node: from, call };
        self.queue.after(patience_us, overdue);
        call
    }

    /// The travel time of a message between two processes.
    pub(crate) fn way_us(&mut self, from: Node, to: Node) -> u64 {
        let us = self.random.within(self.shape.weather.delay_us.clone());
        us + self.spike_us(from, to)
    }

    pub(crate) fn question(&self, call: u64) -> Option<Question> {
        let call = self.calls.calls.get(&call)?;
        Some(call.question.clone())
    }

    /// A question arrives, or its verification is done.
    pub(crate) fn asked(&mut self, call: u64) {
        let Some(entry) = self.calls.calls.get(&call) else {
            return;
        };
        let to = entry.to;
        let host = self.host(to);
        let (is_up, run) = (host.is_up, host.run);
        if !is_up {
            return self.answer(call, Answer::Unreachable);
        }
        match (entry.at, &entry.question, to) {
            (Some(at), ..) if at != run => {}
            (None, Question::Submit { .. }, Node::Peer(member)) => {
                self.set_at(call, run);
                let us = self.verify_us(member);
                self.queue.after(us, Event::Asked { node: to, call });
            }
            (Some(_), Question::Submit { .. }, Node::Peer(member)) => {
                self.take_submission(member, call);
            }
            (_, Question::Lookup { .. }, _) => {
                self.set_at(call, run);
                self.look_up(to, call);
            }
            (_, Question::Records(ids), _) => {
                let ids = ids.clone();
                self.set_at(call, run);
                let found = self.disk(to).map(|disk| found(disk, &ids));
                let answer = match found {
                    Some(Ok(records)) => Answer::Records(records),
                    _ => Answer::Refused(ErrorCode::Internal),
                };
                self.answer(call, answer);
                self.notice_damage(to);
            }
            (_, Question::Submit { .. }, _) => {
                self.answer(call, Answer::Refused(ErrorCode::Invalid));
            }
        }
    }

    fn set_at(&mut self, call: u64, run: u64) {
        if let Some(call) = self.calls.calls.get_mut(&call) {
            call.at = Some(run);
        }
    }

    /// Answers from committed data, as a replica or an aggregator does.
    fn look_up(&mut self, to: Node, call: u64) {
        let Some(Question::Lookup {
            canonicals,
            records,
        }) = self.question(call)
        else {
            return;
        };
        let answer = match self.head_for_readers(to, &canonicals) {
            Err(answer) => answer,
            Ok(head) => {
                let disk = self.disk(to).expect("a process that is asked has a disk");
                match looked(disk, head, &canonicals, records) {
                    Ok(looked) => Answer::Looked(Box::new(looked)),
                    Err(_) => Answer::Refused(ErrorCode::Internal),
                }
            }
        };
        if let Answer::Looked(looked) = &answer {
            for (canonical, set) in canonicals.iter().zip(&looked.sets) {
                let checked = self.invariants.shows(to, *canonical, set.as_deref());
                self.judge(checked);
            }
        }
        self.answer(call, answer);
        self.notice_damage(to);
    }

    /// The head to show to a reader, or the refusal.
    fn head_for_readers(&self, to: Node, canonicals: &[RecordId]) -> Result<Head, Answer> {
        if let Node::Peer(member) = to {
            let machine = &self.machines[member];
            if !canonicals.iter().all(|id| machine.view.holds_here(id)) {
                return Err(Answer::Refused(ErrorCode::NotResponsible));
            }
            let shown = machine.process.as_ref().map(|process| &process.shown);
            if !shown.is_some_and(|shown| shown.is_settled) {
                return Err(Answer::Refused(ErrorCode::Filling));
            }
        }
        let tip = self.tip(to).ok_or(Answer::Unreachable)?;
        Ok(tip.head)
    }

    /// Sends an answer to the caller.
    pub(crate) fn answer(&mut self, call: u64, answer: Answer) {
        let Some(entry) = self.calls.calls.get(&call) else {
            return;
        };
        let (from, to) = (entry.from, entry.to);
        if !self.network.is_blocked(to, from) {
            let us = self.way_us(to, from);
            let answered = Event::Answered {
                node: from,
                call,
                answer,
            };
            self.queue.after(us, answered);
        }
    }

    /// An answer arrives, or the call timed out.
    pub(crate) fn answered(&mut self, call: u64, answer: Answer) {
        let Some(entry) = self.calls.calls.remove(&call) else {
            return;
        };
        if !self.host(entry.from).runs(entry.from_run) {
            return;
        }
        match entry.by {
            By::Ask(ask) => self.heard(ask, call, answer),
            By::Fetch => self.fetched(call, answer),
        }
    }

    /// Ends the calls of a process that ended: drops its own calls, and answers the calls to it as unreachable.
    pub(crate) fn hang_up(&mut self, node: Node) {
        self.calls.calls.retain(|_, call| call.from != node);
        let here = self.calls.calls.iter();
        let here = here.filter(|(_, call)| call.to == node && call.at.is_some());
        let here: Vec<_> = here.map(|(number, _)| *number).collect();
        for call in here {
            self.answer(call, Answer::Unreachable);
        }
    }
}

fn found(disk: &SimDisk, ids: &[RecordId]) -> Result<Vec<Bytes>, StoreError> {
    Ok(disk.records(ids)?.into_iter().flatten().collect())
}

fn looked(
    disk: &SimDisk,
    head: Head,
    canonicals: &[RecordId],
    with_records: bool,
) -> Result<Looked, StoreError> {
    let mut sets = Vec::new();
    let mut records = BTreeMap::new();
    for canonical in canonicals {
        let set = disk.set(canonical)?;
        if with_records && let Some(set) = &set {
            let ids: Vec<_> = [*canonical]
                .into_iter()
                .chain(set.iter().copied())
                .collect();
            let found = ids.iter().zip(disk.records(&ids)?);
            records.extend(found.filter_map(|(id, record)| Some((*id, record?))));
        }
        sets.push(set);
    }
    Ok(Looked {
        head,
        sets,
        records,
    })
}
