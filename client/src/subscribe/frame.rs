//! Checks of one frame alone. They need no other frame, so that frames are checked in parallel.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_journal::FollowError;
use kittengrad_proto::{
    block::{Bitmap, BitmapError, Block, BlockError, CellsError, Item},
    certificate::CertificateError,
    id::{Id, PublicKey, RecordId},
    identity::IdentityError,
    namespace::Overlay,
    record::{self, Summary},
    signed::Ed25519,
    transaction::{Element, Transaction, TransactionError},
    wire,
};
use thiserror::Error;

use super::Bodies;
use crate::vouched::{VouchError, Vouched, Vouchers};

/// Why a frame is refused: it does not verify. None of it was passed on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameFault {
    /// It is empty.
    #[error("empty frame")]
    Empty,
    /// The block is wrong: structure, root or signature.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The block does not continue the journal.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The number of bodies is not the number of transactions in the block.
    #[error("block {height} lists {expected} transactions; {found} arrived")]
    Bodies {
        /// Height of the block.
        height: u64,
        /// Transactions that the block lists.
        expected: usize,
        /// Bodies that arrived.
        found: usize,
    },
    /// A body does not match its item.
    #[error("block {height}, item {item}: {fault}")]
    Body {
        /// Height of the block.
        height: u64,
        /// Number of the item, from 0.
        item: usize,
        /// The error.
        fault: BodyFault,
    },
    /// A heartbeat is wrong.
    #[error(transparent)]
    Heartbeat(#[from] IdentityError),
    /// A heartbeat is of another journal.
    #[error("heartbeat of journal {found:?} in the stream of journal {expected:?}")]
    OtherHeartbeat {
        /// The journal of the subscription.
        expected: PublicKey,
        /// The journal of the heartbeat.
        found: PublicKey,
    },
    /// The answer to a cursor is malformed.
    #[error("malformed answer to the cursor: {0}")]
    Problem(String),
}

