//! What partners say to each other: the messages of a link, checked in structure when they are read.
//!
//! | message | from | to | answer |
//! | --- | --- | --- | --- |
//! | `Hello` | both | both | - |
//! | `Push` | coordinator | replica | `PushResult` |
//! | `Follow` | follower | journal's owner | `Frames`, again whenever there are blocks |
//! | `Fetch` | follower | journal's owner | `Bodies` |
//! | `Alive` | both | both | - |
//!
//! Every message may come late, twice or out of order.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use thiserror::Error;

use crate::{
    block::{Block, BlockError, Head},
    certificate::{CertificateError, Chain},
    id::{Id, IdError},
    identity::{Heartbeat, Identity, IdentityError},
    limits::{
        FETCH_MAX, GET_BLOCKS_MAX, MESSAGE_BYTES_MAX, PROOFS_MAX, REFUSAL_BYTES_MAX,
        SUBMISSION_RECORDS_MAX,
    },
    namespace::{ForeignError, Overlay},
    receipt::{ItemProof, ReceiptError},
    signed_head::SignedHead,
    transaction::{Transaction, TransactionError},
    weight::{self, Part},
    wire::{self, link_message::Kind},
};

/// Parts of which a message may have many.
const PARTS: &[Part] = &[
    Part::new::<wire::Push>(2, PUSH),
    Part::new::<wire::PushResult>(3, &[Part::new::<wire::ItemProof>(3, &[])]),
    Part::new::<wire::Frames>(
        5,
        &[Part::new::<wire::Block>(1, &[Part::new::<Bytes>(2, &[])])],
    ),
    Part::new::<wire::Bodies>(7, &[Part::new::<wire::Push>(1, PUSH)]),
];
const PUSH: &[Part] = &[
    Part::new::<Bytes>(2, &[]),
    Part::new::<wire::Chain>(3, &[Part::new::<Bytes>(2, &[])]),
];

/// Why bytes are no message of a link. The link ends, and it counts against the sender.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    /// Not a message at all, or beyond a limit.
    #[error("link message is malformed: {0}")]
    Malformed(String),
    /// Of another network or namespace.
    #[error("link message is foreign: {0}")]
    Foreign(#[from] ForeignError),
    /// A name with a wrong length.
    #[error("link message: {0}")]
    Id(#[from] IdError),
    /// A transaction in it is wrong.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// A block in it is wrong.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A proof in it is wrong.
    #[error(transparent)]
    Proof(#[from] ReceiptError),
    /// An identity in it is wrong.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Certificates in it are wrong.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// One message between partners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Who the sender is and where both journals stand.
    Hello(Box<Hello>),
    /// A transaction to verify, journal, sync and confirm.
    Push(Push),
    /// Answer to a push.
    PushResult(PushResult),
    /// Asks for the receiver's journal.
    Follow {
        /// The incarnation wanted.
        incarnation: u64,
        /// The first height wanted.
        from_height: u64,
    },
    /// Consecutive blocks of the sender's journal.
    Frames(Frames),
    /// Asks for transactions.
    Fetch(Vec<Id>),
    /// Answer to a fetch.
    Bodies {
        /// What the sender has.
        bodies: Vec<Push>,
        /// What it does not have.
        missing: Vec<Id>,
    },
    /// The sender's head, while nothing else is said.
    Alive(Heartbeat),
}

/// First message in both directions, and again when something in it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Names the ring that the sender knows.
    pub ring: Id,
    /// The sender's own head; `None` until it signed its first block.
    pub head: Option<Head>,
    /// The highest head of the receiver that the sender ever saw, as the receiver signed it.
    pub seen: Option<SignedHead>,
    /// False while the sender fills its arcs.
    pub is_settled: bool,
    /// The start rule lets the sender sign.
    pub is_open: bool,
    /// The sender.
    pub identity: Identity,
    /// The sender's clock, in Unix milliseconds.
    pub time_ms: u64,
}

/// A transaction with the records of the entries that the receiver holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// Records, in any order.
    pub records: Vec<Bytes>,
    /// The publisher's chain; comes once per connection.
    pub chain: Option<Chain>,
}

/// The refusal of a push that asks for the publisher's certificates.
pub const CHAIN_UNKNOWN: &str = "CHAIN_UNKNOWN";

