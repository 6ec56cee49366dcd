//! Errors of calls and of pushes: stable codes, and the detail of a failed call.
//!
//! A failed call carries a [`rpc::Status`](crate::rpc::Status), which [`ErrorDetail`] writes and reads. A push that was
//! not confirmed carries code and message. Texts may change; codes do not (rfd 9).

mod detail;

use std::{fmt, str::FromStr};

use thiserror::Error;

pub use detail::{DetailError, ErrorDetail, Responsible};

use crate::{limits::ERROR_MESSAGE_BYTES_MAX, wire};

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

    /// The name, for people and for the `reason` of an [`rpc::ErrorInfo`](crate::rpc::ErrorInfo).
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

    /// Converts to the wire form.
    #[must_use]
    pub const fn to_wire(self) -> wire::ErrorCode {
        match self {
            Self::NotResponsible => wire::ErrorCode::NotResponsible,
            Self::Filling => wire::ErrorCode::Filling,
            Self::Starting => wire::ErrorCode::Starting,
            Self::ChainUnknown => wire::ErrorCode::ChainUnknown,
            Self::Invalid => wire::ErrorCode::Invalid,
            Self::NotFresh => wire::ErrorCode::NotFresh,
            Self::UnknownCanonical => wire::ErrorCode::UnknownCanonical,
            Self::Overloaded => wire::ErrorCode::Overloaded,
            Self::DiskFull => wire::ErrorCode::DiskFull,
            Self::TooLarge => wire::ErrorCode::TooLarge,
            Self::WrongNamespace => wire::ErrorCode::WrongNamespace,
            Self::Internal => wire::ErrorCode::Internal,
        }
    }

    /// Reads the number of a code. `None` for a code that this program does not know: a newer program sent it.
    #[must_use]
    pub fn from_wire(number: i32) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|code| code.to_wire() as i32 == number)
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

    /// Milliseconds after which the same peer may answer well, if waiting helps and the peer knows no better time.
    #[must_use]
    pub const fn retry_after_ms(self) -> Option<u64> {
        match self {
            Self::Overloaded | Self::Starting => Some(1_000),
            Self::Filling => Some(5_000),
            // Somebody has to make room.
            Self::DiskFull => Some(60_000),
            Self::NotResponsible
            | Self::ChainUnknown
            | Self::Invalid
            | Self::NotFresh
            | Self::UnknownCanonical
            | Self::TooLarge
            | Self::WrongNamespace
            | Self::Internal => None,
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

    /// The code for an error that has nothing but the number of its gRPC status. Programs before the peer send such
    /// errors, and the gRPC library itself. `None` if the number does not tell what is wrong.
    #[must_use]
    pub const fn from_grpc_status(number: i32) -> Option<Self> {
        match number {
            // INVALID_ARGUMENT, PERMISSION_DENIED, FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED, UNAUTHENTICATED
            3 | 7 | 9 | 11 | 12 | 16 => Some(Self::Invalid),
            // RESOURCE_EXHAUSTED
            8 => Some(Self::Overloaded),
            // INTERNAL, DATA_LOSS
            13 | 15 => Some(Self::Internal),
            _ => None,
        }
    }
}

/// The part of a message that travels: at most [`ERROR_MESSAGE_BYTES_MAX`] bytes.
#[must_use]
pub fn cut_message(message: &str) -> &str {
    &message[..message.floor_char_boundary(ERROR_MESSAGE_BYTES_MAX)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_written() {
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
            assert_eq!(ErrorCode::from_wire(code.to_wire().into()), Some(code));
            assert!(!code.hint().is_empty());
        }
        assert!("not_responsible".parse::<ErrorCode>().is_err());
    }

    #[test]
    fn codes_of_schema_and_program_are_the_same() {
        let named = |code: ErrorCode| format!("ERROR_CODE_{code}");
        for code in ErrorCode::ALL {
            assert_eq!(code.to_wire().as_str_name(), named(code));
        }
        for number in [-1, 0, ErrorCode::ALL.len() as i32 + 1, i32::MAX] {
            assert_eq!(ErrorCode::from_wire(number), None, "{number}");
        }
    }

    #[test]
    fn a_status_alone_is_read_as_its_kind_of_code() {
        for code in ErrorCode::ALL {
            let read = ErrorCode::from_grpc_status(code.grpc_status());
            let expected = match code.grpc_status() {
                8 => Some(ErrorCode::Overloaded),
                13 => Some(ErrorCode::Internal),
                3 | 9 => Some(ErrorCode::Invalid),
                _ => None,
            };
            assert_eq!(read, expected, "{code}");
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(cut_message("short"), "short");
        let long = format!("x{}", "ü".repeat(ERROR_MESSAGE_BYTES_MAX));
        assert_eq!(cut_message(&long).len(), ERROR_MESSAGE_BYTES_MAX - 1);
    }
}
