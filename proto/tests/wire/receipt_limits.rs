//! Limits of a receipt: each holds at its last value, and one more is refused because of that limit alone.

use bytes::Bytes;
use kittengrad_proto::{
    block::ItemError,
    certificate::Chain,
    id::Id,
    limits::{
        ITEM_BYTES_MAX, ITEM_PATH_MAX, MESSAGE_BYTES_MAX, PROOFS_MAX, RING_MEMBERS_MAX,
        TRANSACTION_ENTRIES_MAX,
    },
    receipt::{Confirmation, Receipt, ReceiptError},
};

use crate::{
    encodings::padded,
    samples::{overlay, receipt},
};

fn read(receipt: &Receipt) -> Result<Receipt, ReceiptError> {
    Receipt::decode(receipt.encode().into(), overlay())
}

fn malformed(why: String) -> ReceiptError {
    ReceiptError::Malformed(why)
}

/// A receipt with so many of something is read up to `max`, and refused with `beyond` from there on.
#[track_caller]
fn check(max: usize, of: impl Fn(&mut Receipt, usize), beyond: ReceiptError) {
    let made = |count| {
        let mut receipt = receipt();
        of(&mut receipt, count);
        receipt
    };
    let most = made(max);
    assert_eq!(read(&most).as_ref(), Ok(&most));
    assert_eq!(read(&made(max + 1)), Err(beyond));
}

#[test]
fn a_receipt_is_read_up_to_its_limit_of_cells() {
    check(
        TRANSACTION_ENTRIES_MAX,
        |receipt, count| receipt.cells = vec![receipt.cells[0].clone(); count],
        malformed("it has 1001 cells, at most 1000 are allowed".to_owned()),
    );
}

#[test]
fn a_receipt_is_read_up_to_its_limit_of_confirmations() {
    // Nobody looks into certificates before a receipt is verified.
    let certificates = vec![Bytes::from(vec![1; 200]); 2];
    let chain = Chain::from_der(certificates).unwrap();
    check(
        RING_MEMBERS_MAX,
        |receipt, count| {
            let confirmation = Confirmation {
                chain: chain.clone(),
                proofs: Vec::new(),
                ..receipt.confirmations[0].clone()
            };
            receipt.confirmations = vec![confirmation; count];
        },
        malformed("it has 10001 confirmations, at most 10000 are allowed".to_owned()),
    );
}

#[test]
fn a_confirmation_is_read_up_to_its_limit_of_proofs() {
    check(
        PROOFS_MAX,
        |receipt, count| {
            let proofs = &mut receipt.confirmations[1].proofs;
            *proofs = vec![proofs[0].clone(); count];
        },
        malformed("it has 1001 proofs of one peer, at most 1000 are allowed".to_owned()),
    );
}

#[test]
fn a_proof_is_read_up_to_its_limit_of_hashes() {
    check(
        ITEM_PATH_MAX,
        |receipt, count| receipt.confirmations[0].proofs[0].path = vec![Id::ZERO; count],
        malformed("a path has 480 bytes".to_owned()),
    );
}

#[test]
fn a_proof_is_read_up_to_its_limit_of_item_bytes() {
    check(
        ITEM_BYTES_MAX,
        |receipt, bytes| receipt.confirmations[0].proofs[0].item = vec![0; bytes].into(),
        ItemError::TooLarge(ITEM_BYTES_MAX + 1).into(),
    );
}

#[test]
fn a_receipt_is_read_up_to_its_limit_of_bytes() {
    let read = |bytes| Receipt::decode(padded(&receipt().encode(), bytes), overlay());
    assert_eq!(read(MESSAGE_BYTES_MAX), Ok(receipt()));
    let beyond = MESSAGE_BYTES_MAX + 1;
    let why = format!("it has {beyond} bytes");
    assert_eq!(read(beyond), Err(malformed(why)));
}
