//! The inputs and outputs of a peer's core.

use std::sync::Arc;

use kittengrad_journal::{Shown, StateError, StoreError, Write};
use kittengrad_overlay::{quorum::Ack, view::View};
use kittengrad_proto::{
    block::{Bitmap, Head},
    certificate::Chain,
    evidence::{Evidence, Rule},
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
    /// Milliseconds since some fixed moment. Deadlines use it; it never goes back.
    pub monotonic_ms: u64,
    /// Unix time in milliseconds, for blocks, heartbeats, hellos and numbers of incarnations.
    pub wall_ms: u64,
}

/// The time limits of the core, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The time for the quorum of a submission. Afterwards it is answered as not acknowledged.
    pub ack_ms: u64,
    /// The time for all partners to answer after a start. Afterwards the answers of W−1 partners suffice.
    pub suspicion_ms: u64,
    /// The delay before a transaction in a live journal is fetched, because its push is probably on its way.
    pub push_grace_ms: u64,
    /// The time for the answer to a fetch, and again for its verification. Afterwards the fetch is repeated, from
    /// another partner if there is one. A request for blocks is repeated after the same time.
    pub fetch_ms: u64,
}

impl Timing {
    /// The limits for a network without measurements.
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

/// The number of a client's request, unique until the request is answered.
pub type RequestId = u64;

/// How a verified transaction reached this peer from a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The partner coordinates the transaction and waits for a confirmation.
    Push,
    /// This peer fetched the transaction.
    Body,
}

/// A partner's transaction was not verified.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unverified {
    /// The publisher's certificates are neither in the store nor in the message. The partner must send them.
    #[error("this peer does not have the publisher's certificates")]
    ChainUnknown,
    /// Every replica refuses the transaction, at any time.
    #[error("{0}")]
    Refused(String),
    /// This peer failed to verify it, for example because the store failed. The partner is not to blame.
    #[error("{0}")]
    Failed(String),
}

/// One event from outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// A link to a partner is up, and both sides are authenticated. This input comes before all messages of the
    /// connection. From an older connection, only [`Input::Verified`] may follow it.
    LinkUp(PublicKey),
    /// The link is down.
    LinkDown(PublicKey),
    /// A message from a partner. `Push` and the bodies of `Bodies` come as [`Input::Verified`] instead.
    Message(PublicKey, Message),
    /// The answer to a fetch. Each delivered transaction follows as [`Input::Verified`].
    Bodies {
        /// The partner.
        from: PublicKey,
        /// Transactions that are being verified now.
        delivered: Vec<Id>,
        /// Transactions that the partner does not have.
        missing: Vec<Id>,
    },
    /// The worker pool finished the verification of a partner's transaction, for the canonicals that
    /// [`entries_to_verify`](crate::entries_to_verify) names.
    Verified {
        /// The partner that sent it.
        from: PublicKey,
        /// Whether the partner pushed it or this peer fetched it.
        delivery: Delivery,
        /// Id of the transaction.
        id: Id,
        /// The transaction with its publisher's certificates, or the reason against it.
        outcome: Result<(Submission, Arc<Chain>), Unverified>,
    },
    /// A client's transaction, verified on the worker pool.
    Submit {
        /// The request, for the reply.
        request: RequestId,
        /// The transaction.
        submission: Submission,
        /// The publisher's certificates.
        chain: Arc<Chain>,
        /// The number of disks that must have it.
        ack: Ack,
        /// Whether the answer carries a receipt.
        receipt: bool,
    },
    /// Evidence that a caller showed. It is kept if it convicts.
    Evidence {
        /// The caller.
        by: PublicKey,
        /// The evidence.
        evidence: Box<Evidence>,
    },
    /// The ring changed: a newer view. This peer is a member of it.
    View(Arc<View>),
    /// Whether the disk has space for more data. False while less than the reserve is free.
    Space(bool),
    /// A tick of the clock, at least once a second.
    Tick,
    /// The end of a round. The items added in it become a block.
    Flush,
}

