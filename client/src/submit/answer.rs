//! The answer of a peer to a submission, checked against the submission.

use kittengrad_proto::{
    block::{Bitmap, Head},
    id::{PublicKey, RecordId},
    receipt::Receipt,
    signed::Ed25519,
    transaction::Transaction,
    wire,
};

use super::{Ack, Prepared, SubmitOptions, Submitted};
use crate::{client::Client, fault::CallError, receipt};

impl Client {
    /// Checks a peer's answer against the submission.
    pub(super) fn read_answer(
        &self,
        peer: PublicKey,
        prepared: &Prepared,
        options: SubmitOptions,
        answer: wire::SubmitResponse,
    ) -> Result<Submitted, CallError> {
        let misbehaved = |why: String| CallError::Misbehaved { peer, why };
        let transaction = &prepared.transaction;
        if answer.id[..] != transaction.id().as_bytes()[..] {
            return Err(misbehaved(
                "it answers about another transaction".to_owned(),
            ));
        }
        let elements = transaction.elements().count();
        if answer.added.len() != elements.div_ceil(8) {
            let bytes = answer.added.len();
            return Err(misbehaved(format!(
                "its bitmap has {bytes} bytes for {elements} elements"
            )));
        }
        let synced = answer.synced.iter().map(|key| PublicKey::from_slice(key));
        let mut synced: Vec<_> = synced
            .collect::<Result<_, _>>()
            .map_err(|e| misbehaved(e.to_string()))?;
        synced.sort_unstable();
        synced.dedup();
        let mut created =
            RecordId::list_from_slice(&answer.created).map_err(|e| misbehaved(e.to_string()))?;
        created.sort_unstable();
        let block =
            Head::from_wire(answer.block.as_ref()).map_err(|e| misbehaved(e.to_string()))?;
        let receipt = match answer.receipt.filter(|_| options.receipt) {
            Some(receipt) => Some(
                self.check_receipt(receipt, transaction, options.ack)
                    .map_err(misbehaved)?,
            ),
            None if options.receipt && answer.acknowledged => {
                return Err(misbehaved(
                    "it acknowledges without the receipt asked for".to_owned(),
                ));
            }
            None => None,
        };
        Ok(Submitted {
            peer,
            added: Bitmap::from_bytes(answer.added),
            block: block
                .ok_or_else(|| misbehaved("it does not say where its journal has it".to_owned()))?,
            synced,
            acknowledged: answer.acknowledged,
            receipt,
            created,
        })
    }

    fn check_receipt(
        &self,
        wire: wire::Receipt,
        transaction: &Transaction,
        ack: Ack,
    ) -> Result<Receipt, String> {
        let view = self.view();
        let receipt = Receipt::from_wire(wire, view.overlay()).map_err(|e| e.to_string())?;
        receipt
            .verify(&self.shared.root, &Ed25519)
            .map_err(|e| e.to_string())?;
        if receipt.transaction.id() != transaction.id() {
            return Err("the receipt is for another transaction".to_owned());
        }
        receipt::check(&receipt, &view, ack).map_err(|e| e.to_string())?;
        Ok(receipt)
    }
}
