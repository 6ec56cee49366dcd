//! Evidence of a wrong checkpoint: refuted by itself, by the list beside it, by an earlier one, or by the `hold` in force.

use bytes::Bytes;

use super::{EvidenceError, Rule, head_from_wire, item};
use crate::{
    block::{Header, HeaderError},
    checkpoint::{Checkpoint, CheckpointError, beside},
    id::PublicKey,
    identity::{Heartbeat, IdentityError},
    limits::{HEADER_BYTES_MAX, HEARTBEAT_BYTES_MAX},
    namespace::Overlay,
    receipt::ItemProof,
    signed::{Kind, Signed, Verifier},
    signed_head::SignedHead,
    wire,
};

/// A checkpoint that breaks a rule, with what refutes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefutedCheckpoint {
    statement: Statement,
    /// Bytes of the list beside it, if one of these entries breaks the rule.
    pub through: Vec<Bytes>,
    /// An earlier statement, if the height of its checkpoint is greater.
    pub earlier: Option<SignedHead>,
    /// The `hold` in force, if the checkpoint has other arcs.
    pub hold: Option<ItemProof>,
}

/// A header or heartbeat, readable or not.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Statement {
    Whole(SignedHead),
    /// Its checkpoint breaks a rule by itself, so that it cannot be read.
    Broken(Box<Broken>),
}

/// A header or heartbeat that cannot be read because of its checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Broken {
    signed: Signed,
    is_header: bool,
    accused: PublicKey,
    error: CheckpointError,
}

impl RefutedCheckpoint {
    /// Accuses the signer of a readable header or heartbeat. The fields say what refutes its checkpoint.
    #[must_use]
    pub const fn of(statement: SignedHead) -> Self {
        Self {
            statement: Statement::Whole(statement),
            through: Vec::new(),
            earlier: None,
            hold: None,
        }
    }

    /// Accuses the signer of a received header or heartbeat that was refused for its checkpoint, or for the list
    /// `through` beside it. `None` if it is unreadable for another reason.
    #[must_use]
    pub fn of_wire(wire: wire::SignedHead, through: Vec<Bytes>, overlay: &Overlay) -> Option<Self> {
        Some(Self {
            statement: Statement::from_wire(wire, overlay).ok()?,
            through,
            earlier: None,
            hold: None,
        })
    }

    pub(super) fn accused(&self) -> PublicKey {
        match &self.statement {
            Statement::Whole(head) => head.owner(),
            Statement::Broken(broken) => broken.accused,
        }
    }

    pub(super) fn check(&self, verifier: &dyn Verifier) -> Result<Rule, EvidenceError> {
        let head = match &self.statement {
            Statement::Whole(head) => head,
            Statement::Broken(broken) => {
                broken.signed.verify(&broken.accused, verifier)?;
                return Ok(Rule::Checkpoint(broken.error.clone()));
            }
        };
        let owner = head.owner();
        head.verify(&owner, verifier)?;
        let checkpoint = head.checkpoint();
        let checkpoint = checkpoint.ok_or(EvidenceError::Innocent("it has no checkpoint"))?;
        if let Some(earlier) = &self.earlier {
            earlier.verify(&owner, verifier)?;
            return went_back(earlier, head, checkpoint);
        }
        if let Some(hold) = &self.hold {
            return other_arcs(hold, head, checkpoint, verifier);
        }
        match beside(Some(checkpoint), self.through.clone(), owner) {
            // The owner signs the root alone: a list with another root is not its own.
            Err(CheckpointError::ThroughRoot | CheckpointError::ThroughSize { .. }) => Err(
                EvidenceError::Innocent("the list is not the one under the root"),
            ),
            Err(error) => Ok(Rule::Checkpoint(error)),
            Ok(_) => Err(EvidenceError::Innocent("the checkpoint breaks no rule")),
        }
    }

    pub(super) fn to_wire(&self) -> wire::RefutedCheckpoint {
        wire::RefutedCheckpoint {
            statement: Some(self.statement.to_wire()),
            through: self.through.clone(),
            earlier: self.earlier.as_ref().map(SignedHead::to_wire),
            hold: self.hold.as_ref().map(ItemProof::to_wire),
        }
    }

    pub(super) fn from_wire(
        wire: wire::RefutedCheckpoint,
        overlay: &Overlay,
    ) -> Result<Self, EvidenceError> {
        let missing = || EvidenceError::Malformed("the checkpoint is missing".to_owned());
        let statement = wire.statement.ok_or_else(missing)?;
        let earlier = wire.earlier.map(|it| head_from_wire(Some(it), overlay));
        let hold = wire.hold.map(|hold| ItemProof::from_wire(hold, overlay));
        Ok(Self {
            statement: Statement::from_wire(statement, overlay)?,
            through: wire.through,
            earlier: earlier.transpose()?,
            hold: hold.transpose()?,
        })
    }
}

