//! Asks several replicas until enough of them answered. The client's own state machine decides whom to ask, and when.

use std::collections::BTreeMap;

use kittengrad_client_core::{
    merge::{Consistency, Reply, merge},
    routing::{Call, Patience, Step, Trouble},
};
use kittengrad_proto::{error::ErrorCode, id::PublicKey};

use crate::{
    asks::{Ask, Purpose},
    calls::{Answer, By, Question},
    host::Node,
    queue::Event,
    world::World,
};

impl World {
    /// Starts an ask. Returns its number.
    pub(crate) fn ask(&mut self, node: Node, purpose: Purpose) -> u64 {
        let now_us = self.queue.now_us;
        let host = self.host(node);
        let now_ms = host.monotonic_ms(now_us);
        let (holders, needed, patience) = self.route(&purpose);
        let health = self.asks.health.entry(node).or_default();
        let holders = health.order(holders, now_ms);
        self.asks.count += 1;
        let number = self.asks.count;
        let ask = Ask {
            node,
            call: Call::new(patience, holders, needed, now_ms),
            purpose,
            began_us: now_us,
            faults: (!self.has_faults()).then(|| self.fault_count()),
            running: BTreeMap::new(),
            replies: Vec::new(),
            records: BTreeMap::new(),
            due_us: 0,
        };
        self.asks.asks.insert(number, ask);
        self.advance(number);
        number
    }

    fn route(&self, purpose: &Purpose) -> (Vec<PublicKey>, usize, Patience) {
        let view = self.view();
        let replicas = view.replication();
        match purpose {
            Purpose::Put { publication, .. } => (
                view.holders_of_all(&publication.canonicals()),
                1,
                Patience::WRITE,
            ),
            Purpose::Get {
                canonical,
                consistency,
            } => {
                let holders = view.keys_holding(canonical);
                let needed = consistency.needed(holders.len(), replicas);
                (holders, needed, Patience::READ)
            }
            Purpose::Absent {
                canonicals,
                is_last: false,
            } => {
                let holders = view.holders_of_all(canonicals);
                let needed = Consistency::Quorum.needed(holders.len(), replicas);
                (holders, needed, Patience::READ)
            }
            Purpose::Absent { .. } => (vec![self.key_of(Node::Aggregator)], 1, Patience::READ),
        }
    }

    /// Performs the steps of the call until it waits or ends.
    fn advance(&mut self, number: u64) {
        loop {
            let now_us = self.queue.now_us;
            let Some(ask) = self.asks.asks.get(&number) else {
                return;
            };
            let host = self.host(ask.node);
            let (started_us, now_ms) = (host.started_us, host.monotonic_ms(now_us));
            let ask = self.asks.asks.get_mut(&number).expect("it was there");
            match ask.call.step(now_ms) {
                Step::Ask(peer) => self.put_question(number, peer),
                Step::Wait { until_ms } => {
                    let at_us = (started_us + until_ms * 1_000).max(now_us + 1_000);
                    if ask.due_us <= now_us || at_us < ask.due_us {
                        ask.due_us = at_us;
                        let (node, ask) = (ask.node, number);
                        self.queue.at(at_us, Event::Due { node, ask });
                    }
                    return;
                }
                Step::Reroute { .. } => {
                    let purpose = ask.purpose.clone();
                    let (holders, ..) = self.route(&purpose);
                    let ask = self.asks.asks.get_mut(&number).expect("it was there");
                    ask.call.rerouted(holders, now_ms);
                }
                Step::Done => return self.finish(number, true),
                Step::GiveUp(_) => return self.finish(number, false),
            }
        }
    }

    fn put_question(&mut self, number: u64, peer: PublicKey) {
        let Some(ask) = self.asks.asks.get(&number) else {
            return;
        };
        let node = ask.node;
        let question = match &ask.purpose {
            Purpose::Put { publication, ack } => Question::Submit {
                publication: publication.clone(),
                ack: *ack,
                chain: !self.asks.told.contains(&(node, peer)),
            },
            Purpose::Get { canonical, .. } => Question::Lookup {
                canonicals: vec![*canonical],
                records: false,
            },
            Purpose::Absent { canonicals, .. } => Question::Lookup {
                canonicals: canonicals.clone(),
                records: true,
            },
        };
        let to = self.peer_of(&peer).unwrap_or(Node::Aggregator);
        let patience_us = if node == Node::Indexer {
            3_000_000
        } else {
            self.shape.attempt_us
        };
        let call = self.call(node, to, question, By::Ask(number), patience_us);
        if let Some(ask) = self.asks.asks.get_mut(&number) {
            ask.running.insert(call, peer);
        }
    }

