//! Errors of calls: stable codes, and the detail that accompanies a gRPC status.
//!
//! The detail is a protobuf `ErrorDetail` in the `details` of the status. Texts may change; codes do not.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use prost::Message;
use thiserror::Error;

use crate::{
    id::{IdError, RecordId},
    identity::{Identity, IdentityError},
    limits::{ERROR_DETAIL_BYTES_MAX, TRANSACTION_ENTRIES_MAX},
    namespace::Overlay,
    wire,
};

/// Why a call failed, as a code for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCode {
    /// The peer does not hold a canonical of the call. The detail names the peers that do.
    NotResponsible,
    /// The peer does not have everything of its arc yet.
    Filling,
    /// The peer does not sign yet.
    Starting,
    /// The peer does not know the publisher's certificate chain. Send the request again with the chain.
    ChainUnknown,
    /// The request breaks a rule. Every peer refuses it.
    Invalid,
    /// The transaction was signed too long ago, or in the future, by the peer's clock.
    NotFresh,
    /// An update is about a canonical that does not exist.
    UnknownCanonical,
    /// The peer is overloaded.
    Overloaded,
    /// The peer accepts no writes, because its disk is nearly full.
    DiskFull,
    /// The request exceeds a limit. Every peer refuses it.
    TooLarge,
    /// The peer does not serve this namespace.
    WrongNamespace,
    /// The peer has an internal error.
    Internal,
}

/// A text is not an error code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not an error code")]
pub struct ErrorCodeError(String);

impl ErrorCode {
    /// All codes.
    pub const ALL: [Self; 12] = [
        Self::NotResponsible,
        Self::Filling,
        Self::Starting,
        Self::ChainUnknown,
        Self::Invalid,
        Self::NotFresh,
        Self::UnknownCanonical,
        Self::Overloaded,
        Self::DiskFull,
        Self::TooLarge,
        Self::WrongNamespace,
        Self::Internal,
    ];