impl Statement {
    fn to_wire(&self) -> wire::SignedHead {
        match self {
            Self::Whole(head) => head.to_wire(),
            Self::Broken(broken) => {
                let signed = broken.signed.to_wire();
                let kind = match broken.is_header {
                    true => wire::signed_head::Kind::Header(signed),
                    false => wire::signed_head::Kind::Heartbeat(signed),
                };
                wire::SignedHead { kind: Some(kind) }
            }
        }
    }

    fn from_wire(wire: wire::SignedHead, overlay: &Overlay) -> Result<Self, EvidenceError> {
        use wire::signed_head::Kind as Wire;
        let missing = || EvidenceError::Malformed("the checkpoint is missing".to_owned());
        let (signed, is_header) = match wire.kind.ok_or_else(missing)? {
            Wire::Header(signed) => (signed, true),
            Wire::Heartbeat(signed) => (signed, false),
        };
        let error = match is_header {
            true => match Header::from_wire(Some(signed.clone()), overlay) {
                Ok(header) => return Ok(Self::Whole(SignedHead::Header(Box::new(header)))),
                Err(HeaderError::Checkpoint(error)) => error,
                Err(error) => return Err(error.into()),
            },
            false => match Heartbeat::from_wire(Some(signed.clone()), overlay) {
                Ok(beat) => return Ok(Self::Whole(SignedHead::Heartbeat(Box::new(beat)))),
                Err(IdentityError::Checkpoint(error)) => error,
                Err(error) => return Err(error.into()),
            },
        };
        let (kind, max) = match is_header {
            true => (Kind::Block, HEADER_BYTES_MAX),
            false => (Kind::Heartbeat, HEARTBEAT_BYTES_MAX),
        };
        let accused = signer_of(&signed.body, is_header)?;
        Ok(Self::Broken(Box::new(Broken {
            signed: Signed::from_wire(kind, Some(signed), max)?,
            is_header,
            accused,
            error,
        })))
    }
}

/// The key that a header or heartbeat names as its signer.
fn signer_of(body: &Bytes, is_header: bool) -> Result<PublicKey, EvidenceError> {
    use prost::Message as _;
    let malformed = |why: String| EvidenceError::Malformed(why);
    let peer = match is_header {
        true => wire::BlockHeader::decode(body.clone()).map(|body| body.peer),
        false => wire::Heartbeat::decode(body.clone()).map(|body| body.peer),
    };
    let peer = peer.map_err(|e| malformed(e.to_string()))?;
    PublicKey::from_slice(&peer).map_err(|e| malformed(e.to_string()))
}

/// Checks that the checkpoint of `head` has a smaller height than that of `earlier`.
///
/// Only different heads tell which statement is earlier.
fn went_back(
    earlier: &SignedHead,
    head: &SignedHead,
    checkpoint: &Checkpoint,
) -> Result<Rule, EvidenceError> {
    let (before, after) = (earlier.head(), head.head());
    let is_earlier = before.incarnation == after.incarnation && before.height < after.height;
    match earlier.checkpoint() {
        Some(first) if is_earlier && first.height > checkpoint.height => {
            let (height, before) = (checkpoint.height, first.height);
            Ok(Rule::Checkpoint(CheckpointError::WentBack {
                height,
                before,
            }))
        }
        _ => Err(EvidenceError::Innocent("the checkpoint did not go back")),
    }
}

/// Checks that the checkpoint of a header that describes the block before has other arcs than the `hold` in force there.
fn other_arcs(
    hold: &ItemProof,
    head: &SignedHead,
    checkpoint: &Checkpoint,
    verifier: &dyn Verifier,
) -> Result<Rule, EvidenceError> {
    let SignedHead::Header(header) = head else {
        return Err(EvidenceError::Innocent("only a header refers to a hold"));
    };
    let is_before = header.height.checked_sub(1) == Some(checkpoint.height);
    if !is_before || header.hold == header.height {
        let why = "the hold was not in force at the height of the checkpoint";
        return Err(EvidenceError::Innocent(why));
    }
    let holds = item::in_force(hold, header, verifier)?;
    match holds.ranges() == checkpoint.holds.held() {
        true => Err(EvidenceError::Innocent(
            "the checkpoint has the arcs of the hold",
        )),
        false => Ok(Rule::Checkpoint(CheckpointError::OtherArcs(
            checkpoint.height,
        ))),
    }
}