    /// Checks the clock of an ask.
    pub(crate) fn due(&mut self, number: u64) {
        self.advance(number);
    }

    /// Handles an answer or a timeout.
    pub(crate) fn heard(&mut self, number: u64, call: u64, answer: Answer) {
        let Some(ask) = self.asks.asks.get_mut(&number) else {
            return;
        };
        let Some(peer) = ask.running.remove(&call) else {
            return;
        };
        let node = ask.node;
        if matches!(answer, Answer::Refused(ErrorCode::ChainUnknown))
            && self.asks.told.remove(&(node, peer))
        {
            return self.put_question(number, peer);
        }
        if matches!(ask.purpose, Purpose::Put { .. }) && matches!(answer, Answer::Submitted(_)) {
            self.asks.told.insert((node, peer));
        }
        let trouble = self.take_answer(number, peer, answer);
        let now_us = self.queue.now_us;
        let now_ms = self.host(node).monotonic_ms(now_us);
        let random = self.random.next();
        let health = self.asks.health.entry(node).or_default();
        let Some(ask) = self.asks.asks.get_mut(&number) else {
            return;
        };
        match trouble {
            None => {
                health.answered(peer);
                ask.call.answered(peer);
            }
            Some(trouble) => {
                health.failed(peer, trouble, now_ms, random);
                ask.call.failed(peer, trouble, now_ms, random);
            }
        }
        self.advance(number);
    }

    /// Stores the answer. Returns its trouble, if any.
    fn take_answer(&mut self, number: u64, peer: PublicKey, answer: Answer) -> Option<Trouble> {
        match answer {
            Answer::Submitted(submitted) if submitted.is_acknowledged => None,
            Answer::Submitted(_) => Some(Trouble::Unacknowledged),
            Answer::Looked(looked) => {
                let ask = self.asks.asks.get_mut(&number).expect("it was there");
                ask.records.extend(looked.records);
                if let Purpose::Get { .. } = ask.purpose {
                    let set = looked.sets.into_iter().next().flatten();
                    ask.replies.push(Reply {
                        peer,
                        head: looked.head,
                        exists: set.is_some(),
                        updates: set.unwrap_or_default(),
                    });
                }
                None
            }
            Answer::Refused(code) => Some(trouble_of(code)),
            Answer::Unreachable | Answer::Records(_) => Some(Trouble::Unavailable),
            Answer::TimedOut => Some(Trouble::TimedOut),
        }
    }

    /// Ends an ask: enough replicas answered, or the call gave up.
    fn finish(&mut self, number: u64, is_done: bool) {
        let Some(ask) = self.asks.asks.remove(&number) else {
            return;
        };
        match &ask.purpose {
            Purpose::Put { publication, .. } => self.put_ended(&ask, publication.id(), is_done),
            Purpose::Get {
                canonical,
                consistency,
            } => {
                let view = self.view();
                let holders = view.keys_holding(canonical);
                let merged = merge(&ask.replies, &holders, view.replication(), *consistency);
                if merged.complete {
                    let checked = self.invariants.looks(*canonical, &merged, ask.began_us);
                    self.judge(checked);
                }
            }
            Purpose::Absent {
                canonicals,
                is_last,
            } => {
                if !is_done && !is_last && ask.records.is_empty() {
                    let (canonicals, is_last) = (canonicals.clone(), true);
                    let purpose = Purpose::Absent {
                        canonicals,
                        is_last,
                    };
                    self.ask(Node::Indexer, purpose);
                } else {
                    self.found_absent(canonicals, &ask.records);
                }
            }
        }
    }

    /// Drops the asks of a process that ended.
    pub(crate) fn forget_asks(&mut self, node: Node) {
        self.asks.asks.retain(|_, ask| ask.node != node);
        self.asks.health.remove(&node);
        self.asks.told.retain(|(from, _)| *from != node);
    }
}

/// The trouble that a refusal means for a call that may ask other replicas, as in the SDK.
const fn trouble_of(code: ErrorCode) -> Trouble {
    match code {
        ErrorCode::NotResponsible => Trouble::NotResponsible,
        ErrorCode::Filling => Trouble::Filling,
        ErrorCode::Starting => Trouble::Starting,
        ErrorCode::Invalid | ErrorCode::TooLarge | ErrorCode::WrongNamespace => Trouble::Refused,
        ErrorCode::UnknownCanonical => Trouble::Unknown,
        ErrorCode::NotFresh => Trouble::NotFresh,
        ErrorCode::Overloaded | ErrorCode::DiskFull => Trouble::Overloaded,
        ErrorCode::ChainUnknown | ErrorCode::Internal => Trouble::Unavailable,
    }
}
