//! Certificates in use: issues them, stores them in files, and configures TLS with them.
//!
//! [`kittengrad_proto::certificate`] decides the meaning of a certificate (rfd 1). This crate adds the edges: random
//! keys and serial numbers, files, and the configurations of rustls. The time is an argument everywhere, in Unix
//! milliseconds.
//!
//! | module | content |
//! | --- | --- |
//! | [`authority`] | the CA of an operator, in memory: makes the tower, certifies keys |
//! | [`directory`] | the same as files: `ca init` and `ca admit` |
//! | [`credentials`] | key, chain and root of one process, loaded and checked |
//! | [`transport`] | the certificate that a process presents in TLS; the short-lived leaf of a peer or aggregator |
//! | [`tls`] | rustls configurations, and the holder at the other end of a connection |
//! | [`key_file`] | PKCS#8, as OpenSSL reads it |
//! | [`files`] | small files, written completely or not at all |
#![warn(missing_docs)]

pub mod authority;
pub mod credentials;
pub mod directory;
pub mod files;
mod issue;
pub mod key_file;
pub mod tls;
pub mod transport;
