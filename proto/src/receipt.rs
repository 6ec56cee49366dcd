//! Receipts: proof that a transaction is on the disks of a quorum, checked offline with the root certificate.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kittengrad_ring::Arc;
use prost::Message;
use thiserror::Error;

use crate::{
    block::{Header, HeaderError, Item, ItemError, arc_from_wire, arc_to_wire},
    certificate::{CertificateError, Chain, Role, Root},
    id::{Id, IdError, PublicKey},
    limits::{MESSAGE_BYTES_MAX, RING_MEMBERS_MAX},
    merkle,
    namespace::Overlay,
    signed::Verifier,
    transaction::{Element, Transaction, TransactionError},
    wire,
};

/// The only version of a receipt there is.
const VERSION: u32 = 1;

/// Why bytes are no receipt, or prove less than they claim. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// Not a receipt at all.
    #[error("receipt is malformed: {0}")]
    Malformed(String),
    /// Its transaction, or one that a proof rests on, is wrong.
    #[error("receipt: {0}")]
    Transaction(#[from] TransactionError),
    /// A header in it is wrong.
    #[error("receipt: {0}")]
    Header(#[from] HeaderError),
    /// An item in it is wrong.
    #[error("receipt: {0}")]
    Item(#[from] ItemError),
    /// A name has a wrong length.
    #[error("receipt: {0}")]
    Id(#[from] IdError),
    /// A peer's certificates are wrong.
    #[error("receipt: peer {peer:?}: {error}")]
    Certificate {
        /// The peer.
        peer: PublicKey,
        /// What is wrong.
        error: CertificateError,
    },
    /// A proof does not lead to its header, or its header is not the peer's.
    #[error("receipt: peer {peer:?}, block {height}: {why}")]
    Proof {
        /// The peer.
        peer: PublicKey,
        /// The block.
        height: u64,
        /// What does not fit.
        why: &'static str,
    },
    /// Fewer peers proved an element than the receipt claims.
    #[error(
        "{proved} peers prove update {element} of the transaction, the receipt claims {claimed}"
    )]
    Short {
        /// Number of the element in its transaction.
        element: usize,
        /// Peers that prove it.
        proved: usize,
        /// Peers that the receipt claims.
        claimed: usize,
    },
}

/// One item of a signed block, with its inclusion proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemProof {
    /// The signed header.
    pub header: Header,
    /// The item's bytes.
    pub item: Bytes,
    /// Its number in the block.
    pub index: u32,
    /// RFC 9162 inclusion path.
    pub path: Vec<Id>,
    /// The transaction that the item names, where it is not the one in question.
    pub transaction: Option<Transaction>,
}

impl ItemProof {
    /// As it travels.
    #[must_use]
    pub fn to_wire(&self) -> wire::ItemProof {
        wire::ItemProof {
            header: Some(self.header.signed().to_wire()),
            item: self.item.clone(),
            index: self.index,
            path: Id::concat(&self.path),
            transaction: self.transaction.as_ref().map(|tx| tx.signed().to_wire()),
        }
    }

    /// Checks the structure of a received proof; [`ItemProof::verify`] checks what it proves.
    ///
    /// # Errors
    /// For everything that is not exactly a proof of `overlay`.
    pub fn from_wire(wire: wire::ItemProof, overlay: &Overlay) -> Result<Self, ReceiptError> {
        Ok(Self {
            header: Header::from_wire(wire.header, overlay)?,
            item: wire.item,
            index: wire.index,
            path: Id::list_from_slice(&wire.path)?,
            transaction: wire
                .transaction
                .map(|tx| Transaction::from_wire(Some(tx), overlay))
                .transpose()?,
        })
    }

    /// Verifies that `peer` signed a block with this item, and returns the elements that the item adds.
    ///
    /// `transaction` is the one in question.
    ///
    /// # Errors
    /// If anything does not fit.
    pub fn verify(
        &self,
        peer: &PublicKey,
        transaction: &Transaction,
        verifier: &dyn Verifier,
    ) -> Result<Vec<Element>, ReceiptError> {
        self.header.verify(verifier)?;
        self.check(peer, transaction, verifier)
    }

    /// As [`ItemProof::verify`], for a header whose signature was verified before.
    ///
    /// # Errors
    /// If anything else does not fit.
    pub fn check(
        &self,
        peer: &PublicKey,
        transaction: &Transaction,
        verifier: &dyn Verifier,
    ) -> Result<Vec<Element>, ReceiptError> {
        let refuse = |why| ReceiptError::Proof {
            peer: *peer,
            height: self.header.height,
            why,
        };
        if self.header.peer != *peer {
            return Err(refuse("the block is another peer's"));
        }
        let leaf = merkle::leaf(&self.item);
        let count = self.header.item_count as usize;
        if !merkle::is_included(
            &self.header.items_root,
            leaf,
            self.index as usize,
            count,
            &self.path,
        ) {
            return Err(refuse("the item is not proved to be in it"));
        }
        let Item::Transaction { id, bitmap } = Item::decode(&self.item)? else {
            return Err(refuse("the item is no transaction"));
        };
        let named = match &self.transaction {
            Some(other) => {
                other.verify(verifier)?;
                other
            }
            None => transaction,
        };
        if named.id() != id {
            return Err(refuse("the item names another transaction"));
        }
        let elements: Vec<_> = named.elements().collect();
        bitmap
            .check(elements.len())
            .map_err(|_| refuse("the item's bitmap does not fit its transaction"))?;
        Ok(elements
            .into_iter()
            .enumerate()
            .filter(|(i, _)| bitmap.is_set(*i))
            .map(|(_, e)| e)
            .collect())
    }
}