/// Answer to a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushResult {
    /// Id of the transaction.
    pub id: Id,
    /// Where the receiver's journal has each element that it holds, or why it refused: a text that is not empty, of
    /// which [`REFUSAL_BYTES_MAX`] bytes travel.
    pub outcome: Result<Vec<ItemProof>, String>,
}

/// Consecutive blocks of the sender's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frames {
    /// The blocks, each with a hint which of its items touch the receiver's arcs (bit i: item i).
    pub blocks: Vec<(Block, Bytes)>,
    /// The sender's head.
    pub head: Option<Head>,
}

impl Message {
    /// The bytes to send.
    #[must_use]
    pub fn encode(&self, overlay: &Overlay) -> Vec<u8> {
        let kind = match self {
            Self::Hello(hello) => Kind::Hello(hello_to_wire(hello, overlay)),
            Self::Push(push) => Kind::Push(push_to_wire(push)),
            Self::PushResult(result) => Kind::PushResult(result_to_wire(result)),
            Self::Follow {
                incarnation,
                from_height,
            } => Kind::Follow(wire::Follow {
                incarnation: *incarnation,
                from_height: *from_height,
            }),
            Self::Frames(frames) => Kind::Frames(frames_to_wire(frames)),
            Self::Fetch(ids) => Kind::Fetch(wire::Fetch {
                ids: Id::concat(ids),
            }),
            Self::Bodies { bodies, missing } => Kind::Bodies(wire::Bodies {
                bodies: bodies.iter().map(push_to_wire).collect(),
                missing: Id::concat(missing),
            }),
            Self::Alive(heartbeat) => Kind::Alive(wire::Alive {
                heartbeat: Some(heartbeat.signed().to_wire()),
            }),
        };
        wire::LinkMessage { kind: Some(kind) }.encode_to_vec()
    }

    /// Reads a received message: structure and limits, no signatures.
    ///
    /// # Errors
    /// For everything that is not exactly a message of `overlay`.
    pub fn decode(bytes: Bytes, overlay: &Overlay) -> Result<Self, LinkError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(LinkError::Malformed(format!(
                "it has {} bytes",
                bytes.len()
            )));
        }
        weight::check(&bytes, PARTS).map_err(|e| LinkError::Malformed(e.to_string()))?;
        let wire =
            wire::LinkMessage::decode(bytes).map_err(|e| LinkError::Malformed(e.to_string()))?;
        match wire
            .kind
            .ok_or_else(|| LinkError::Malformed("it has no kind".to_owned()))?
        {
            Kind::Hello(hello) => Ok(Self::Hello(Box::new(hello_from_wire(hello, overlay)?))),
            Kind::Push(push) => Ok(Self::Push(push_from_wire(push, overlay)?)),
            Kind::PushResult(result) => Ok(Self::PushResult(result_from_wire(result, overlay)?)),
            Kind::Follow(follow) => Ok(Self::Follow {
                incarnation: follow.incarnation,
                from_height: follow.from_height,
            }),
            Kind::Frames(frames) => Ok(Self::Frames(frames_from_wire(frames, overlay)?)),
            Kind::Fetch(fetch) => {
                at_most("ids", fetch.ids.len() / 32, FETCH_MAX)?;
                Ok(Self::Fetch(Id::list_from_slice(&fetch.ids)?))
            }
            Kind::Bodies(bodies) => {
                at_most("bodies", bodies.bodies.len(), FETCH_MAX)?;
                at_most("ids", bodies.missing.len() / 32, FETCH_MAX)?;
                let pushes = bodies
                    .bodies
                    .into_iter()
                    .map(|push| push_from_wire(push, overlay));
                Ok(Self::Bodies {
                    bodies: pushes.collect::<Result<_, _>>()?,
                    missing: Id::list_from_slice(&bodies.missing)?,
                })
            }
            Kind::Alive(alive) => Ok(Self::Alive(Heartbeat::from_wire(alive.heartbeat, overlay)?)),
        }
    }
}

fn at_most(what: &str, count: usize, max: usize) -> Result<(), LinkError> {
    if count > max {
        return Err(LinkError::Malformed(format!(
            "it has {count} {what}, at most {max} are allowed"
        )));
    }
    Ok(())
}

