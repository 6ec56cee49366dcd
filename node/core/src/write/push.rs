//! Pushing transactions to the other replicas, while this peer's own disk syncs.

use std::sync::Arc;

use bytes::Bytes;
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    block::Head,
    certificate::Chain,
    id::{Id, PublicKey},
    link::{Message, Push},
    receipt::ItemProof,
    submission::Submission,
};

use crate::{
    catch_up::known::records_of,
    io::{Outbound, Output},
    partners::Partners,
    scope::Scope,
    write::acks::{Acks, Waiting},
};

/// Sends transactions to replicas.
pub(crate) struct Pushing<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) partners: &'a mut Partners,
    pub(crate) out: &'a mut Output,
}

impl Pushing<'_> {
    /// Sends a transaction to all other replicas that are open.
    pub(crate) fn push_to_all(&mut self, waiting: &Waiting) {
        for member in waiting.replicas(self.scope.change) {
            self.push(member, waiting);
        }
    }

    /// Sends a transaction to a replica, with the records that it holds. A replica that is not open gets nothing.
    fn push(&mut self, to: PublicKey, waiting: &Waiting) {
        // `to` may be this peer, which has no link to itself.
        let link = self.partners.get_mut(&to);
        let Some(link) = link.filter(|link| link.is_open()) else {
            return;
        };
        let is_new = link.sent_chains.insert(waiting.chain.id());
        let push = Push {
            transaction: Arc::clone(&waiting.submission.transaction),
            records: records_for(self.scope.view(), &to, &waiting.submission),
            chain: is_new.then(|| Chain::clone(&waiting.chain)),
        };
        self.out.forwards.push(Outbound {
            to,
            message: Message::Push(push),
        });
    }

    /// Sends all waiting transactions that a replica holds and has not confirmed, when the replica opens its journal.
    ///
    /// A confirmation from another incarnation than that of `head` is dropped, because the replica may have lost it.
    pub(crate) fn push_again(&mut self, partner: PublicKey, head: Option<Head>, acks: &mut Acks) {
        for waiting in acks.iter_mut() {
            let newest = waiting.proofs(partner).and_then(newest);
            if newest.map(|newest| newest.incarnation) != head.map(|head| head.incarnation) {
                waiting.forget(partner);
            }
            let is_replica = waiting.replicas(self.scope.change).contains(&partner);
            if is_replica && waiting.lacks(partner) {
                self.push(partner, waiting);
            }
        }
    }

    /// Sends a transaction again with the publisher's certificates, to a replica that lacks them.
    pub(crate) fn push_with_chain(&mut self, to: PublicKey, id: &Id, acks: &Acks) {
        let Some(waiting) = acks.get(id) else {
            return;
        };
        if let Some(link) = self.partners.get_mut(&to) {
            link.sent_chains.remove(&waiting.chain.id());
        }
        self.push(to, waiting);
    }
}

/// The newest block among some proofs.
pub(crate) fn newest(proofs: &[ItemProof]) -> Option<Head> {
    proofs.iter().map(|proof| proof.header.head()).max()
}

/// The records of the entries that a member holds.
fn records_for(view: &View, member: &PublicKey, submission: &Submission) -> Vec<Bytes> {
    let entries = submission.transaction.entries().iter();
    let held = entries.filter(|entry| view.holds(member, &entry.canonical));
    held.flat_map(records_of)
        .filter_map(|id| submission.records.get(&id).cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use kittengrad_support::journals::stored_block;

    use super::*;

    #[test]
    fn the_newest_of_some_proofs_is_the_one_of_the_last_block() {
        let proof = |(incarnation, height): (u64, u64)| ItemProof {
            header: stored_block(incarnation, height, Vec::new(), 0)
                .block
                .header,
            item: Bytes::new(),
            index: 0,
            path: Vec::new(),
            transaction: None,
        };
        let places = [(5, 9), (6, 1), (6, 0), (5, 3)];
        for turn in 0..places.len() {
            let mut proofs: Vec<_> = places.into_iter().map(proof).collect();
            proofs.rotate_left(turn);
            let place = newest(&proofs).map(|head| head.place());
            assert_eq!(place, Some((6, 1)), "{turn}");
        }
        assert_eq!(newest(&[]), None);
    }
}
