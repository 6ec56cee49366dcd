//! Taking partners' transactions, pushed or fetched, after their verification.

use std::{collections::BTreeSet, sync::Arc};

use kittengrad_plants::Plant;
use kittengrad_proto::{
    certificate::Chain,
    error::ErrorCode,
    id::{Id, PublicKey, RecordId},
    link::{Message, PushRefusal, PushResult},
    submission::Submission,
};

use crate::{
    birth::life::Life,
    catch_up::{
        known::{Known, records_of},
        resolve::Resolving,
        wants::Wants,
    },
    io::{Delivery, Fatal, Outbound, Output, Refusal, Unverified},
    partners::Partners,
    round::Round,
    scope::Scope,
    write::{
        acks::{Acks, Added},
        add::{AddError, Adding},
    },
};

/// The result of the verification of a transaction.
pub(crate) type Verified = Result<(Submission, Arc<Chain>), Unverified>;

/// A transaction that came from a partner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) from: PublicKey,
    pub(crate) delivery: Delivery,
    pub(crate) id: Id,
}

/// Takes partners' transactions.
pub(crate) struct Arriving<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) life: &'a mut Life,
    pub(crate) partners: &'a mut Partners,
    pub(crate) wants: &'a mut Wants,
    pub(crate) known: &'a mut Known,
    pub(crate) acks: &'a mut Acks,
    pub(crate) round: &'a mut Round,
    pub(crate) out: &'a mut Output,
}

impl Arriving<'_> {
    /// Takes a partner's transaction.
    pub(crate) fn arrive(&mut self, arrival: Arrival, outcome: Verified) -> Result<(), Fatal> {
        match arrival.delivery {
            Delivery::Push => self.take_push(arrival, outcome),
            Delivery::Body => self.take_body(arrival, outcome),
        }
    }

    /// Takes a push. Its coordinator gets the confirmation at the end of the round, or a refusal now.
    fn take_push(
        &mut self,
        Arrival { from, id, .. }: Arrival,
        outcome: Verified,
    ) -> Result<(), Fatal> {
        let refused = match outcome {
            Err(unverified) => {
                let code = match &unverified {
                    Unverified::ChainUnknown => ErrorCode::ChainUnknown,
                    Unverified::Refused(_) => ErrorCode::Invalid,
                    Unverified::Failed(_) => ErrorCode::Internal,
                };
                PushRefusal::new(code, unverified.to_string())
            }
            Ok(_) if !self.life.has_space => {
                PushRefusal::new(ErrorCode::DiskFull, Refusal::DiskFull.to_string())
            }
            Ok(_) if !self.partners.is_clock_right() => {
                PushRefusal::new(ErrorCode::Starting, self.partners.why_clock())
            }
            Ok((submission, chain)) => match self.add(&submission, &chain, |_| true) {
                Ok(added) => {
                    let transaction = &submission.transaction;
                    self.resolving().mark_whole(transaction, &added.bitmap);
                    let is_repeat = added.bitmap.count() == 0;
                    if !(is_repeat && self.scope.has(Plant::RepeatUnconfirmed)) {
                        self.acks.owe(from, submission.transaction);
                    }
                    return Ok(());
                }
                Err(AddError::Fatal(fatal)) => return Err(fatal),
                Err(AddError::Starting) => {
                    PushRefusal::new(ErrorCode::Starting, self.life.why_starting(self.partners))
                }
                Err(AddError::Refused(why)) => PushRefusal::new(ErrorCode::Invalid, why),
            },
        };
        self.refuse(from, id, refused);
        Ok(())
    }

    fn refuse(&mut self, to: PublicKey, id: Id, refusal: PushRefusal) {
        let outcome = Err(refusal);
        self.out.sends.push(Outbound {
            to,
            message: Message::PushResult(PushResult { id, outcome }),
        });
    }

    /// Takes a fetched transaction, or a part of one: adds the entries that came. Missing entries are fetched again.
    fn take_body(
        &mut self,
        Arrival { from, id, .. }: Arrival,
        outcome: Verified,
    ) -> Result<(), Fatal> {
        let (submission, chain) = match outcome {
            Ok(verified) => verified,
            // The transaction is fetched again. Every answer to a fetch has the certificates.
            Err(Unverified::ChainUnknown | Unverified::Failed(_)) => return Ok(()),
            Err(Unverified::Refused(why)) => {
                self.resolving().refute(from, id, why);
                return Ok(());
            }
        };
        let entries = submission.transaction.entries().iter();
        let came: BTreeSet<_> = entries
            .filter(|entry| records_of(entry).all(|id| submission.records.contains_key(&id)))
            .map(|entry| entry.canonical)
            .collect();
        let added = match self.add(&submission, &chain, |canonical| came.contains(canonical)) {
            Ok(added) => added,
            Err(AddError::Fatal(fatal)) => return Err(fatal),
            // The transaction is fetched again.
            Err(AddError::Starting | AddError::Refused(_)) => return Ok(()),
        };
        let transaction = &submission.transaction;
        if self.has_rest(&submission, &came)? || self.scope.has(Plant::PartIsWhole) {
            self.resolving().mark_whole(transaction, &added.bitmap);
            return Ok(());
        }
        self.resolving().mark_part(from, transaction, &came)
    }

    /// Whether the set has all elements of a transaction that this peer holds, besides the entries in `came`.
    fn has_rest(&self, submission: &Submission, came: &BTreeSet<RecordId>) -> Result<bool, Fatal> {
        let view = self.scope.view();
        let elements = submission.transaction.elements();
        let rest =
            elements.filter(|e| view.holds_here(&e.canonical) && !came.contains(&e.canonical));
        let here = self.scope.store.contains(&rest.collect::<Vec<_>>())?;
        Ok(here.into_iter().all(|is_here| is_here))
    }

    fn add(
        &mut self,
        submission: &Submission,
        chain: &Chain,
        takes: impl Fn(&RecordId) -> bool,
    ) -> Result<Added, AddError> {
        let mut adding = Adding {
            scope: self.scope,
            life: self.life,
            known: self.known,
            round: self.round,
            out: self.out,
        };
        adding.add(submission, chain, takes)
    }

    fn resolving(&mut self) -> Resolving<'_> {
        Resolving {
            scope: self.scope,
            partners: self.partners,
            wants: self.wants,
            known: self.known,
            out: self.out,
        }
    }
}
