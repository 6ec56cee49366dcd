//! Issuing, keeping and showing certificates, from the folder of an authority to a handshake.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod credentials;
mod directory;
mod handshakes;
mod issuing;
mod openssl;
