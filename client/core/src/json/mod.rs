//! Strict JSON: converts a text to a value that a record can hold, or refuses it with a reason.
//!
//! Common parsers keep the last of two equal keys, round integers and repair text. This one refuses a text that it
//! cannot keep exactly. Integers stay integers, from -2^63 to 2^64 - 1. Numbers with a point or an exponent become the
//! nearest 64-bit float, which must be finite. `-0.0` becomes `0.0`, because DAG-CBOR has one zero.
//!
//! [`JsonValue`] and [`JsonMap`] convert values back to text.

mod error;
mod parse;
mod show;
mod text;

pub use self::{
    error::{JsonError, Reason},
    parse::parse,
    show::{JsonMap, JsonValue},
};