/// A message to a partner.
#[derive(Debug, Clone, PartialEq)]
pub struct Outbound {
    /// The partner.
    pub to: PublicKey,
    /// The message.
    pub message: Message,
}

/// The answer to a submission.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The request.
    pub request: RequestId,
    /// The result of the submission.
    pub outcome: Result<Submitted, Refusal>,
}

/// A transaction that is at least on this peer's disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// Elements that were new to this peer.
    pub added: Bitmap,
    /// Canonicals that did not exist at this peer before.
    pub created: Vec<RecordId>,
    /// The newest block of this peer that added one of its elements, now or earlier.
    pub block: Head,
    /// Peers whose disks have every entry that they hold. This peer is the first.
    pub synced: Vec<PublicKey>,
    /// Whether the requested number of disks confirmed it in every cell.
    pub is_acknowledged: bool,
    /// The receipt, if the client asked for one and the transaction is acknowledged.
    pub receipt: Option<Box<Receipt>>,
}

/// A submission was refused. It was not written, unless the refusal is [`Refusal::Internal`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// This peer does not hold a canonical of the transaction.
    #[error("this peer does not hold {0}")]
    NotResponsible(RecordId),
    /// The peer has not opened its journal yet.
    #[error("this peer is starting: {0}")]
    Starting(String),
    /// The canonical of an update does not exist at this peer.
    #[error("canonical {0} is not known here: insert it first")]
    UnknownCanonical(RecordId),
    /// The disk is nearly full.
    #[error("the disk of this peer is nearly full; it accepts no writes")]
    DiskFull,
    /// The clock of this peer is too far from its partners' clocks to sign.
    #[error("this peer signs nothing: {0}")]
    Clock(String),
    /// Too many submissions wait for their quorum, or too many requests for the same transaction.
    #[error("too many submissions wait for their quorum here")]
    Overloaded,
    /// Records of the transaction are missing; or this peer wrote it and cannot prove it.
    #[error("{0}")]
    Internal(String),
}

/// An event that the process logs and counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The start rule allowed the peer to open its journal.
    Opened {
        /// The incarnation that the peer signs in.
        incarnation: u64,
        /// `None` if the incarnation was resumed. For a new one, the head that partners saw, else the head on disk.
        began_after: Option<Option<Head>>,
    },
    /// The peer is settled: it has everything that its arc ever had.
    Settled,
    /// A partner broke a rule. The message was ignored.
    Misbehaved {
        /// The partner.
        peer: PublicKey,
        /// The broken rule.
        what: Misbehaviour,
    },
    /// Evidence convicts a member. It is kept on disk.
    Convicted {
        /// The evidence, with who showed it.
        shown: Box<Shown>,
        /// The rule that the accused broke.
        rule: Rule,
    },
    /// No partner that lists a transaction can send it.
    Unavailable(Id),
    /// A partner's journal lists a transaction that every replica refuses.
    Invalid {
        /// The partner.
        peer: PublicKey,
        /// The transaction.
        id: Id,
        /// The reason of the refusal.
        why: String,
    },
}

/// The decisions of one round.
#[derive(Debug, Default)]
pub struct Output {
    /// Messages to send at once. They carry nothing that this peer signed.
    pub forwards: Vec<Outbound>,
    /// Writes to commit in one synced batch.
    pub writes: Vec<Write>,
    /// Messages to send after the commit.
    pub sends: Vec<Outbound>,
    /// Replies to send to clients after the commit.
    pub replies: Vec<Reply>,
    /// Events to log and count.
    pub events: Vec<Event>,
}

/// A peer cannot continue. The driver stops the process without a commit; a restart recovers.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fatal {
    /// The store failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// State in the store cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// A partner showed a head that this peer signed and its disk lost, after the journal had been opened without it.
    #[error("a partner shows block {} of incarnation {}: this peer signed it, and its disk lost it", .0.height, .0.incarnation)]
    Forgotten(Head),
}

/// The event of a broken rule.
pub(crate) fn misbehaved(peer: PublicKey, misbehaviour: impl Into<Misbehaviour>) -> Event {
    let what = misbehaviour.into();
    Event::Misbehaved { peer, what }
}
