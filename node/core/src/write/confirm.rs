//! Confirming transactions to coordinators, and counting the confirmations of other replicas.

use std::sync::Arc;

use kittengrad_journal::Cut;
use kittengrad_plants::Plant;
use kittengrad_proto::{
    block::Head,
    error::ErrorCode,
    id::{Id, PublicKey},
    link::{Message, PushRefusal, PushResult},
    receipt::ItemProof,
};

use crate::{
    io::{Fatal, Outbound, Output, misbehaved},
    misbehaviour::Misbehaviour,
    partners::Partners,
    scope::Scope,
    write::{acks::Acks, answer::Answering, prove::prove_held, push::Pushing},
};

/// Confirms transactions, and counts confirmations.
pub(crate) struct Confirming<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) partners: &'a mut Partners,
    pub(crate) acks: &'a mut Acks,
    pub(crate) out: &'a mut Output,
}

impl Confirming<'_> {
    /// Confirms the pushes and submissions of this round, from the blocks `cuts`. The messages leave after the commit.
    pub(crate) fn confirm_round(&mut self, cuts: &[Cut]) -> Result<(), Fatal> {
        for (coordinator, transaction) in self.acks.take_owed() {
            let proved = prove_held(self.scope, cuts, &transaction)?;
            let result = PushResult {
                id: transaction.id(),
                outcome: proved.map_err(|why| PushRefusal::new(ErrorCode::Internal, why)),
            };
            let sends = match self.scope.has(Plant::ConfirmBeforeSync) {
                true => &mut self.out.forwards,
                false => &mut self.out.sends,
            };
            sends.push(Outbound {
                to: coordinator,
                message: Message::PushResult(result),
            });
        }
        for id in self.acks.take_fresh() {
            let Some(waiting) = self.acks.get_mut(&id) else {
                continue;
            };
            let transaction = Arc::clone(&waiting.submission.transaction);
            match prove_held(self.scope, cuts, &transaction)? {
                Ok(proofs) => {
                    waiting.confirm(self.scope.me(), proofs);
                    self.answering().answer(&id);
                }
                Err(why) => self.answering().give_up(&id, &why),
            }
        }
        Ok(())
    }

    /// Takes a replica's answer to a push.
    pub(crate) fn push_result(&mut self, from: PublicKey, result: PushResult) {
        let link = self.partners.get(&from);
        if link.is_none_or(|link| link.chain.is_none()) {
            // The answer overtook the hello with the certificates, which a receipt needs. The hello pushes again.
            return;
        }
        match result.outcome {
            Ok(proofs) => {
                if let Err(misbehaviour) = self.count(from, &result.id, proofs) {
                    self.out.events.push(misbehaved(from, misbehaviour));
                }
                self.answering().answer(&result.id);
            }
            Err(refusal) if refusal.code == ErrorCode::ChainUnknown => {
                let (mut pushing, acks) = self.pushing();
                pushing.push_with_chain(from, &result.id, acks);
            }
            // The replica is starting or its disk is full. It gets the transaction from its partners' journals later.
            Err(_) => {}
        }
    }

    /// Counts a replica's confirmation, if it proves all elements that the replica holds.
    fn count(
        &mut self,
        from: PublicKey,
        id: &Id,
        proofs: Vec<ItemProof>,
    ) -> Result<(), Misbehaviour> {
        let Some(waiting) = self.acks.get(id) else {
            return Ok(());
        };
        if !waiting.replicas(self.scope.change).contains(&from) {
            return Err(Misbehaviour::ConfirmsUnheld);
        }
        let transaction = Arc::clone(&waiting.submission.transaction);
        let verifier = &*self.scope.config.verifier;
        let proved = self.acks.check(from, &proofs, &transaction, verifier)?;
        let headers = proofs.iter().map(|proof| &proof.header);
        let newest = headers.max_by_key(|header| header.head());
        if let (Some(link), Some(header)) = (self.partners.get_mut(&from), newest) {
            link.saw_header(header);
        }
        let view = self.scope.view();
        let elements = transaction.elements();
        let mut held = elements.filter(|element| view.holds(&from, &element.canonical));
        if !held.all(|element| proved.contains(&element)) {
            return Err(Misbehaviour::ConfirmsPart);
        }
        if let Some(waiting) = self.acks.get_mut(id) {
            waiting.confirm(from, proofs);
        }
        Ok(())
    }

    /// Pushes all waiting transactions that a replica has not confirmed, when the replica opens its journal. `head` is
    /// the head of that journal.
    pub(crate) fn push_again(&mut self, to: PublicKey, head: Option<Head>) {
        let (mut pushing, acks) = self.pushing();
        pushing.push_again(to, head, acks);
    }

    fn pushing(&mut self) -> (Pushing<'_>, &mut Acks) {
        let pushing = Pushing {
            scope: self.scope,
            partners: self.partners,
            out: self.out,
        };
        (pushing, self.acks)
    }

    fn answering(&mut self) -> Answering<'_> {
        Answering {
            scope: self.scope,
            partners: self.partners,
            acks: self.acks,
            out: self.out,
        }
    }
}
