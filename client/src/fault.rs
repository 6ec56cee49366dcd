//! Errors of one call to one member. Each says what to do next.

use std::error::Error as _;

use kittengrad_client_core::routing::Trouble;
use kittengrad_proto::{
    error::{ErrorCode, ErrorDetail, Responsible},
    id::PublicKey,
    namespace::Overlay,
};
use thiserror::Error;
use tonic::Status;

/// Why one member did not give a good answer. Another member may.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The member is not in the network file, and no member announced it.
    #[error("{peer} is not a member of this network; `kittengrad ring show` lists the members")]
    Stranger {
        /// Its key.
        peer: PublicKey,
    },
    /// No connection, or the connection was lost.
    #[error("{peer:?} cannot be reached: {why}")]
    Unreachable {
        /// The member.
        peer: PublicKey,
        /// The error of the network or of TLS.
        why: String,
    },
    /// No answer within the timeout.
    #[error("{peer:?} did not answer within {after_ms} ms")]
    TimedOut {
        /// The member.
        peer: PublicKey,
        /// The timeout.
        after_ms: u64,
    },
    /// The member refused.
    #[error("{peer:?} refuses: {message} ({code}); {hint}")]
    Refused {
        /// The member.
        peer: PublicKey,
        /// The reason, for programs.
        code: ErrorCode,
        /// The reason, for people.
        message: String,
        /// The next step.
        hint: String,
        /// With [`ErrorCode::NotResponsible`]: the members that hold the canonical.
        responsible: Vec<Responsible>,
    },
    /// The member has the transaction, but too few other disks confirmed it in time. It replicates later.
    #[error("{peer:?} stored the transaction, but only {synced} disks have it so far")]
    Unacknowledged {
        /// The member.
        peer: PublicKey,
        /// Disks that have all their elements of the transaction.
        synced: usize,
    },
    /// The answer does not verify.
    #[error("{peer:?} misbehaves: {why}")]
    Misbehaved {
        /// The member.
        peer: PublicKey,
        /// The error in the answer.
        why: String,
    },
}

impl CallError {
    /// Converts the status of a failed call to `peer`.
    pub(crate) fn of(peer: PublicKey, status: &Status, overlay: &Overlay) -> Self {
        let message = describe(status);
        let told = match status.details() {
            [] => None,
            details => ErrorDetail::decode(details, overlay).ok(),
        };
        let code = ErrorCode::from_grpc_status(status.code().into());
        // A status of the connection itself has a source. Such an error is not the member's.
        let code = code.filter(|code| *code != ErrorCode::Internal || status.source().is_none());
        let Some(detail) = told.or_else(|| code.map(ErrorDetail::new)) else {
            return Self::Unreachable { peer, why: message };
        };
        Self::Refused {
            peer,
            code: detail.code,
            message,
            hint: detail.hint,
            responsible: detail.responsible,
        }
    }

    /// The kind of failure, which decides whether other members are asked.
    #[must_use]
    pub const fn trouble(&self) -> Trouble {
        match self {
            Self::Stranger { .. } | Self::Unreachable { .. } => Trouble::Unavailable,
            Self::TimedOut { .. } => Trouble::TimedOut,
            Self::Unacknowledged { .. } => Trouble::Unacknowledged,
            Self::Misbehaved { .. } => Trouble::Misbehaved,
            Self::Refused { code, .. } => match code {
                ErrorCode::NotResponsible => Trouble::NotResponsible,
                ErrorCode::Filling => Trouble::Filling,
                ErrorCode::Starting => Trouble::Starting,
                ErrorCode::Invalid | ErrorCode::TooLarge | ErrorCode::WrongNamespace => {
                    Trouble::Refused
                }
                ErrorCode::NotFresh => Trouble::NotFresh,
                ErrorCode::UnknownCanonical => Trouble::Unknown,
                ErrorCode::Overloaded | ErrorCode::DiskFull => Trouble::Overloaded,
                ErrorCode::ChainUnknown | ErrorCode::Internal => Trouble::Unavailable,
            },
        }
    }

    /// The error code, if the member refused with one.
    #[must_use]
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The member.
    #[must_use]
    pub const fn peer(&self) -> PublicKey {
        match self {
            Self::Stranger { peer }
            | Self::Unreachable { peer, .. }
            | Self::TimedOut { peer, .. }
            | Self::Refused { peer, .. }
            | Self::Unacknowledged { peer, .. }
            | Self::Misbehaved { peer, .. } => *peer,
        }
    }

    /// An answer of `peer` that does not verify.
    pub(crate) fn misbehaved(peer: PublicKey, why: impl ToString) -> Self {
        Self::Misbehaved {
            peer,
            why: why.to_string(),
        }
    }
}

/// The status and all its sources: the last one has the reason of a refused handshake.
fn describe(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = if text.is_empty() {
                more
            } else {
                format!("{text}: {more}")
            };
        }
        source = error.source();
    }
    if text.is_empty() {
        status.code().to_string()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::id::Id;
    use tonic::Code;

    use super::*;

    fn check(status: &Status, expected: Trouble) {
        let overlay = Overlay {
            network: Id::ZERO,
            namespace: "demo".parse().unwrap(),
        };
        let error = CallError::of(PublicKey::new([1; 32]), status, &overlay);
        assert_eq!(error.trouble(), expected, "{error}");
    }

    #[test]
    fn a_code_of_ours_counts_more_than_the_status_around_it() {
        for (code, expected) in [
            (ErrorCode::NotResponsible, Trouble::NotResponsible),
            (ErrorCode::Filling, Trouble::Filling),
            (ErrorCode::Invalid, Trouble::Refused),
            (ErrorCode::NotFresh, Trouble::NotFresh),
            (ErrorCode::UnknownCanonical, Trouble::Unknown),
            (ErrorCode::DiskFull, Trouble::Overloaded),
        ] {
            let details = ErrorDetail::new(code).encode("no");
            check(
                &Status::with_details(Code::Unknown, "no", details),
                expected,
            );
        }
    }

    #[test]
    fn without_a_code_of_ours_the_status_decides() {
        check(&Status::invalid_argument("bad"), Trouble::Refused);
        check(&Status::permission_denied("no"), Trouble::Refused);
        check(&Status::unavailable("gone"), Trouble::Unavailable);
        check(&Status::unknown("?"), Trouble::Unavailable);
        check(&Status::resource_exhausted("later"), Trouble::Overloaded);
        check(
            &Status::with_details(Code::NotFound, "x", bytes::Bytes::from_static(b"\xff")),
            Trouble::Unavailable,
        );
    }
}
