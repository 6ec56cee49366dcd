//! Small values stored besides set and journal: the owner's positions in other journals, the certificate chains of
//! publishers, and the arcs of the owner's last `hold`.
//!
//! ```text
//! key       = kind (1 byte) ‖ key of a journal's owner or a publisher (32 bytes), except for `holds`
//! applied   = 1 ‖ journal    4 (1 byte) ‖ incarnation (8) ‖ height (8) ‖ hash (32) ‖ time_ms (8)
//!                            ‖ height of the last `hold` of the journal's owner (8); all ones if it is not known
//!                            ‖ number of arcs that the journal's owner holds (2); 0xffff if they are not known
//!                            ‖ these arcs ‖ arcs held here
//! publisher = 2 ‖ publisher  1 (1 byte) ‖ id of the publisher's certificate chain (32)
//! holds     = 3              1 (1 byte) ‖ incarnation (8) ‖ arcs of the last `hold` in the owner's journal
//! kinds 4 and 5 are the tree over the blocks, see `block_tree`; kind 6 is evidence, see `blame`
//! hold      = 7 ‖ journal    1 (1 byte) ‖ protobuf `ItemProof` of the last `hold` in this journal
//! ```
//! Integers are big-endian. Each arc is from (32) ‖ to (32). A store of the time of an earlier version of
//! `applied` is refused as a whole.

use bytes::Bytes;
use kittengrad_proto::{
    block::{Head, Holds},
    certificate::Chain,
    id::{Id, PublicKey},
    namespace::Overlay,
    receipt::ItemProof,
    wire,
};
use kittengrad_ring::KeyRanges;
use prost::Message;
use thiserror::Error;

use crate::{
    arcs::{read_arcs, write_arcs},
    follower::Follower,
    store::{Store, StoreError, Write},
};

const APPLIED_VERSION: u8 = 4;
/// Bytes of a position before its arcs.
const APPLIED_BYTES: usize = 1 + 8 + 8 + 32 + 8 + 8 + 2;
/// The number of arcs of an owner whose arcs are not known. A `hold` has fewer.
const UNKNOWN: u16 = u16::MAX;
/// The height of an unknown `hold`. No journal becomes so long.
const UNKNOWN_HEIGHT: u64 = u64::MAX;
const PUBLISHER_VERSION: u8 = 1;
const PUBLISHER_BYTES: usize = 1 + 32;
const HOLDS_VERSION: u8 = 1;
const HOLD_VERSION: u8 = 1;
/// Bytes of the last `hold` before its arcs.
const HOLDS_BYTES: usize = 1 + 8;

/// A position in another owner's journal up to which everything was applied here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The last block applied, and the arcs that the journal's owner holds after it.
    pub follower: Follower,
    /// The arcs that were held while the journal was read up to the position. In other arcs, elements that the journal
    /// lists may be missing here.
    pub held: KeyRanges,
}

/// Why a small value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StateError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The value has an unknown version or a wrong length.
    #[error("store is damaged: the value of {key} has version {version} and {bytes} bytes")]
    Form {
        /// The subject: a journal's owner or a publisher.
        key: PublicKey,
        /// The version found.
        version: u8,
        /// The length found.
        bytes: usize,
    },
}

/// The key of a small value, by its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKey {
    /// The position in the journal of this owner.
    Applied(PublicKey),
    /// The id of the certificate chain of this publisher.
    Publisher(PublicKey),
    /// The arcs of the last `hold` in the owner's own journal.
    Holds,
    /// The proof of the last `hold` in the journal of this owner.
    Hold(PublicKey),
}

impl StateKey {
    fn encode(self) -> Bytes {
        let (kind, subject) = match self {
            Self::Applied(journal) => (1, journal),
            Self::Publisher(publisher) => (2, publisher),
            Self::Holds => return Bytes::from_static(&[3]),
            Self::Hold(journal) => (7, journal),
        };
        let mut key = vec![kind];
        key.extend_from_slice(subject.as_bytes());
        key.into()
    }
}

