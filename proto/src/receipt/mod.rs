//! Receipts: proof that a transaction is on the disks of a quorum, checked offline with the root certificate.

mod proof;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kittengrad_ring::KeyRange;
use prost::Message;
use thiserror::Error;

pub use proof::ItemProof;

use crate::{
    block::{HeaderError, ItemError, arc_from_wire, arc_to_wire},
    certificate::{CertificateError, Chain, Role, Root},
    id::{IdError, PublicKey},
    limits::{MESSAGE_BYTES_MAX, PROOFS_MAX, RING_MEMBERS_MAX, TRANSACTION_ENTRIES_MAX},
    namespace::Overlay,
    signed::Verifier,
    transaction::{Element, Transaction, TransactionError},
    weight::{self, Part},
    wire,
};

/// The version of a receipt that this program reads and writes.
const VERSION: u32 = 1;

/// Parts that a receipt may repeat often.
pub(crate) const PARTS: &[Part] = &[
    Part::new::<wire::CellReceipt>(4, &[Part::new::<Bytes>(2, &[])]),
    Part::new::<wire::Confirmation>(
        5,
        &[
            Part::new::<wire::Chain>(2, &[Part::new::<Bytes>(2, &[])]),
            Part::new::<wire::ItemProof>(3, &[]),
        ],
    ),
];

/// Why bytes are not a receipt, or prove less than they claim. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// Not a receipt.
    #[error("receipt is malformed: {0}")]
    Malformed(String),
    /// Its transaction, or the transaction of a proof, is wrong.
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
        /// The error.
        error: CertificateError,
    },
    /// A proof does not lead to its header, or its header is not the peer's.
    #[error("receipt: peer {peer:?}, block {height}: {why}")]
    Proof {
        /// The peer.
        peer: PublicKey,
        /// The block.
        height: u64,
        /// The reason.
        why: &'static str,
    },
    /// Fewer peers proved an element than the receipt claims.
    #[error(
        "{proved} peers prove element {element} of the transaction; the receipt claims {claimed}"
    )]
    Short {
        /// Number of the element in its transaction.
        element: usize,
        /// Peers that prove it.
        proved: usize,
        /// Peers that the receipt claims.
        claimed: usize,
    },
    /// The cell of an element does not match its proofs.
    #[error("receipt: element {element} of the transaction {why}")]
    Cell {
        /// Number of the element in its transaction.
        element: usize,
        /// The reason.
        why: &'static str,
    },
}

/// The proofs of one peer that it holds the elements of a transaction in the cells that it replicates.
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
    /// The number of peers that confirmed each element, at least.
    pub quorum: u32,
    /// Cells with the peers that confirmed their entries.
    pub cells: Vec<(KeyRange, Vec<PublicKey>)>,
    /// Each peer's proofs.
    pub confirmations: Vec<Confirmation>,
}

impl Receipt {
    /// Converts to the wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::Receipt {
        let cells = self.cells.iter().map(|(cell, peers)| wire::CellReceipt {
            cell: Some(arc_to_wire(cell)),
            peers: peers
                .iter()
                .map(|peer| Bytes::copy_from_slice(peer.as_bytes()))
                .collect(),
        });
        wire::Receipt {
            version: VERSION,
            transaction: Some(self.transaction.signed().to_wire()),
            quorum: self.quorum,
            cells: cells.collect(),
            confirmations: self
                .confirmations
                .iter()
                .map(Confirmation::to_wire)
                .collect(),
        }
    }

    /// Converts to the bytes of a file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// For bytes that are not exactly a receipt of `overlay`.
    pub fn decode(bytes: Bytes, overlay: &Overlay) -> Result<Self, ReceiptError> {
        let malformed = |why: String| ReceiptError::Malformed(why);
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(malformed(format!("it has {} bytes", bytes.len())));
        }
        weight::check(&bytes, PARTS).map_err(|e| malformed(e.to_string()))?;
        let wire = wire::Receipt::decode(bytes).map_err(|e| malformed(e.to_string()))?;
        Self::from_wire(wire, overlay)
    }

    /// Checks the structure of a received receipt. [`Receipt::verify`] checks its proofs.
    ///
    /// # Errors
    /// For bytes that are not exactly a receipt of `overlay`.
    pub fn from_wire(wire: wire::Receipt, overlay: &Overlay) -> Result<Self, ReceiptError> {
        let malformed = |why: String| ReceiptError::Malformed(why);
        if wire.version != VERSION {
            return Err(malformed(format!(
                "version {}; this program knows {VERSION}",
                wire.version
            )));
        }
        if wire.quorum == 0 {
            return Err(malformed("it claims no peers at all".to_owned()));
        }
        at_most("cells", wire.cells.len(), TRANSACTION_ENTRIES_MAX)?;
        at_most("confirmations", wire.confirmations.len(), RING_MEMBERS_MAX)?;
        let cells = wire.cells.into_iter().map(cell_from_wire);
        let confirmations = wire
            .confirmations
            .into_iter()
            .map(|c| Confirmation::from_wire(c, overlay));
        Ok(Self {
            transaction: Transaction::from_wire(wire.transaction, overlay)?,
            quorum: wire.quorum,
            cells: cells.collect::<Result<_, _>>()?,
            confirmations: confirmations.collect::<Result<_, _>>()?,
        })
    }

    /// Verifies the receipt: the publisher's signature, each peer's certificates and proofs, that at least `quorum`
    /// peers prove each element, and that all peers named for a cell prove all elements in it.
    ///
    /// A receipt does not carry the ring. Whether cells and peers are the right ones must be checked against the ring.
    /// `root` must be that of the overlay that the receipt was read for.
    ///
    /// # Errors
    /// The first error.
    pub fn verify(&self, root: &Root, verifier: &dyn Verifier) -> Result<(), ReceiptError> {
        self.transaction.verify(verifier)?;
        let mut proved = BTreeMap::new();
        for confirmation in &self.confirmations {
            for element in confirmation.verify(&self.transaction, root, verifier)? {
                proved
                    .entry(element)
                    .or_insert_with(BTreeSet::new)
                    .insert(confirmation.peer);
            }
        }
        for (number, element) in self.transaction.elements().enumerate() {
            self.check_element(number, &element, proved.get(&element))?;
        }
        Ok(())
    }

    fn check_element(
        &self,
        number: usize,
        element: &Element,
        proved: Option<&BTreeSet<PublicKey>>,
    ) -> Result<(), ReceiptError> {
        let count = proved.map_or(0, BTreeSet::len);
        // A quorum of zero proves nothing.
        let claimed = (self.quorum as usize).max(1);
        if count < claimed {
            return Err(ReceiptError::Short {
                element: number,
                proved: count,
                claimed,
            });
        }
        let refuse = |why| {
            Err(ReceiptError::Cell {
                element: number,
                why,
            })
        };
        let mut cells = self
            .cells
            .iter()
            .filter(|(cell, _)| cell.contains(element.canonical.point()));
        match (cells.next(), cells.next()) {
            (Some((_, peers)), None) => {
                if peers
                    .iter()
                    .all(|peer| proved.is_some_and(|proved| proved.contains(peer)))
                {
                    Ok(())
                } else {
                    refuse("is not proved by all peers named for its cell")
                }
            }
            (None, _) => refuse("lies in no cell of the receipt"),
            (Some(_), Some(_)) => refuse("lies in two cells of the receipt"),
        }
    }
}

