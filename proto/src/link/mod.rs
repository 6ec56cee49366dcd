//! The messages between partners, checked in structure when they are read.
//!
//! | message | from | to | answer | file |
//! | --- | --- | --- | --- | --- |
//! | `Hello` | both | both | - | `hello` |
//! | `Push` | coordinator | replica | `PushResult` | `push` |
//! | `Follow` | follower | journal's owner | `Frames`, again whenever there are blocks | `blocks` |
//! | `Fetch` | follower | journal's owner | `Bodies` | `push` |
//! | `Alive` | both | both | - | `hello` |
//!
//! A message may arrive late, twice or out of order.

mod blocks;
mod hello;
mod push;

use bytes::Bytes;
use prost::Message as _;
use thiserror::Error;

pub use blocks::Frames;
pub use hello::Hello;
pub use push::{Push, PushRefusal, PushResult};

use crate::{
    block::BlockError,
    certificate::CertificateError,
    id::{Id, IdError},
    identity::{Heartbeat, IdentityError},
    limits::{FETCH_MAX, MESSAGE_BYTES_MAX},
    namespace::{ForeignError, Overlay},
    receipt::ReceiptError,
    transaction::TransactionError,
    weight::{self, Part},
    wire::{self, link_message::Kind},
};

/// Parts that a message may repeat often.
const PARTS: &[Part] = &[
    Part::new::<wire::Push>(2, PUSH),
    Part::new::<wire::PushResult>(3, &[Part::new::<wire::ItemProof>(3, &[])]),
    Part::new::<wire::Frames>(
        5,
        &[Part::new::<wire::Block>(
            1,
            &[Part::new::<Bytes>(2, &[]), Part::new::<Bytes>(4, &[])],
        )],
    ),
    Part::new::<wire::Bodies>(7, &[Part::new::<wire::Push>(1, PUSH)]),
];
const PUSH: &[Part] = &[
    Part::new::<Bytes>(2, &[]),
    Part::new::<wire::Chain>(3, &[Part::new::<Bytes>(2, &[])]),
];

/// Why bytes are not a message of a link. The link ends, and it counts against the sender.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    /// Not a message at all, or beyond a limit.
    #[error("link message is malformed: {0}")]
    Malformed(String),
    /// It belongs to another network or namespace.
    #[error("link message of another network or namespace: {0}")]
    Foreign(#[from] ForeignError),
    /// A name has a wrong length.
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
    /// The sender's identity and the heads of both journals.
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
        /// The transactions that the sender has.
        bodies: Vec<Push>,
        /// The ids that it does not have.
        missing: Vec<Id>,
    },
    /// The sender's head, while it sends nothing else.
    Alive(Heartbeat),
}

impl Message {
    /// The bytes to send.
    #[must_use]
    pub fn encode(&self, overlay: &Overlay) -> Vec<u8> {
        let kind = match self {
            Self::Hello(hello) => Kind::Hello(hello.to_wire(overlay)),
            Self::Push(push) => Kind::Push(push.to_wire()),
            Self::PushResult(result) => Kind::PushResult(result.to_wire()),
            Self::Follow {
                incarnation,
                from_height,
            } => Kind::Follow(wire::Follow {
                incarnation: *incarnation,
                from_height: *from_height,
            }),
            Self::Frames(frames) => Kind::Frames(frames.to_wire()),
            Self::Fetch(ids) => Kind::Fetch(wire::Fetch {
                ids: Id::concat(ids),
            }),
            Self::Bodies { bodies, missing } => Kind::Bodies(wire::Bodies {
                bodies: bodies.iter().map(Push::to_wire).collect(),
                missing: Id::concat(missing),
            }),
            Self::Alive(heartbeat) => Kind::Alive(wire::Alive {
                heartbeat: Some(heartbeat.signed().to_wire()),
            }),
        };
        wire::LinkMessage { kind: Some(kind) }.encode_to_vec()
    }

    /// Reads a received message: structure and limits, without signatures.
    ///
    /// # Errors
    /// For bytes that are not exactly a message of `overlay`.
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
            Kind::Hello(hello) => Ok(Self::Hello(Box::new(Hello::from_wire(hello, overlay)?))),
            Kind::Push(push) => Ok(Self::Push(Push::from_wire(push, overlay)?)),
            Kind::PushResult(result) => {
                Ok(Self::PushResult(PushResult::from_wire(result, overlay)?))
            }
            Kind::Follow(follow) => Ok(Self::Follow {
                incarnation: follow.incarnation,
                from_height: follow.from_height,
            }),
            Kind::Frames(frames) => Ok(Self::Frames(Frames::from_wire(frames, overlay)?)),
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
                    .map(|push| Push::from_wire(push, overlay));
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