/// Makes the write of a follower's position. `held` are the arcs that were held while it read up to there.
///
/// `None` before its first block.
#[must_use]
pub fn keep_applied(follower: &Follower, held: &KeyRanges) -> Option<Write> {
    let head = follower.head()?;
    let mut value = Vec::with_capacity(APPLIED_BYTES);
    value.push(APPLIED_VERSION);
    value.extend_from_slice(&head.incarnation.to_be_bytes());
    value.extend_from_slice(&head.height.to_be_bytes());
    value.extend_from_slice(head.hash.as_bytes());
    value.extend_from_slice(&follower.time_ms().to_be_bytes());
    let hold_height = follower.hold_height().unwrap_or(UNKNOWN_HEIGHT);
    value.extend_from_slice(&hold_height.to_be_bytes());
    let holds = follower.holds();
    let count = holds.map_or(UNKNOWN, |holds| {
        u16::try_from(holds.arcs().len()).expect("a hold has at most 400 arcs")
    });
    value.extend_from_slice(&count.to_be_bytes());
    write_arcs(holds.map_or(&[], Holds::arcs), &mut value);
    write_arcs(held.arcs(), &mut value);
    Some(Write::State(
        StateKey::Applied(follower.cursor().journal).encode(),
        value.into(),
    ))
}

/// Makes the write of the proof of the last `hold` in another owner's journal, with which wrong items of the journal are
/// proved. `None` if the follower does not have it.
#[must_use]
pub fn keep_hold(follower: &Follower) -> Option<Write> {
    let proof = follower.hold_proof()?;
    let value = [&[HOLD_VERSION], &proof.to_wire().encode_to_vec()[..]].concat();
    let key = StateKey::Hold(follower.cursor().journal).encode();
    Some(Write::State(key, value.into()))
}

/// Gives a follower the proof of the last `hold` that is kept. A follower without it reads on, and can accuse the owner
/// of less.
///
/// # Errors
/// If the store does not answer or the value is malformed.
pub fn show_hold(
    follower: Follower,
    overlay: &Overlay,
    store: &dyn Store,
) -> Result<Follower, StateError> {
    let journal = follower.cursor().journal;
    let Some(value) = store.state(&StateKey::Hold(journal).encode())? else {
        return Ok(follower);
    };
    if value.first() != Some(&HOLD_VERSION) {
        return Err(form(journal, &value));
    }
    let wire = wire::ItemProof::decode(value.slice(1..)).map_err(|_| form(journal, &value))?;
    let proof = ItemProof::from_wire(wire, overlay).map_err(|_| form(journal, &value))?;
    let place = (proof.header.incarnation, Some(proof.header.height));
    let is_last = place == (follower.cursor().incarnation, follower.hold_height());
    Ok(follower.showing(Some(proof).filter(|_| is_last)))
}

/// Reads the position in a journal.
///
/// # Errors
/// If the store does not answer or the value is malformed.
pub fn applied(store: &dyn Store, journal: PublicKey) -> Result<Option<Applied>, StateError> {
    let Some(stored) = store.state(&StateKey::Applied(journal).encode())? else {
        return Ok(None);
    };
    let form = || form(journal, &stored);
    let (value, arcs) = stored
        .split_first_chunk::<APPLIED_BYTES>()
        .ok_or_else(form)?;
    let arcs = read_arcs(arcs).filter(|_| value[0] == APPLIED_VERSION);
    let arcs = arcs.ok_or_else(form)?;
    let (holds, held) = match u16::from_be_bytes([value[65], value[66]]) {
        UNKNOWN => (None, &arcs[..]),
        count => {
            let split = arcs.split_at_checked(usize::from(count));
            let (owners, held) = split.ok_or_else(form)?;
            let holds = Holds::new(owners.to_vec()).map_err(|_| form())?;
            (Some(holds), held)
        }
    };
    let held = held.iter().copied().collect();
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&value[at..at + 8]);
        u64::from_be_bytes(bytes)
    };
    let mut hash = [0; 32];
    hash.copy_from_slice(&value[17..49]);
    let head = Head {
        incarnation: number(1),
        height: number(9),
        hash: Id::new(hash),
    };
    let hold_height = Some(number(57)).filter(|height| *height != UNKNOWN_HEIGHT);
    let follower = Follower::after(journal, head, number(49)).holding(holds);
    let follower = follower.holding_since(hold_height);
    Ok(Some(Applied { follower, held }))
}

