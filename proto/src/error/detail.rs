//! The detail of a failed call, and its form as a `google.rpc.Status`.
//!
//! The bytes of the status travel in the trailer `grpc-status-details-bin`. Clients that know only the standard read the
//! cause in its `ErrorInfo` and the time to wait in its `RetryInfo`.

use bytes::Bytes;
use prost::Message;
use prost_types::{Any, Duration};
use thiserror::Error;

use super::{ErrorCode, cut_message};
use crate::{
    id::{IdError, RecordId},
    identity::{Identity, IdentityError},
    limits::{ERROR_DETAILS_MAX, ERROR_HINT_BYTES_MAX, ERROR_STATUS_BYTES_MAX, RETRY_AFTER_MS_MAX},
    namespace::Overlay,
    rpc, wire,
};

/// The software that defines the codes, in the `domain` of an [`rpc::ErrorInfo`].
const DOMAIN: &str = "kittengrad";
/// The names of the details' types.
const ERROR_INFO: &str = "google.rpc.ErrorInfo";
const RETRY_INFO: &str = "google.rpc.RetryInfo";
const ERROR_DETAIL: &str = "kittengrad.v1.ErrorDetail";
/// The part of a type's URL before its name. Readers ignore it.
const TYPE_URL: &str = "type.googleapis.com/";
/// Bytes of the tags and lengths around the last detail, at most.
const FRAME_BYTES: usize = 16;