impl Confirmation {
    fn to_wire(&self) -> wire::Confirmation {
        wire::Confirmation {
            peer: Bytes::copy_from_slice(self.peer.as_bytes()),
            chain: Some(self.chain.to_wire()),
            proofs: self.proofs.iter().map(ItemProof::to_wire).collect(),
        }
    }

    fn from_wire(wire: wire::Confirmation, overlay: &Overlay) -> Result<Self, ReceiptError> {
        at_most("proofs of one peer", wire.proofs.len(), PROOFS_MAX)?;
        let peer = PublicKey::from_slice(&wire.peer)?;
        let no_chain = || ReceiptError::Malformed("a peer has no certificates".to_owned());
        let chain = Chain::from_wire(wire.chain.ok_or_else(no_chain)?)
            .map_err(|error| ReceiptError::Certificate { peer, error })?;
        let proofs = wire
            .proofs
            .into_iter()
            .map(|proof| ItemProof::from_wire(proof, overlay));
        Ok(Self {
            peer,
            chain,
            proofs: proofs.collect::<Result<_, _>>()?,
        })
    }

    /// Verifies the peer's certificates and proofs, and returns the elements that they prove.
    fn verify(
        &self,
        transaction: &Transaction,
        root: &Root,
        verifier: &dyn Verifier,
    ) -> Result<BTreeSet<Element>, ReceiptError> {
        let peer = self.peer;
        let refuse = |error| ReceiptError::Certificate { peer, error };
        let holder = self.chain.verify(root, verifier).map_err(refuse)?;
        holder.check_role(&[Role::Peer]).map_err(refuse)?;
        if holder.key != peer {
            let why = format!("peer {peer:?} shows certificates of {:?}", holder.key);
            return Err(ReceiptError::Malformed(why));
        }
        let mut proved = BTreeSet::new();
        let mut verified = None;
        for proof in &self.proofs {
            holder.check_at(proof.header.time_ms).map_err(refuse)?;
            // One block confirms many elements. The whole header is compared, because its hash does not cover the
            // signature.
            if verified != Some(&proof.header) {
                proof.header.verify(verifier)?;
                verified = Some(&proof.header);
            }
            proved.extend(proof.check(&peer, transaction, verifier)?);
        }
        Ok(proved)
    }
}

fn cell_from_wire(wire: wire::CellReceipt) -> Result<(KeyRange, Vec<PublicKey>), ReceiptError> {
    let peers = wire.peers.iter().map(|peer| PublicKey::from_slice(peer));
    Ok((
        arc_from_wire(wire.cell.as_ref())?,
        peers.collect::<Result<_, _>>()?,
    ))
}

fn at_most(what: &str, count: usize, max: usize) -> Result<(), ReceiptError> {
    if count > max {
        let why = format!("it has {count} {what}, at most {max} are allowed");
        return Err(ReceiptError::Malformed(why));
    }
    Ok(())
}
