//! Strict JSON: one text to one value that a record can hold, or a reason why not.
//!
//! Stricter than common parsers, which silently keep the last of two equal keys, round integers and
//! mend text: here whatever cannot be kept as it was written is refused. Integers stay integers, from
//! -2^63 to 2^64 - 1. Numbers with a point or an exponent become 64-bit floats, the nearest one, and
//! must be finite; `-0.0` becomes `0.0`, because DAG-CBOR has one zero.
//!
//! The way back, from values to text for people, is [`Shown`] and [`ShownMap`].

mod parse;
mod show;
mod text;

pub use self::{
    parse::{JsonError, Reason, parse},
    show::{Shown, ShownMap},
};
