//! The views that command line and web page show.
#![allow(clippy::unwrap_used, reason = "tests")]

mod document;
mod ring;
