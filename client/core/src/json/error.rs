//! Why a text is refused.

use kittengrad_proto::limits::RECORD_DEPTH_MAX;
use thiserror::Error;

/// Why a text is refused, and the place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason} at byte {at}")]
pub struct JsonError {
    /// The byte at which the error was found, counted from 0.
    pub at: usize,
    /// The error.
    pub reason: Reason,
}

/// An error in a text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Reason {
    /// Bytes that are not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// A missing character, named in the message; the text may have ended early.
    #[error("{0} is missing")]
    Expected(&'static str),
    /// Characters after the value.
    #[error("trailing characters after the value")]
    Trailing,
    /// An object has this key twice.
    #[error("duplicate key {0:?}")]
    DuplicateKey(String),
    /// A raw control character in a string.
    #[error("unescaped control character")]
    Control,
    /// A backslash with a character that JSON does not allow after it.
    #[error("unknown escape")]
    Escape,
    /// One half of a pair of `\u` escapes.
    #[error("lone surrogate")]
    LoneSurrogate,
    /// Digits that JSON does not allow.
    #[error("malformed number")]
    Number,
    /// An integer below -2^63 or above 2^64 - 1.
    #[error("integer beyond 64 bits")]
    IntegerRange,
    /// A number that is infinite as a 64-bit float.
    #[error("number beyond the range of a 64-bit float")]
    FloatRange,
    /// More levels of objects and arrays than a record may have.
    #[error("more than {RECORD_DEPTH_MAX} levels of objects and arrays")]
    Depth,
}
