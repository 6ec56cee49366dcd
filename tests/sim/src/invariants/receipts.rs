//! A receipt proves its claim (S1). Certificates are not checked: those of the simulator are placeholders.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_proto::{
    id::PublicKey,
    receipt::Receipt,
    signed::Verifier,
    transaction::{Element, Transaction},
};

use super::{Verdict, check};

/// Checks a receipt.
pub(super) fn proves(
    receipt: &Receipt,
    transaction: &Transaction,
    quorum: usize,
    verifier: &dyn Verifier,
) -> Verdict {
    let check = |is_kept, message: &dyn Fn() -> String| check(is_kept, "receipt", "S1", message);
    check(receipt.transaction == *transaction, &|| {
        "it is for another transaction".to_owned()
    })?;
    check(receipt.quorum as usize >= quorum, &|| {
        format!("it names a quorum of {}", receipt.quorum)
    })?;
    let mut proved: BTreeMap<Element, BTreeSet<PublicKey>> = BTreeMap::new();
    for confirmation in &receipt.confirmations {
        for proof in &confirmation.proofs {
            let elements = proof.verify(&confirmation.peer, &receipt.transaction, verifier);
            check(elements.is_ok(), &|| format!("a proof fails: {elements:?}"))?;
            for element in elements.into_iter().flatten() {
                proved.entry(element).or_default().insert(confirmation.peer);
            }
        }
    }
    for element in transaction.elements() {
        let by = proved.entry(element).or_default();
        check(by.len() >= receipt.quorum as usize, &|| {
            let confirmed: Vec<_> = receipt.confirmations.iter().map(|c| c.peer).collect();
            let (quorum, cells) = (receipt.quorum, &receipt.cells);
            format!("{element:?} is proved by {by:?}, not {quorum}: {confirmed:?} of {cells:?}")
        })?;
        let mut cells = receipt.cells.iter();
        let cell = cells.find(|(cell, _)| cell.contains(element.canonical.point()));
        let is_named = cell.is_some_and(|(_, peers)| peers.iter().all(|peer| by.contains(peer)));
        check(is_named, &|| {
            format!("the cell of {element:?} names peers that do not prove it")
        })?;
    }
    Ok(())
}
