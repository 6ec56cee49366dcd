//! The tool that measures the tests is tested itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod copying;
mod definitions;
mod places;
mod weaving;
