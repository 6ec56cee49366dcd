//! Proofs that this peer's journal has the elements of a transaction, from this round's blocks and from older ones.

use std::collections::BTreeSet;

use kittengrad_journal::{Cut, ProveError, prove};
use kittengrad_proto::{
    id::Id,
    limits::{
        CERTIFICATE_BYTES_MAX, MESSAGE_BYTES_MAX, TRANSACTION_BYTES_MAX, TRANSACTION_UPDATES_MAX,
    },
    receipt::ItemProof,
    transaction::Transaction,
};
use kittengrad_ring::Replicas;

use crate::{io::Fatal, scope::Scope};

/// Proves every element of a transaction that this peer holds, from the blocks `cuts` of this round and from older
/// ones. The inner error is the reason why there is no proof, for the coordinator or the client.
pub(super) fn prove_held(
    scope: Scope<'_>,
    cuts: &[Cut],
    transaction: &Transaction,
) -> Result<Result<Vec<ItemProof>, String>, Fatal> {
    let view = scope.view();
    let mut fresh: BTreeSet<(usize, u32)> = BTreeSet::new();
    let mut older = Vec::new();
    let elements = transaction.elements();
    for element in elements.filter(|e| view.holds_here(&e.canonical)) {
        let places = cuts.iter().enumerate();
        let mut places = places.filter_map(|(cut, c)| Some((cut, *c.added.get(&element)?)));
        match places.next() {
            Some(place) => drop(fresh.insert(place)),
            None => older.push(element),
        }
    }
    let id = transaction.id();
    let fresh = fresh.into_iter();
    let mut proofs: Vec<_> = fresh
        .map(|(cut, index)| prove_in(&cuts[cut], index, &id))
        .collect();
    match prove(scope.store, view.overlay(), &id, older) {
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
            "it repeats elements that take {count} proofs of {bytes} bytes: send it in smaller transactions"
        )));
    }
    Ok(Ok(proofs))
}

/// Bytes of one peer's proofs of one transaction, at most. A receipt of all members that can confirm it then fits one
/// message. Only a repeat of many elements, each from a large transaction of its own, comes near the limit.
///
/// A coordinator holds all cells of a transaction, so their owners are at most h places away, and their replicas 2h.
const fn proofs_bytes_max(replicas: Replicas) -> usize {
    let (cells, members) = (2 * replicas.h() + 1, 4 * replicas.h() + 1);
    let named = cells * (ARC_BYTES + replicas.get() * KEY_BYTES);
    let chains = members * 2 * CERTIFICATE_BYTES_MAX;
    (MESSAGE_BYTES_MAX - TRANSACTION_BYTES_MAX - ANSWER_BYTES - named - chains) / members
}

/// Bytes of an answer without its receipt, at most: bitmap, canonicals created, peers synced.
const ANSWER_BYTES: usize = 64 * 1024;
/// Bytes of a public key with its tag and length.
const KEY_BYTES: usize = 32 + 2;
/// Bytes of an arc, at most, with its tags and lengths and those of its cell.
const ARC_BYTES: usize = 2 * KEY_BYTES + 16;
/// Bytes of the tags, lengths and the item's number in a proof, at most.
const PROOF_BYTES: usize = 48;

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

/// Bytes of a proof on the wire, at most.
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