/// Makes the write of the arcs of the last `hold` in the owner's journal.
#[must_use]
pub fn keep_holds(incarnation: u64, holds: &Holds) -> Write {
    let mut value = vec![HOLDS_VERSION];
    value.extend_from_slice(&incarnation.to_be_bytes());
    write_arcs(holds.arcs(), &mut value);
    Write::State(StateKey::Holds.encode(), value.into())
}

/// Reads the arcs of the last `hold` in this incarnation of the owner's journal. Every incarnation begins with one.
///
/// # Errors
/// If the store does not answer, or the value is missing, malformed or of another incarnation.
pub fn holds(store: &dyn Store, incarnation: u64) -> Result<Holds, StoreError> {
    let damaged = |what: &str| {
        let why = format!("the arcs held in incarnation {incarnation} are {what}");
        StoreError::Damaged(why)
    };
    let value = store.state(&StateKey::Holds.encode())?;
    let value = value.ok_or_else(|| damaged("missing"))?;
    let unreadable = || damaged("unreadable");
    let (head, arcs) = value
        .split_first_chunk::<HOLDS_BYTES>()
        .ok_or_else(unreadable)?;
    if head[0] != HOLDS_VERSION {
        return Err(unreadable());
    }
    if head[1..] != incarnation.to_be_bytes() {
        return Err(damaged("of another incarnation"));
    }
    let arcs = read_arcs(arcs).ok_or_else(unreadable)?;
    Holds::new(arcs).map_err(|_| unreadable())
}

/// Makes the writes of a publisher's certificate chain: the chain, and its id under the publisher.
#[must_use]
pub fn keep_chain(chain: &Chain, publisher: PublicKey) -> [Write; 2] {
    let mut value = Vec::with_capacity(PUBLISHER_BYTES);
    value.push(PUBLISHER_VERSION);
    value.extend_from_slice(chain.id().as_bytes());
    let bytes = chain.to_wire().encode_to_vec();
    [
        Write::Chain(chain.id(), bytes.into()),
        Write::State(StateKey::Publisher(publisher).encode(), value.into()),
    ]
}

/// Reads a certificate chain by its id. `None` if it is not here.
///
/// # Errors
/// If the store does not answer or the value is malformed.
pub fn chain(store: &dyn Store, id: &Id) -> Result<Option<Chain>, StateError> {
    let Some(bytes) = store.chain(id)? else {
        return Ok(None);
    };
    let damaged = |why: String| StoreError::Damaged(format!("certificate chain {id}: {why}"));
    let wire = wire::Chain::decode(bytes).map_err(|e| damaged(e.to_string()))?;
    Ok(Some(
        Chain::from_wire(wire).map_err(|e| damaged(e.to_string()))?,
    ))
}

/// Reads a publisher's certificate chain. `None` if it is not here.
///
/// # Errors
/// If the store does not answer or the value is malformed.
pub fn publisher_chain(
    store: &dyn Store,
    publisher: PublicKey,
) -> Result<Option<Chain>, StateError> {
    let Some(value) = store.state(&StateKey::Publisher(publisher).encode())? else {
        return Ok(None);
    };
    let value: &[u8; PUBLISHER_BYTES] = match value[..].try_into() {
        Ok(known) if value[0] == PUBLISHER_VERSION => known,
        _ => return Err(form(publisher, &value)),
    };
    let mut id = [0; 32];
    id.copy_from_slice(&value[1..]);
    chain(store, &Id::new(id))
}

/// The error for a value with an unknown version or a wrong length.
fn form(key: PublicKey, value: &[u8]) -> StateError {
    StateError::Form {
        key,
        version: value.first().copied().unwrap_or_default(),
        bytes: value.len(),
    }
}