fn hello_to_wire(hello: &Hello, overlay: &Overlay) -> wire::Hello {
    wire::Hello {
        network: Bytes::copy_from_slice(overlay.network.as_bytes()),
        namespace: overlay.namespace.to_string(),
        ring: Bytes::copy_from_slice(hello.ring.as_bytes()),
        head: hello.head.as_ref().map(Head::to_wire),
        seen: hello.seen.as_ref().map(SignedHead::to_wire),
        settled: hello.is_settled,
        identity: Some(hello.identity.signed().to_wire()),
        open: hello.is_open,
        time_ms: hello.time_ms,
    }
}

fn hello_from_wire(wire: wire::Hello, overlay: &Overlay) -> Result<Hello, LinkError> {
    overlay.check(&wire.network, &wire.namespace)?;
    Ok(Hello {
        ring: Id::from_slice(&wire.ring)?,
        head: Head::from_wire(wire.head.as_ref())?,
        seen: wire
            .seen
            .map(|seen| SignedHead::from_wire(seen, overlay))
            .transpose()?,
        is_settled: wire.settled,
        is_open: wire.open,
        identity: Identity::from_wire(wire.identity, overlay)?,
        time_ms: wire.time_ms,
    })
}

fn push_to_wire(push: &Push) -> wire::Push {
    wire::Push {
        transaction: Some(push.transaction.signed().to_wire()),
        records: push.records.clone(),
        chain: push.chain.as_ref().map(Chain::to_wire),
    }
}

fn push_from_wire(wire: wire::Push, overlay: &Overlay) -> Result<Push, LinkError> {
    at_most("records", wire.records.len(), SUBMISSION_RECORDS_MAX)?;
    Ok(Push {
        transaction: Arc::new(Transaction::from_wire(wire.transaction, overlay)?),
        records: wire.records,
        chain: wire.chain.map(Chain::from_wire).transpose()?,
    })
}

fn result_to_wire(result: &PushResult) -> wire::PushResult {
    let (refused, proofs) = match &result.outcome {
        Ok(proofs) => (
            String::new(),
            proofs.iter().map(ItemProof::to_wire).collect(),
        ),
        Err(why) if why.is_empty() => ("refused".to_owned(), Vec::new()),
        Err(why) => (
            why[..why.floor_char_boundary(REFUSAL_BYTES_MAX)].to_owned(),
            Vec::new(),
        ),
    };
    wire::PushResult {
        id: Bytes::copy_from_slice(result.id.as_bytes()),
        refused,
        proofs,
    }
}

fn result_from_wire(wire: wire::PushResult, overlay: &Overlay) -> Result<PushResult, LinkError> {
    at_most("proofs", wire.proofs.len(), PROOFS_MAX)?;
    at_most("bytes of refusal", wire.refused.len(), REFUSAL_BYTES_MAX)?;
    let id = Id::from_slice(&wire.id)?;
    if !wire.refused.is_empty() {
        return Ok(PushResult {
            id,
            outcome: Err(wire.refused),
        });
    }
    let proofs = wire
        .proofs
        .into_iter()
        .map(|proof| ItemProof::from_wire(proof, overlay));
    Ok(PushResult {
        id,
        outcome: Ok(proofs.collect::<Result<_, _>>()?),
    })
}

fn frames_to_wire(frames: &Frames) -> wire::Frames {
    let blocks = frames.blocks.iter().map(|(block, relevant)| wire::Block {
        header: Some(block.header.signed().to_wire()),
        items: block.items.clone(),
        relevant: relevant.clone(),
    });
    wire::Frames {
        blocks: blocks.collect(),
        head: frames.head.as_ref().map(Head::to_wire),
    }
}

fn frames_from_wire(wire: wire::Frames, overlay: &Overlay) -> Result<Frames, LinkError> {
    at_most("blocks", wire.blocks.len(), GET_BLOCKS_MAX as usize)?;
    let block = |wire: wire::Block| -> Result<_, LinkError> {
        at_most(
            "bytes of hint",
            wire.relevant.len(),
            wire.items.len().div_ceil(8),
        )?;
        Ok((
            Block::from_wire(wire.header, wire.items, overlay)?,
            wire.relevant,
        ))
    };
    Ok(Frames {
        blocks: wire
            .blocks
            .into_iter()
            .map(block)
            .collect::<Result<_, _>>()?,
        head: Head::from_wire(wire.head.as_ref())?,
    })
}
