//! What goes into a peer's core and what comes out of it.

use std::sync::Arc;

use kittengrad_journal::{StateError, StoreError, Write};
use kittengrad_overlay::{quorum::Ack, view::View};
use kittengrad_proto::{
    block::{Bitmap, Head},
    certificate::Chain,
    id::{Id, PublicKey, RecordId},
    link::Message,
    receipt::Receipt,
    submission::Submission,
};
use thiserror::Error;

use crate::misbehaviour::Misbehaviour;

/// The two clocks, read by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since some fixed moment; orders deadlines, never goes back.
    pub monotonic_ms: u64,
    /// Unix time in milliseconds; only block times are taken from it.
    pub wall_ms: u64,
}

/// How long the core waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A submission is answered after this, whether its quorum was reached or not.
    pub ack_ms: u64,
    /// After a start, partners that did not answer within this are no longer waited for.
    pub suspicion_ms: u64,
    /// A transaction seen in a live journal is fetched after this, because its push is probably on its way.
    pub push_grace_ms: u64,
    /// A fetch that was not answered within this is made again, of somebody else if there is; a question for blocks is
    /// asked again. What a fetch delivered has to be verified within this.
    pub fetch_ms: u64,
}

impl Timing {
    /// What is right where nothing is known of the network.
    pub const DEFAULT: Self = Self {
        ack_ms: 5_000,
        suspicion_ms: 6_000,
        push_grace_ms: 500,
        fetch_ms: 5_000,
    };
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Names a client's request until it is answered.
pub type RequestId = u64;

/// How a verified transaction reached this peer from a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The partner coordinates it and waits for a confirmation.
    Push,
    /// This peer had asked for it.
    Body,
}

/// Why a partner's transaction was not verified.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unverified {
    /// The publisher's certificates are neither here nor in the message: they are asked for.
    #[error("the publisher's certificates are not here")]
    ChainUnknown,
    /// Every replica refuses it, now and for ever.
    #[error("{0}")]
    Refused(String),
    /// This peer could not tell, for reasons of its own. Nothing follows for the one who sent it.
    #[error("{0}")]
    Failed(String),
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// A link to a partner is up: both sides proved who they are. It comes before everything that the partner says on
    /// this connection; of what it said on an older one, only [`Input::Verified`] comes after it.
    LinkUp(PublicKey),
    /// The link is gone.
    LinkDown(PublicKey),
    /// A message came. `Push` and the bodies of `Bodies` come as [`Input::Verified`] instead.
    Message(PublicKey, Message),
    /// The answer to a fetch came; what was delivered follows as [`Input::Verified`].
    Bodies {
        /// Who answered.
        from: PublicKey,
        /// What is being verified now.
        delivered: Vec<Id>,
        /// What the partner does not have.
        missing: Vec<Id>,
    },
    /// A partner's transaction was verified on the worker pool, or not, for the canonicals that
    /// [`entries_to_verify`](crate::entries_to_verify) names.
    Verified {
        /// Who sent it.
        from: PublicKey,
        /// Why it came.
        delivery: Delivery,
        /// Id of the transaction.
        id: Id,
        /// The transaction with its publisher's certificates.
        outcome: Result<(Submission, Arc<Chain>), Unverified>,
    },
    /// A client's transaction, verified on the worker pool.
    Submit {
        /// To answer to.
        request: RequestId,
        /// The transaction.
        submission: Submission,
        /// The publisher's certificates.
        chain: Arc<Chain>,
        /// How many disks must have it.
        ack: Ack,
        /// Whether the answer carries a receipt.
        receipt: bool,
    },
    /// The ring changed: a newer view. This peer is a member of it.
    View(Arc<View>),
    /// Whether there is room on the disk for more.
    Space(bool),
    /// Time went by; at least once a second.
    Tick,
    /// The end of a round: what was added becomes a block.
    Flush,
}

/// A message to a partner.
#[derive(Debug, Clone, PartialEq)]
pub struct Outbound {
    /// To whom.
    pub to: PublicKey,
    /// What.
    pub message: Message,
}

/// The answer to a submission.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The request that it answers.
    pub request: RequestId,
    /// What became of it.
    pub outcome: Result<Submitted, Refusal>,
}

/// A transaction that is on this peer's disk at least.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// Elements that were new to this peer.
    pub added: Bitmap,
    /// Canonicals that did not exist here before.
    pub created: Vec<RecordId>,
    /// The newest block of this peer that added any of its elements, now or earlier.
    pub block: Head,
    /// Peers whose disks have every entry that they hold, this one first.
    pub synced: Vec<PublicKey>,
    /// The asked number of disks was reached in every cell.
    pub is_acknowledged: bool,
    /// Proof of it, if it was asked for and reached.
    pub receipt: Option<Box<Receipt>>,
}

/// Why a submission was not taken. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// This peer does not hold a canonical of it.
    #[error("this peer does not hold {0}")]
    NotResponsible(RecordId),
    /// The peer has not opened its journal yet.
    #[error("this peer is starting: {0}")]
    Starting(String),
    /// An update's canonical is not known here.
    #[error("canonical {0} is not known here: insert it first")]
    UnknownCanonical(RecordId),
    /// The disk is nearly full.
    #[error("the disk of this peer is nearly full, it takes no more writes")]
    DiskFull,
    /// The peer signs nothing while its clock is far from its partners'.
    #[error("this peer signs nothing: {0}")]
    Clock(String),
    /// Too many submissions wait for their quorum.
    #[error("too many submissions wait for their quorum here")]
    Overloaded,
    /// The store or the transaction's records failed.
    #[error("{0}")]
    Internal(String),
}

/// Something that the edge counts, logs or shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The start rule was satisfied: the journal goes on in this incarnation.
    Opened {
        /// Which.
        incarnation: u64,
        /// It is new; the head that others saw of an earlier one, if any.
        began_after: Option<Option<Head>>,
    },
    /// Everything that this peer's arc ever had is here.
    Settled,
    /// A partner broke the rules; what it said was ignored.
    Misbehaved {
        /// The partner.
        peer: PublicKey,
        /// How.
        what: Misbehaviour,
    },
    /// No partner that lists a transaction can show it.
    Unavailable(Id),
    /// A transaction in a partner's journal is one that every replica refuses.
    Invalid {
        /// Whose journal lists it.
        peer: PublicKey,
        /// Which transaction.
        id: Id,
        /// What is wrong with it.
        why: String,
    },
}

/// Everything that one round decided.
#[derive(Debug, Default)]
pub struct Output {
    /// To be sent at once: carries nothing that this peer signed.
    pub forwards: Vec<Outbound>,
    /// To be committed in one synced batch.
    pub writes: Vec<Write>,
    /// To be sent after the commit.
    pub sends: Vec<Outbound>,
    /// To be answered after the commit.
    pub replies: Vec<Reply>,
    /// To be counted and logged.
    pub events: Vec<Event>,
}

/// Why a peer cannot go on. The driver stops the process without committing; a start puts it right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fatal {
    /// The store did not answer, or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store says of the past is damaged.
    #[error(transparent)]
    State(#[from] StateError),
    /// A partner showed what this peer signed and its disk does not have, after the journal was opened without it.
    #[error("a partner shows block {} of incarnation {}, which this peer signed and its disk forgot", .0.height, .0.incarnation)]
    Forgotten(Head),
}

/// A partner broke the rules.
pub(crate) fn misbehaved(peer: PublicKey, what: impl Into<Misbehaviour>) -> Event {
    let what = what.into();
    Event::Misbehaved { peer, what }
}