/// One peer's word that it holds the elements of a transaction in the cells it replicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The peer.
    pub peer: PublicKey,
    /// Its Level-1 and Level-0 certificates.
    pub chain: Chain,
    /// Items of its journal that add the elements.
    pub proofs: Vec<ItemProof>,
}

/// Proof that a transaction is on the disks of a quorum of each of its cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub transaction: Transaction,
    /// How many peers confirmed each element at least.
    pub quorum: u32,
    /// Cells with the peers that confirmed their entries.
    pub cells: Vec<(Arc, Vec<PublicKey>)>,
    /// Each peer's proofs.
    pub confirmations: Vec<Confirmation>,
}

impl Receipt {
    /// As it travels.
    #[must_use]
    pub fn to_wire(&self) -> wire::Receipt {
        let cells = self.cells.iter().map(|(cell, peers)| wire::CellReceipt {
            cell: Some(arc_to_wire(cell)),
            peers: peers
                .iter()
                .map(|peer| Bytes::copy_from_slice(peer.as_bytes()))
                .collect(),
        });
        let confirmations = self.confirmations.iter().map(|c| wire::Confirmation {
            peer: Bytes::copy_from_slice(c.peer.as_bytes()),
            chain: Some(c.chain.to_wire()),
            proofs: c.proofs.iter().map(ItemProof::to_wire).collect(),
        });
        wire::Receipt {
            version: VERSION,
            transaction: Some(self.transaction.signed().to_wire()),
            quorum: self.quorum,
            cells: cells.collect(),
            confirmations: confirmations.collect(),
        }
    }

    /// As a file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// For everything that is not exactly a receipt of `overlay`.
    pub fn decode(bytes: Bytes, overlay: &Overlay) -> Result<Self, ReceiptError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(ReceiptError::Malformed(format!(
                "it has {} bytes",
                bytes.len()
            )));
        }
        let wire =
            wire::Receipt::decode(bytes).map_err(|e| ReceiptError::Malformed(e.to_string()))?;
        Self::from_wire(wire, overlay)
    }

    /// Checks the structure of a received receipt; [`Receipt::verify`] checks what it proves.
    ///
    /// # Errors
    /// For everything that is not exactly a receipt of `overlay`.
    pub fn from_wire(wire: wire::Receipt, overlay: &Overlay) -> Result<Self, ReceiptError> {
        if wire.version != VERSION {
            return Err(ReceiptError::Malformed(format!(
                "version {}, known is {VERSION}",
                wire.version
            )));
        }
        if wire.confirmations.len() > RING_MEMBERS_MAX {
            return Err(ReceiptError::Malformed(format!(
                "{} confirmations",
                wire.confirmations.len()
            )));
        }
        let cell = |cell: wire::CellReceipt| -> Result<_, ReceiptError> {
            let peers: Result<Vec<_>, _> = cell
                .peers
                .iter()
                .map(|p| PublicKey::from_slice(p))
                .collect();
            Ok((arc_from_wire(cell.cell.as_ref())?, peers?))
        };
        let confirmation = |c: wire::Confirmation| -> Result<_, ReceiptError> {
            let peer = PublicKey::from_slice(&c.peer)?;
            let chain = c
                .chain
                .ok_or_else(|| ReceiptError::Malformed("no certificates".to_owned()))?;
            let chain = Chain::from_wire(chain)
                .map_err(|error| ReceiptError::Certificate { peer, error })?;
            let proofs = c
                .proofs
                .into_iter()
                .map(|p| ItemProof::from_wire(p, overlay));
            Ok(Confirmation {
                peer,
                chain,
                proofs: proofs.collect::<Result<_, _>>()?,
            })
        };
        Ok(Self {
            transaction: Transaction::from_wire(wire.transaction, overlay)?,
            quorum: wire.quorum,
            cells: wire.cells.into_iter().map(cell).collect::<Result<_, _>>()?,
            confirmations: wire
                .confirmations
                .into_iter()
                .map(confirmation)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Verifies everything in it: the publisher's signature, each peer's certificates and proofs, and that
    /// at least `quorum` peers prove each element. The ring is not in a receipt, so whether those peers were
    /// the right ones is for whoever knows the ring.
    ///
    /// # Errors
    /// For the first thing that does not hold.
    pub fn verify(&self, root: &Root, verifier: &dyn Verifier) -> Result<(), ReceiptError> {
        self.transaction.verify(verifier)?;
        let mut proved: BTreeMap<Element, BTreeSet<PublicKey>> = BTreeMap::new();
        for confirmation in &self.confirmations {
            let peer = confirmation.peer;
            let certificate = |error| ReceiptError::Certificate { peer, error };
            let holder = confirmation
                .chain
                .verify(root, verifier)
                .map_err(certificate)?;
            if holder.key != peer || holder.role != Role::Peer {
                let error = "its certificates admit another key or role".to_owned();
                return Err(ReceiptError::Malformed(format!("peer {peer:?}: {error}")));
            }
            for proof in &confirmation.proofs {
                holder.check_at(proof.header.time_ms).map_err(certificate)?;
                for element in proof.verify(&peer, &self.transaction, verifier)? {
                    proved.entry(element).or_default().insert(peer);
                }
            }
        }
        let claimed = (self.quorum as usize).max(1);
        for (number, element) in self.transaction.elements().enumerate() {
            let count = proved.get(&element).map_or(0, BTreeSet::len);
            if count < claimed {
                return Err(ReceiptError::Short {
                    element: number,
                    proved: count,
                    claimed,
                });
            }
        }
        Ok(())
    }
}
