//! Answering requests: when the quorum is reached, or when the time is over, with the confirmations until then.

use std::collections::BTreeMap;

use kittengrad_overlay::quorum::Ack;
use kittengrad_plants::Plant;
use kittengrad_proto::{
    block::Head,
    id::{Id, PublicKey},
    receipt::{Confirmation, ItemProof, Receipt},
    transaction::Transaction,
};

use crate::{
    io::{Output, Refusal, Reply, Submitted},
    partners::Partners,
    scope::Scope,
    write::{
        acks::{Acks, Ask, Waiting},
        push::newest,
    },
};

/// Answers requests.
pub(crate) struct Answering<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) partners: &'a Partners,
    pub(crate) acks: &'a mut Acks,
    pub(crate) out: &'a mut Output,
}

impl Answering<'_> {
    /// Answers the requests for a transaction whose quorum is reached. The other requests keep waiting.
    pub(crate) fn answer(&mut self, id: &Id) {
        self.answer_if(id, |_| false);
    }

    /// Answers the requests whose time is over, as not acknowledged unless their quorum is reached. A request waits on
    /// while the transaction is not on this peer's own disk.
    pub(crate) fn expire(&mut self) {
        let now_ms = self.scope.now.monotonic_ms;
        let is_late = |ask: &Ask| ask.deadline_ms <= now_ms;
        let waiting = self.acks.iter();
        let late = waiting.filter(|(_, waiting)| waiting.asks.iter().any(is_late));
        let late: Vec<_> = late.map(|(id, _)| *id).collect();
        for id in late {
            self.answer_if(&id, is_late);
        }
    }

    /// Answers the requests whose quorum is reached or that `is_late` selects, once the transaction is on this peer's
    /// own disk.
    fn answer_if(&mut self, id: &Id, is_late: impl Fn(&Ask) -> bool) {
        let Some(waiting) = self.acks.get_mut(id) else {
            return;
        };
        let asks = std::mem::take(&mut waiting.asks);
        let waiting = &*waiting;
        let mut left = Vec::new();
        let mut replies = Vec::new();
        for ask in asks {
            let is_here = waiting.confirmed_for(&ask).contains_key(&self.scope.me());
            let is_reached = waiting.is_reached(&ask, self.scope.change, self.scope.plants);
            let is_acked_by_mistake = is_late(&ask) && self.scope.has(Plant::LateIsAcked);
            let is_acknowledged = is_here && (is_reached || is_acked_by_mistake);
            if is_acknowledged || is_here && is_late(&ask) {
                replies.push((ask, is_acknowledged));
            } else {
                left.push(ask);
            }
        }
        let replying = Replying {
            scope: self.scope,
            partners: self.partners,
        };
        let reply = |(ask, is_acknowledged)| replying.reply(ask, waiting, is_acknowledged);
        let replies: Vec<_> = replies.into_iter().map(reply).collect();
        self.out.replies.extend(replies);
        if left.is_empty() {
            self.acks.end(id, self.scope.plants);
        } else if let Some(waiting) = self.acks.get_mut(id) {
            waiting.asks = left;
        }
    }

    /// Refuses all requests for a submission that this peer cannot prove.
    pub(crate) fn give_up(&mut self, id: &Id, why: &str) {
        if let Some(waiting) = self.acks.get(id) {
            for ask in &waiting.asks {
                refuse(*ask, Refusal::Internal(why.to_owned()), self.out);
            }
        }
        self.acks.end(id, self.scope.plants);
    }
}

/// Refuses a request.
pub(crate) fn refuse(ask: Ask, refusal: Refusal, out: &mut Output) {
    out.replies.push(Reply {
        request: ask.request,
        outcome: Err(refusal),
    });
}

/// Makes answers.
#[derive(Clone, Copy)]
struct Replying<'a> {
    scope: Scope<'a>,
    partners: &'a Partners,
}

impl Replying<'_> {
    /// Makes the answer to a request from the confirmations so far.
    fn reply(&self, ask: Ask, waiting: &Waiting, is_acknowledged: bool) -> Reply {
        let me = self.scope.me();
        let confirmed = waiting.confirmed_for(&ask);
        let own = confirmed.get(&me).and_then(|proofs| newest(proofs));
        let others = confirmed.keys().filter(|member| **member != me);
        let synced = std::iter::once(me).chain(others.copied());
        let submitted = Submitted {
            added: waiting.added.bitmap.clone(),
            created: waiting.added.created.clone(),
            block: own.unwrap_or(Head {
                incarnation: 0,
                height: 0,
                hash: Id::ZERO,
            }),
            synced: synced.collect(),
            is_acknowledged,
            receipt: (ask.receipt && is_acknowledged)
                .then(|| Box::new(self.receipt(ask.ack, waiting, &confirmed))),
        };
        Reply {
            request: ask.request,
            outcome: Ok(submitted),
        }
    }

    fn receipt(
        &self,
        ack: Ack,
        waiting: &Waiting,
        confirmed: &BTreeMap<PublicKey, &[ItemProof]>,
    ) -> Receipt {
        let view = self.scope.view();
        let cells = waiting.cells.iter().map(|cell| {
            let mut peers = view.replicas(cell);
            let names_all = self.scope.has(Plant::ReceiptNamesAll);
            peers.retain(|member| names_all || confirmed.contains_key(member));
            (cell.arc(), peers)
        });
        let cells: Vec<(_, Vec<_>)> = cells.collect();
        let smallest = cells.iter().map(|(_, peers)| peers.len()).min();
        let quorum = match ack {
            // The number of replicas, which is at least a quorum.
            Ack::All => smallest.unwrap_or_default(),
            Ack::One | Ack::Quorum => ack.needed(view.replication(), 0),
        };
        let confirmations = confirmed.iter().filter_map(|(member, proofs)| {
            let chain = if *member == self.scope.me() {
                self.scope.config.identity.chain.clone()
            } else {
                self.partners.get(member)?.chain.clone()?
            };
            let proofs = proofs.to_vec();
            Some(Confirmation {
                peer: *member,
                chain,
                proofs,
            })
        });
        Receipt {
            transaction: Transaction::clone(&waiting.submission.transaction),
            quorum: u32::try_from(quorum).unwrap_or(u32::MAX),
            cells,
            confirmations: confirmations.collect(),
        }
    }
}