    /// Converts to the wire form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotResponsible => "NOT_RESPONSIBLE",
            Self::Filling => "FILLING",
            Self::Starting => "STARTING",
            Self::ChainUnknown => "CHAIN_UNKNOWN",
            Self::Invalid => "INVALID",
            Self::NotFresh => "NOT_FRESH",
            Self::UnknownCanonical => "UNKNOWN_CANONICAL",
            Self::Overloaded => "OVERLOADED",
            Self::DiskFull => "DISK_FULL",
            Self::TooLarge => "TOO_LARGE",
            Self::WrongNamespace => "WRONG_NAMESPACE",
            Self::Internal => "INTERNAL",
        }
    }

    /// The next step, if the peer gives no better hint.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::NotResponsible => {
                "ask one of the peers named; `kittengrad ring why CID` shows them"
            }
            Self::Filling => {
                "ask another replica, or wait until `kittengrad ring show` says settled"
            }
            Self::Starting => "ask another replica; the peer waits to hear from its partners",
            Self::ChainUnknown => "send the same request again with the publisher's chain",
            Self::Invalid => "correct the request; every peer refuses it as it is",
            Self::NotFresh => {
                "check the clock of this machine; if it is right, sign again and resend"
            }
            Self::UnknownCanonical => "insert the canonical first, with `kittengrad put`",
            Self::Overloaded => "send less at once, or the same again a little later",
            Self::DiskFull => "ask another replica; the peer's operator has to make room",
            Self::TooLarge => "send it in smaller parts",
            Self::WrongNamespace => "compare the network files of client and peer",
            Self::Internal => "ask another replica; the peer's log says more",
        }
    }

    /// Number of the gRPC status with this code.
    #[must_use]
    pub const fn grpc_status(self) -> i32 {
        match self {
            Self::Invalid | Self::TooLarge => 3,
            Self::UnknownCanonical => 5,
            Self::Overloaded | Self::DiskFull => 8,
            Self::NotResponsible | Self::ChainUnknown | Self::WrongNamespace | Self::NotFresh => 9,
            Self::Internal => 13,
            Self::Filling | Self::Starting => 14,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorCode {
    type Err = ErrorCodeError;

    fn from_str(text: &str) -> Result<Self, ErrorCodeError> {
        let found = Self::ALL.into_iter().find(|code| code.as_str() == text);
        found.ok_or_else(|| ErrorCodeError(text.chars().take(80).collect()))
    }
}

/// Why bytes are not a detail. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DetailError {
    /// Not a protobuf message, or beyond a limit.
    #[error("error detail is malformed: {0}")]
    Malformed(String),
    /// A code that this program does not know.
    #[error("error detail: {0}")]
    Code(#[from] ErrorCodeError),
    /// A canonical with a wrong length.
    #[error("error detail: {0}")]
    Id(#[from] IdError),
    /// An identity in it is wrong.
    #[error("error detail: {0}")]
    Identity(#[from] IdentityError),
}

/// Removes the last peers of the last canonical until the detail fits, and the canonical with its last peer. Returns
/// whether anything was removed.
fn fit(wire: &mut wire::ErrorDetail) -> bool {
    let mut is_cut = false;
    while wire.encoded_len() > ERROR_DETAIL_BYTES_MAX {
        is_cut = true;
        let last = wire.responsible.last_mut();
        if last.is_none_or(|last| last.peers.pop().is_none()) {
            break;
        }
    }
    if is_cut
        && wire
            .responsible
            .last()
            .is_some_and(|last| last.peers.is_empty())
    {
        wire.responsible.pop();
    }
    is_cut
}

/// The peers that hold one canonical, owner first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Responsible {
    /// The canonical.
    pub canonical: RecordId,
    /// Unverified until [`Identity::verify`] succeeds.
    pub peers: Vec<Identity>,
}

impl Responsible {
    /// Converts to the wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::Replicas {
        wire::Replicas {
            canonical: Bytes::copy_from_slice(self.canonical.as_bytes()),
            peers: self
                .peers
                .iter()
                .map(|peer| peer.signed().to_wire())
                .collect(),
        }
    }

    /// Checks the structure of a received message.
    ///
    /// # Errors
    /// For bytes that are not exactly a canonical with identities of `overlay`.
    pub fn from_wire(wire: wire::Replicas, overlay: &Overlay) -> Result<Self, DetailError> {
        let canonical = RecordId::from_slice(&wire.canonical)?;
        let peers = wire
            .peers
            .into_iter()
            .map(|peer| Identity::from_wire(Some(peer), overlay));
        Ok(Self {
            canonical,
            peers: peers.collect::<Result<_, _>>()?,
        })
    }
}

/// The detail of a failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorDetail {
    /// The code.
    pub code: ErrorCode,
    /// The next step.
    pub hint: String,
    /// With [`ErrorCode::NotResponsible`]: the peers that hold the canonicals.
    pub responsible: Vec<Responsible>,
}

impl ErrorDetail {
    /// A detail with the hint of its code.
    #[must_use]
    pub fn new(code: ErrorCode) -> Self {
        Self {
            code,
            hint: code.hint().to_owned(),
            responsible: Vec::new(),
        }
    }

    /// The bytes for the `details` of the status: at most [`ERROR_DETAIL_BYTES_MAX`]. Responsible peers are omitted
    /// from the end if needed; a client learns the ring from any one of them.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let hint = self
            .hint
            .chars()
            .take(ERROR_DETAIL_BYTES_MAX / 16)
            .collect();
        let mut wire = wire::ErrorDetail {
            code: self.code.as_str().to_owned(),
            hint,
            responsible: Vec::new(),
        };
        for responsible in &self.responsible {
            wire.responsible.push(responsible.to_wire());
            if fit(&mut wire) {
                break;
            }
        }
        wire.encode_to_vec().into()
    }

    /// Reads the `details` of a status.
    ///
    /// # Errors
    /// For bytes that are not exactly a detail of `overlay` with a known code.
    pub fn decode(bytes: Bytes, overlay: &Overlay) -> Result<Self, DetailError> {
        if bytes.len() > ERROR_DETAIL_BYTES_MAX {
            return Err(DetailError::Malformed(format!(
                "it has {} bytes",
                bytes.len()
            )));
        }
        let wire =
            wire::ErrorDetail::decode(bytes).map_err(|e| DetailError::Malformed(e.to_string()))?;
        let code = wire.code.parse()?;
        if wire.responsible.len() > TRANSACTION_ENTRIES_MAX {
            return Err(DetailError::Malformed(format!(
                "{} canonicals",
                wire.responsible.len()
            )));
        }
        let responsible = wire
            .responsible
            .into_iter()
            .map(|r| Responsible::from_wire(r, overlay));
        Ok(Self {
            code,
            hint: wire.hint,
            responsible: responsible.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        certificate::{Chain, Role},
        id::Id,
        identity::{Addresses, IdentityFields, State},
        signed::SigningKey,
    };

    fn overlay() -> Overlay {
        Overlay {
            network: Id::ZERO,
            namespace: "demo".parse().unwrap(),
        }
    }

    fn responsible(canonical: u8) -> Responsible {
        let fields = IdentityFields {
            seq: 1,
            state: State::Active,
            role: Role::Peer,
            addresses: Addresses {
                grpc: "127.0.0.1:1".to_owned(),
                ..Addresses::default()
            },
            chain: Chain::from_der(vec![Bytes::from(vec![1; 400]); 2]).unwrap(),
        };
        let peer = Identity::sign(
            &overlay(),
            &fields,
            &SigningKey::from_seed(&[canonical; 32]),
        )
        .unwrap();
        Responsible {
            canonical: RecordId::new([canonical; 32]),
            peers: vec![peer],
        }
    }

    #[test]
    fn a_code_is_read_as_it_is_written() {
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
            assert!(!code.hint().is_empty());
        }
        assert!("not_responsible".parse::<ErrorCode>().is_err());
    }

    #[test]
    fn a_detail_is_read_as_it_was_sent() {
        let detail = ErrorDetail {
            responsible: vec![responsible(1), responsible(2)],
            ..ErrorDetail::new(ErrorCode::NotResponsible)
        };
        assert_eq!(ErrorDetail::decode(detail.encode(), &overlay()), Ok(detail));
    }

    #[test]
    fn a_detail_too_large_for_a_header_omits_the_last_peers() {
        let detail = ErrorDetail {
            hint: "x".repeat(100_000),
            responsible: (1..=40).map(responsible).collect(),
            ..ErrorDetail::new(ErrorCode::NotResponsible)
        };
        let bytes = detail.encode();
        assert!(
            bytes.len() <= ERROR_DETAIL_BYTES_MAX,
            "{} bytes",
            bytes.len()
        );
        let found = ErrorDetail::decode(bytes, &overlay()).unwrap();
        assert!((1..40).contains(&found.responsible.len()));
        assert_eq!(
            found.responsible[..],
            detail.responsible[..found.responsible.len()]
        );
    }

    #[test]
    fn noise_and_unknown_codes_are_no_detail() {
        for bytes in [&b"\xff\xff"[..], b"", &[0x0a, 3, b'N', b'E', b'W']] {
            assert!(ErrorDetail::decode(Bytes::copy_from_slice(bytes), &overlay()).is_err());
        }
    }
}
