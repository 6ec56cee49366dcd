//! Confirming: what this peer's journal proves to coordinators, and what all replicas' journals prove to clients.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_journal::{Cut, ProveError, Store, prove};
use kittengrad_overlay::quorum::Ack;
use kittengrad_plants::Plant;
use kittengrad_proto::{
    block::Head,
    id::{Id, PublicKey},
    limits::{
        CERTIFICATE_BYTES_MAX, MESSAGE_BYTES_MAX, TRANSACTION_BYTES_MAX, TRANSACTION_UPDATES_MAX,
    },
    link::{Message, PushResult},
    receipt::{Confirmation, ItemProof, Receipt},
    transaction::Transaction,
};
use kittengrad_ring::Replicas;

use crate::{
    acks::{Ask, Waiting},
    io::{Fatal, Output, Reply, Send, Submitted},
    peer::Peer,
    push::newest,
};

/// Bytes of one peer's proofs of one transaction, so that a receipt of all members that can confirm it fits one
/// message. Only a repeat of many elements, each from a large transaction of its own, comes near it.
///
/// A coordinator holds all cells of a transaction, so their owners are at most h places away and all their replicas 2h.
const fn proofs_bytes_max(replicas: Replicas) -> usize {
    let (cells, members) = (2 * replicas.h() + 1, 4 * replicas.h() + 1);
    let named = cells * (ARC_BYTES + replicas.get() * KEY_BYTES);
    let chains = members * 2 * CERTIFICATE_BYTES_MAX;
    (MESSAGE_BYTES_MAX - TRANSACTION_BYTES_MAX - ANSWER_BYTES - named - chains) / members
}

/// More than what an answer has beside its receipt: bitmap, canonicals created, peers synced.
const ANSWER_BYTES: usize = 64 * 1024;
/// A public key with the tag and length before it.
const KEY_BYTES: usize = 32 + 2;
/// More than an arc with tags and lengths, and those of the cell around it.
const ARC_BYTES: usize = 2 * KEY_BYTES + 16;
/// More than the tags and lengths in a proof, and its number.
const PROOF_BYTES: usize = 48;

impl Peer {
    /// The round ends: proves what this peer's disk will have once it is committed.
    pub(crate) fn confirm(
        &mut self,
        round: &[Cut],
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        for (coordinator, transaction) in self.acks.take_owed() {
            let result = PushResult {
                id: transaction.id(),
                outcome: self.prove(round, &transaction, store)?,
            };
            let sends = match self.plants.has(Plant::ConfirmBeforeSync) {
                true => &mut out.forwards,
                false => &mut out.sends,
            };
            sends.push(Send {
                to: coordinator,
                message: Message::PushResult(result),
            });
        }
        let me = self.me();
        for id in self.acks.take_fresh() {
            let Some(waiting) = self.acks.get_mut(&id) else {
                continue;
            };
            let transaction = std::sync::Arc::clone(&waiting.submission.transaction);
            match self.prove(round, &transaction, store)? {
                Ok(proofs) => {
                    if let Some(waiting) = self.acks.get_mut(&id) {
                        waiting.confirm(me, proofs);
                    }
                    self.answer(&id, out);
                }
                Err(why) => self.give_up(&id, &why, out),
            }
        }
        Ok(())
    }

    /// Proofs of every element that this peer holds, from this round's blocks and from older ones; or why not.
    fn prove(
        &self,
        round: &[Cut],
        transaction: &Transaction,
        store: &dyn Store,
    ) -> Result<Result<Vec<ItemProof>, String>, Fatal> {
        let view = &self.config.view;
        let mut fresh: BTreeSet<(usize, u32)> = BTreeSet::new();
        let mut older = Vec::new();
        let elements = transaction.elements();
        for element in elements.filter(|e| view.holds_here(&e.canonical)) {
            let places = round.iter().enumerate();
            let mut places = places.filter_map(|(cut, c)| Some((cut, *c.added.get(&element)?)));
            match places.next() {
                Some(place) => drop(fresh.insert(place)),
                None => older.push(element),
            }
        }
        let id = transaction.id();
        let fresh = fresh.into_iter();
        let mut proofs: Vec<_> = fresh
            .map(|(cut, index)| prove_in(&round[cut], index, &id))
            .collect();
        match prove(store, view.overlay(), &id, older) {
            Ok(older) => proofs.extend(older),
            Err(ProveError::Store(error)) => return Err(error.into()),
            Err(error @ (ProveError::Absent(_) | ProveError::Scattered(_))) => {
                return Ok(Err(error.to_string()));
            }
        }
        let bytes: usize = proofs.iter().map(size_bytes).sum();
        if bytes > proofs_bytes_max(view.replication()) || proofs.len() > TRANSACTION_UPDATES_MAX {
            let count = proofs.len();
            return Ok(Err(format!(
                "it repeats what {count} items of {bytes} bytes prove: send it in smaller transactions"
            )));
        }
        Ok(Ok(proofs))
    }

    /// The answer to a request, from what was confirmed so far.
    pub(crate) fn reply(&self, ask: Ask, waiting: &Waiting, is_acknowledged: bool) -> Reply {
        let me = self.me();
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
        let view = &self.config.view;
        let cells = waiting.cells.iter().map(|cell| {
            let mut peers = view.replicas(cell);
            let names_all = self.plants.has(Plant::ReceiptNamesAll);
            peers.retain(|member| names_all || confirmed.contains_key(member));
            (cell.arc(), peers)
        });
        let cells: Vec<(_, Vec<_>)> = cells.collect();
        let smallest = cells.iter().map(|(_, peers)| peers.len()).min();
        let quorum = match ack {
            // As many as there are, which is no less than a quorum.
            Ack::All => smallest.unwrap_or_default(),
            ack => ack.needed(view.replication(), 0),
        };
        let confirmations = confirmed.iter().filter_map(|(member, proofs)| {
            let chain = if *member == self.me() {
                self.config.identity.chain.clone()
            } else {
                self.links.get(member)?.chain.clone()?
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

/// The proof of one item of a block that was just cut.
fn prove_in(cut: &Cut, index: u32, transaction: &Id) -> ItemProof {
    let listed = cut
        .listed
        .binary_search_by_key(&index, |(number, _)| *number);
    let named = listed.ok().map(|at| &cut.listed[at].1);
    let other = named.filter(|named| named.id() != *transaction);
    ItemProof {
        header: cut.block.header.clone(),
        item: cut.block.items[index as usize].clone(),
        index,
        path: cut.tree.path(index as usize),
        transaction: other.map(|other| Transaction::clone(other)),
    }
}

/// What a proof has on the wire at most.
fn size_bytes(proof: &ItemProof) -> usize {
    let other = proof.transaction.as_ref();
    let other = other.map_or(0, |transaction| transaction.signed().size_bytes());
    proof.header.signed().size_bytes()
        + proof.item.len()
        + 32 * proof.path.len()
        + other
        + PROOF_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receipt_of_all_members_fits_one_message_whatever_r_is() {
        for number in (1..=u8::MAX).step_by(2) {
            let replicas = Replicas::new(number).unwrap();
            let members = 2 * replicas.get() - 1;
            let confirmation = proofs_bytes_max(replicas) + 2 * CERTIFICATE_BYTES_MAX;
            assert!(proofs_bytes_max(replicas) > 0, "R = {number}");
            assert!(
                members * confirmation + TRANSACTION_BYTES_MAX < MESSAGE_BYTES_MAX,
                "R = {number}"
            );
        }
    }
}