/// Why the body of a transaction does not match the item that names it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyFault {
    /// The transaction is malformed or forged.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// It is another transaction than the item names.
    #[error("the block names transaction {named:?}; {found:?} arrived")]
    Other {
        /// The transaction that the item names.
        named: Id,
        /// The transaction that arrived.
        found: Id,
    },
    /// The bitmap does not fit the transaction.
    #[error(transparent)]
    Bitmap(#[from] BitmapError),
    /// The transaction refutes its item: a wrong cell bit, or an element outside the arcs that the owner holds.
    #[error(transparent)]
    Cells(#[from] CellsError),
    /// A record is not an element of the item, or not a valid statement.
    #[error("record {id} {why}")]
    Record {
        /// Digest of the bytes that arrived.
        id: RecordId,
        /// The error.
        why: String,
    },
    /// The publisher's certificates are wrong.
    #[error("publisher's certificates: {0}")]
    Chain(#[from] CertificateError),
    /// The publisher's certificates were never sent.
    #[error("certificate chain {0:?} was not sent with the transaction or before it")]
    ChainMissing(Id),
    /// The publisher's certificates do not certify its key.
    #[error(transparent)]
    Vouch(#[from] VouchError),
}

/// A transaction of a frame, checked alone. Its publisher's certificates are not checked yet.
pub(super) struct CheckedBody {
    pub(super) item: usize,
    pub(super) transaction: Arc<Transaction>,
    pub(super) added: Vec<Element>,
    pub(super) records: BTreeMap<RecordId, Bytes>,
}

/// A block of a frame, checked alone. Its link is not checked yet.
pub(super) struct CheckedFrame {
    pub(super) block: Block,
    pub(super) items: Vec<Item>,
    /// Elements that the items add, by their bitmaps.
    pub(super) added: u64,
    pub(super) bodies: Vec<CheckedBody>,
    /// Chains that arrived with the frame.
    pub(super) chains: Vec<Arc<Vouched>>,
    /// Elements before this block; the source does not sign this number.
    pub(super) offset_said: u64,
}

/// Checks root, signature, transactions, their signatures, bitmaps, records and chains.
pub(super) fn check_frame(
    frame: wire::FrameBlock,
    bodies: Bodies,
    overlay: &Overlay,
    vouchers: &Vouchers,
) -> Result<CheckedFrame, FrameFault> {
    let wire::FrameBlock {
        header,
        items,
        bodies: came,
        offset,
        through,
    } = frame;
    let block = Block::from_wire(header, items, through, overlay)?;
    block.verify(&Ed25519)?;
    let items = block.decode_items()?;
    let height = block.header.height;
    let mut checked = CheckedFrame {
        added: items.iter().map(added_by).sum(),
        block,
        items: Vec::new(),
        bodies: Vec::new(),
        chains: Vec::new(),
        offset_said: offset,
    };
    if bodies != Bodies::None {
        let listed = listed(&items);
        if listed.len() != came.len() {
            return Err(FrameFault::Bodies {
                height,
                expected: listed.len(),
                found: came.len(),
            });
        }
        for ((item, id, bitmap), body) in listed.into_iter().zip(came) {
            let fault = |fault| FrameFault::Body {
                height,
                item,
                fault,
            };
            let wire::Body {
                transaction,
                records,
                chain,
            } = body;
            if let Some(chain) = chain {
                checked
                    .chains
                    .push(vouchers.verify(chain).map_err(|e| fault(e.into()))?);
            }
            let body =
                check_body(item, transaction, id, bitmap, records, overlay).map_err(fault)?;
            checked.bodies.push(body);
        }
    }
    checked.items = items;
    Ok(checked)
}

/// The transaction items of a block, with their numbers.
fn listed(items: &[Item]) -> Vec<(usize, &Id, &Bitmap)> {
    let listed = items
        .iter()
        .enumerate()
        .filter_map(|(number, item)| match item {
            Item::Transaction { id, bitmap, .. } => Some((number, id, bitmap)),
            _ => None,
        });
    listed.collect()
}

/// Elements that an item adds, by its bitmap.
fn added_by(item: &Item) -> u64 {
    match item {
        Item::Transaction { bitmap, .. } => bitmap.count() as u64,
        _ => 0,
    }
}

fn check_body(
    item: usize,
    signed: Option<wire::Signed>,
    id: &Id,
    bitmap: &Bitmap,
    records: Vec<Bytes>,
    overlay: &Overlay,
) -> Result<CheckedBody, BodyFault> {
    let (transaction, added) = check_item(signed, id, bitmap, overlay)?;
    transaction.verify(&Ed25519)?;
    let records = check_records(records, &transaction, &added)?;
    Ok(CheckedBody {
        item,
        transaction: Arc::new(transaction),
        added,
        records,
    })
}

/// The transaction that an item names and the elements that it adds. All is checked but the signature.
fn check_item(
    signed: Option<wire::Signed>,
    id: &Id,
    bitmap: &Bitmap,
    overlay: &Overlay,
) -> Result<(Transaction, Vec<Element>), BodyFault> {
    let transaction = Transaction::from_wire(signed, overlay)?;
    if transaction.id() != *id {
        return Err(BodyFault::Other {
            named: *id,
            found: transaction.id(),
        });
    }
    bitmap.check(transaction.elements().count())?;
    let added = transaction
        .elements()
        .enumerate()
        .filter(|(i, _)| bitmap.is_set(*i));
    let added = added.map(|(_, element)| element).collect();
    Ok((transaction, added))
}

/// Names records by their hashes and checks each against its element.
fn check_records(
    records: Vec<Bytes>,
    transaction: &Transaction,
    added: &[Element],
) -> Result<BTreeMap<RecordId, Bytes>, BodyFault> {
    if records.is_empty() {
        return Ok(BTreeMap::new());
    }
    // The required subject of each record: its canonical for an update, itself for a canonical.
    let mut wanted: BTreeMap<RecordId, RecordId> = BTreeMap::new();
    wanted.extend(
        added
            .iter()
            .filter_map(|e| e.update.map(|update| (update, e.canonical))),
    );
    let inserts = transaction.entries().iter().filter(|entry| entry.insert);
    wanted.extend(inserts.map(|entry| (entry.canonical, entry.canonical)));
    let mut checked = BTreeMap::new();
    for bytes in records {
        let id = RecordId::of(&bytes);
        let refuse = |why: &str| BodyFault::Record {
            id,
            why: why.to_owned(),
        };
        let about = wanted
            .get(&id)
            .ok_or_else(|| refuse("is not one that the item adds"))?;
        match record::check(&bytes).map_err(|e| refuse(&format!("is malformed: {e}")))? {
            Summary::Canonical { .. } if *about == id => {}
            Summary::Statement {
                reference,
                publisher,
                ..
            } if *about != id => {
                if reference != *about {
                    return Err(refuse("refers to another canonical than its entry"));
                }
                if publisher != transaction.publisher() {
                    return Err(refuse("is by another publisher than its transaction"));
                }
            }
            _ => return Err(refuse("is of another type than its entry needs")),
        }
        checked.insert(id, bytes);
    }
    Ok(checked)
}

/// A block as its source sent it, checked alone and not against its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedBlock {
    /// Header and items. The items match the root in the header.
    pub block: Block,
    /// Whether the header's signature is valid.
    pub is_signed: bool,
    /// The items, decoded.
    pub items: Vec<Item>,
    /// The elements that the items add, in order, if bodies were requested.
    pub elements: Vec<Element>,
    /// Elements of the incarnation before this block; the source does not sign this number.
    pub offset: u64,
}

/// Checks one block alone.
pub(crate) fn check_block(
    frame: wire::FrameBlock,
    overlay: &Overlay,
) -> Result<CheckedBlock, FrameFault> {
    let block = Block::from_wire(frame.header, frame.items, frame.through, overlay)?;
    let items = block.decode_items()?;
    let height = block.header.height;
    let mut elements = Vec::new();
    let listed = listed(&items);
    if !frame.bodies.is_empty() {
        if frame.bodies.len() != listed.len() {
            let (expected, found) = (listed.len(), frame.bodies.len());
            return Err(FrameFault::Bodies {
                height,
                expected,
                found,
            });
        }
        for ((item, id, bitmap), body) in listed.into_iter().zip(frame.bodies) {
            let checked = check_item(body.transaction, id, bitmap, overlay);
            let (_, added) = checked.map_err(|fault| FrameFault::Body {
                height,
                item,
                fault,
            })?;
            elements.extend(added);
        }
    }
    Ok(CheckedBlock {
        is_signed: block.verify(&Ed25519).is_ok(),
        block,
        items,
        elements,
        offset: frame.offset,
    })
}
