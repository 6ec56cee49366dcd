//! Resolving: when a transaction is here, wholly or in part, positions in partners' journals advance.

use std::{collections::BTreeSet, sync::Arc};

use kittengrad_plants::Plant;
use kittengrad_proto::{
    block::Bitmap,
    id::{Id, PublicKey, RecordId},
    transaction::Transaction,
};

use crate::{
    catch_up::{
        known::{Known, shared},
        wants::Wants,
    },
    io::{Event, Fatal, Output, misbehaved},
    partners::Partners,
    scope::Scope,
};

/// Notes that this peer has a transaction, or a part of one.
pub(crate) struct Resolving<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) partners: &'a mut Partners,
    pub(crate) wants: &'a mut Wants,
    pub(crate) known: &'a mut Known,
    pub(crate) out: &'a mut Output,
}

impl Resolving<'_> {
    /// Marks a transaction whole: drops it from `wants`, and advances the positions past it.
    pub(crate) fn mark_whole(&mut self, transaction: &Arc<Transaction>, added: &Bitmap) {
        let id = transaction.id();
        let write = self.known.mark_whole(transaction, added.count() > 0);
        self.out.writes.extend(write);
        self.check(transaction);
        self.wants.resolve(&id);
        for (_, link) in self.partners.iter_mut() {
            link.following.resolve(&id, |_| true);
        }
    }

    /// Marks a transaction partly here: the entries in `came`, which partner `from` sent, and those from before.
    ///
    /// The missing entries are still fetched from the partners that list them.
    pub(crate) fn mark_part(
        &mut self,
        from: PublicKey,
        transaction: &Transaction,
        came: &BTreeSet<RecordId>,
    ) -> Result<(), Fatal> {
        let id = transaction.id();
        let write = self.known.mark_part(id);
        let write = write.filter(|_| !self.scope.has(Plant::PartNotKept));
        self.out.writes.extend(write);
        self.check(transaction);
        let Scope { store, .. } = self.scope;
        let view = self.scope.view();
        let mut failed = None;
        for (partner, link) in self.partners.iter_mut() {
            let is_over = link.following.resolve(&id, |added| {
                let mut elements = shared(transaction, added, view);
                elements.retain(|element| !came.contains(&element.canonical));
                let here = store.contains(&elements);
                here.map_or_else(
                    |error| {
                        failed = Some(error);
                        false
                    },
                    |here| here.into_iter().all(|is_here| is_here),
                )
            });
            match is_over {
                Some(true) => self.wants.drop_source(&id, partner),
                Some(false) if *partner == from && self.wants.mark_unable(&id, partner) => {
                    self.out.events.push(Event::Unavailable(id));
                }
                _ => {}
            }
        }
        self.wants.retry(&id);
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Quarantines the journals whose items the transaction refutes. Their partners are no longer its sources.
    fn check(&mut self, transaction: &Transaction) {
        for (partner, link) in self.partners.iter_mut() {
            if let Err(misbehaviour) = link.following.check(transaction) {
                self.out.events.push(misbehaved(*partner, misbehaviour));
                self.wants.drop_source(&transaction.id(), partner);
            }
        }
    }

    /// Quarantines the journal of a partner that answered a fetch with an invalid transaction. If the transaction
    /// itself is valid, other partners have it too.
    pub(crate) fn refute(&mut self, from: PublicKey, id: Id, why: String) {
        if let Some(link) = self.partners.get_mut(&from) {
            link.following.quarantine();
        }
        if self.wants.mark_unable(&id, &from) {
            self.out.events.push(Event::Unavailable(id));
        }
        self.out.events.push(Event::Invalid {
            peer: from,
            id,
            why,
        });
    }
}
