//! Pushing transactions to the other replicas, and counting what they confirm.

use std::sync::Arc;

use bytes::Bytes;
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    block::Head,
    certificate::Chain,
    id::PublicKey,
    link::{CHAIN_UNKNOWN, Message, Push, PushResult},
    receipt::ItemProof,
    submission::Submission,
};

use crate::{
    acks::Waiting,
    io::{Output, Send},
    known::records_of,
    peer::{Peer, misbehaved},
};

impl Peer {
    /// Sends a transaction to every other replica that takes it.
    pub(crate) fn push_to_all(&mut self, waiting: &Waiting, out: &mut Output) {
        for member in waiting.replicas(&self.change()) {
            self.push(member, waiting, out);
        }
    }

    /// Sends a transaction to a replica that takes it, with the records that it holds.
    fn push(&mut self, to: PublicKey, waiting: &Waiting, out: &mut Output) {
        let view = &self.config.view;
        let Some(link) = self.links.get_mut(&to).filter(|link| link.is_open()) else {
            return;
        };
        let is_new = link.sent_chains.insert(waiting.chain.id());
        let push = Push {
            transaction: Arc::clone(&waiting.submission.transaction),
            records: records_for(view, &to, &waiting.submission),
            chain: is_new.then(|| Chain::clone(&waiting.chain)),
        };
        out.forwards.push(Send {
            to,
            message: Message::Push(push),
        });
    }

    /// A replica takes transactions again: those that it did not confirm and others wait for go to it.
    ///
    /// What it confirmed in another incarnation than that of `head` it may have lost since.
    pub(crate) fn push_again(&mut self, partner: PublicKey, head: Option<Head>, out: &mut Output) {
        let change = self.change();
        let mut acks = std::mem::take(&mut self.acks);
        for waiting in acks.waiting() {
            let newest = waiting.proofs(partner).and_then(newest);
            if newest.map(|newest| newest.incarnation) != head.map(|head| head.incarnation) {
                waiting.forget(partner);
            }
            if waiting.lacks(partner) && waiting.replicas(&change).contains(&partner) {
                self.push(partner, waiting, out);
            }
        }
        self.acks = acks;
    }

    /// A replica answered a push.
    pub(crate) fn push_result(&mut self, from: PublicKey, result: PushResult, out: &mut Output) {
        if self
            .links
            .get(&from)
            .is_none_or(|link| link.chain.is_none())
        {
            // Its hello was overtaken: a receipt needs the certificates in it. It is pushed to again when that comes.
            return;
        }
        match result.outcome {
            Ok(proofs) => {
                if let Err(why) = self.count(from, &result.id, proofs) {
                    out.events.push(misbehaved(from, why));
                }
                self.answer(&result.id, out);
            }
            Err(why) if why == CHAIN_UNKNOWN => {
                let mut acks = std::mem::take(&mut self.acks);
                if let Some(waiting) = acks.get_mut(&result.id) {
                    if let Some(link) = self.links.get_mut(&from) {
                        link.sent_chains.remove(&waiting.chain.id());
                    }
                    self.push(from, waiting, out);
                }
                self.acks = acks;
            }
            // A replica that starts or fills up says so; the transaction reaches it through its partners' journals.
            Err(_) => {}
        }
    }

    /// Counts a replica's confirmation, if it proves every element that the replica holds.
    fn count(
        &mut self,
        from: PublicKey,
        id: &kittengrad_proto::id::Id,
        proofs: Vec<ItemProof>,
    ) -> Result<(), String> {
        let (view, change) = (Arc::clone(&self.config.view), self.change());
        let Some(waiting) = self.acks.get_mut(id) else {
            return Ok(());
        };
        if !waiting.replicas(&change).contains(&from) {
            return Err("it confirms what it does not hold".to_owned());
        }
        let transaction = Arc::clone(&waiting.submission.transaction);
        let proved = self
            .acks
            .check(from, &proofs, &transaction, &*self.config.verifier)
            .map_err(|error| error.to_string())?;
        let headers = proofs.iter().map(|proof| &proof.header);
        let newest = headers.max_by_key(|header| header.head());
        if let (Some(link), Some(header)) = (self.links.get_mut(&from), newest) {
            link.saw_header(header);
        }
        let mut held = transaction
            .elements()
            .filter(|element| view.holds(&from, &element.canonical));
        if !held.all(|element| proved.contains(&element)) {
            return Err("it does not prove all that it confirms".to_owned());
        }
        if let Some(waiting) = self.acks.get_mut(id) {
            waiting.confirm(from, proofs);
        }
        Ok(())
    }
}

/// The newest block that some proofs are about.
pub(crate) fn newest(proofs: &[ItemProof]) -> Option<Head> {
    proofs.iter().map(|proof| proof.header.head()).max()
}

/// Records of the entries that a member holds.
fn records_for(view: &View, member: &PublicKey, submission: &Submission) -> Vec<Bytes> {
    let entries = submission.transaction.entries().iter();
    let held = entries.filter(|entry| view.holds(member, &entry.canonical));
    held.flat_map(records_of)
        .filter_map(|id| submission.records.get(&id).cloned())
        .collect()
}