/// Why bytes are not the status of a failed call. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DetailError {
    /// Not a protobuf message, not an error, or beyond a limit.
    #[error("error detail is malformed: {0}")]
    Malformed(String),
    /// A canonical with a wrong length.
    #[error("error detail: {0}")]
    Id(#[from] IdError),
    /// An identity in it is wrong.
    #[error("error detail: {0}")]
    Identity(#[from] IdentityError),
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
    /// The next step. At most [`ERROR_HINT_BYTES_MAX`] bytes of it travel.
    pub hint: String,
    /// Milliseconds to wait before the same peer is asked again, at most [`RETRY_AFTER_MS_MAX`]; `None` if waiting
    /// does not help.
    pub retry_after_ms: Option<u64>,
    /// With [`ErrorCode::NotResponsible`]: the peers that hold the canonicals.
    pub responsible: Vec<Responsible>,
}

impl ErrorDetail {
    /// A detail with the hint and the time of its code.
    #[must_use]
    pub fn new(code: ErrorCode) -> Self {
        Self {
            code,
            hint: code.hint().to_owned(),
            retry_after_ms: code.retry_after_ms(),
            responsible: Vec::new(),
        }
    }

    /// The bytes of the status of a call that failed with `message`: at most [`ERROR_STATUS_BYTES_MAX`]. Responsible
    /// peers are left out from the end if needed; a client learns the ring from any one of them.
    #[must_use]
    pub fn encode(&self, message: &str) -> Bytes {
        let info = rpc::ErrorInfo {
            reason: self.code.as_str().to_owned(),
            domain: DOMAIN.to_owned(),
            ..rpc::ErrorInfo::default()
        };
        let mut details = vec![any(ERROR_INFO, &info)];
        if let Some(ms) = self.retry_after_ms {
            let retry_delay = Some(duration(ms));
            details.push(any(RETRY_INFO, &rpc::RetryInfo { retry_delay }));
        }
        let mut status = rpc::Status {
            code: self.code.grpc_status(),
            message: cut_message(message).to_owned(),
            details,
        };
        let frame = FRAME_BYTES + TYPE_URL.len() + ERROR_DETAIL.len();
        let room = ERROR_STATUS_BYTES_MAX.saturating_sub(status.encoded_len() + frame);
        status.details.push(any(ERROR_DETAIL, &self.to_wire(room)));
        status.encode_to_vec().into()
    }

    /// Converts to the wire form, in at most `room` bytes.
    fn to_wire(&self, room: usize) -> wire::ErrorDetail {
        let mut wire = wire::ErrorDetail {
            code: self.code.to_wire().into(),
            hint: cut_hint(&self.hint).to_owned(),
            responsible: Vec::new(),
        };
        for responsible in &self.responsible {
            wire.responsible.push(responsible.to_wire());
            if fit(&mut wire, room) {
                break;
            }
        }
        wire
    }

    /// Reads the bytes of the status of a failed call.
    ///
    /// The code is that of the `kittengrad.v1.ErrorDetail`. Without this detail, or if this program does not know the
    /// code, it follows from the `google.rpc.ErrorInfo`, else from the gRPC status, else it is
    /// [`ErrorCode::Internal`]. Details of other types are skipped.
    ///
    /// # Errors
    /// For bytes that are not an error of `overlay` within the limits.
    pub fn decode(bytes: &[u8], overlay: &Overlay) -> Result<Self, DetailError> {
        if bytes.len() > ERROR_STATUS_BYTES_MAX {
            return Err(malformed(format!("it has {} bytes", bytes.len())));
        }
        let status = rpc::Status::decode(bytes).map_err(malformed)?;
        if status.code == 0 {
            return Err(malformed("its status is no error"));
        }
        let count = status.details.len();
        if count > ERROR_DETAILS_MAX {
            return Err(malformed(format!("{count} details")));
        }
        let detail: Option<wire::ErrorDetail> = find(&status, ERROR_DETAIL)?;
        let info: Option<rpc::ErrorInfo> = find(&status, ERROR_INFO)?;
        let retry: Option<rpc::RetryInfo> = find(&status, RETRY_INFO)?;
        let code = detail
            .as_ref()
            .and_then(|detail| ErrorCode::from_wire(detail.code))
            .or_else(|| info.and_then(|info| reason(&info)))
            .or_else(|| ErrorCode::from_grpc_status(status.code))
            .unwrap_or(ErrorCode::Internal);
        let wire::ErrorDetail {
            hint, responsible, ..
        } = detail.unwrap_or_default();
        let responsible = responsible
            .into_iter()
            .map(|replicas| Responsible::from_wire(replicas, overlay));
        Ok(Self {
            code,
            hint: match hint.as_str() {
                "" => code.hint().to_owned(),
                hint => cut_hint(hint).to_owned(),
            },
            retry_after_ms: retry.and_then(|retry| milliseconds(&retry.retry_delay?)),
            responsible: responsible.collect::<Result<_, _>>()?,
        })
    }
}

fn malformed(why: impl ToString) -> DetailError {
    DetailError::Malformed(why.to_string())
}

fn any(name: &str, detail: &impl Message) -> Any {
    Any {
        type_url: format!("{TYPE_URL}{name}"),
        value: detail.encode_to_vec(),
    }
}

/// The first detail of a type.
fn find<T: Message + Default>(status: &rpc::Status, name: &str) -> Result<Option<T>, DetailError> {
    let mut details = status.details.iter();
    let found = details.find(|any| any.type_url.rsplit('/').next() == Some(name));
    let found = found.map(|any| T::decode(any.value.as_slice()));
    found.transpose().map_err(malformed)
}

/// The code in a standard detail. Other software has reasons of the same name.
fn reason(info: &rpc::ErrorInfo) -> Option<ErrorCode> {
    let is_ours = info.domain == DOMAIN;
    is_ours.then(|| info.reason.parse().ok()).flatten()
}

fn cut_hint(hint: &str) -> &str {
    &hint[..hint.floor_char_boundary(ERROR_HINT_BYTES_MAX)]
}

fn duration(ms: u64) -> Duration {
    let ms = ms.min(RETRY_AFTER_MS_MAX);
    Duration {
        seconds: i64::try_from(ms / 1_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(ms % 1_000).unwrap_or_default() * NANOS_PER_MS,
    }
}

/// Rounded up, so that nobody asks too early. `None` for a negative time.
fn milliseconds(delay: &Duration) -> Option<u64> {
    let seconds = u64::try_from(delay.seconds).ok()?;
    let nanos = u64::try_from(delay.nanos).ok()?;
    let rest = nanos.div_ceil(NANOS_PER_MS.unsigned_abs().into());
    let ms = seconds.saturating_mul(1_000).saturating_add(rest);
    Some(ms.min(RETRY_AFTER_MS_MAX))
}

const NANOS_PER_MS: i32 = 1_000_000;

/// Removes the last peers of the last canonical until the detail fits, and the canonical with its last peer. Returns
/// whether anything was removed.
fn fit(wire: &mut wire::ErrorDetail, room: usize) -> bool {
    let mut is_cut = false;
    while wire.encoded_len() > room {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        certificate::{Chain, Role},
        id::Id,
        identity::{Addresses, IdentityFields, State},
        limits::ERROR_MESSAGE_BYTES_MAX,
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
    fn a_detail_is_read_as_it_was_sent() {
        let mut details = vec![ErrorDetail {
            responsible: vec![responsible(1), responsible(2)],
            ..ErrorDetail::new(ErrorCode::NotResponsible)
        }];
        details.extend(ErrorCode::ALL.map(ErrorDetail::new));
        details.extend(
            [0, 1, 999, 1_500, RETRY_AFTER_MS_MAX].map(|ms| ErrorDetail {
                retry_after_ms: Some(ms),
                ..ErrorDetail::new(ErrorCode::Internal)
            }),
        );
        for detail in details {
            let bytes = detail.encode("why");
            assert_eq!(ErrorDetail::decode(&bytes, &overlay()), Ok(detail));
        }
    }

    #[test]
    fn a_detail_too_large_for_a_header_omits_the_last_peers() {
        let detail = ErrorDetail {
            hint: "x".repeat(100_000),
            responsible: (1..=40).map(responsible).collect(),
            retry_after_ms: Some(u64::MAX),
            ..ErrorDetail::new(ErrorCode::NotResponsible)
        };
        let bytes = detail.encode(&"y".repeat(100_000));
        assert!(
            bytes.len() <= ERROR_STATUS_BYTES_MAX,
            "{} bytes",
            bytes.len()
        );
        let status = rpc::Status::decode(bytes.clone()).unwrap();
        assert_eq!(status.message.len(), ERROR_MESSAGE_BYTES_MAX);
        let found = ErrorDetail::decode(&bytes, &overlay()).unwrap();
        assert_eq!(found.hint.len(), ERROR_HINT_BYTES_MAX);
        assert_eq!(found.retry_after_ms, Some(RETRY_AFTER_MS_MAX));
        assert!((1..40).contains(&found.responsible.len()));
        assert_eq!(
            found.responsible[..],
            detail.responsible[..found.responsible.len()]
        );
    }
}
