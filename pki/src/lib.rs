//! Certificates in use: issuing them, keeping them in files, and showing them in TLS.
//!
//! What a certificate *means* is decided by [`kittengrad_proto::certificate`] (rfd 1); here are the edges of that:
//! random keys and serial numbers, files, and the configurations of rustls. The time is an argument
//! everywhere, in Unix milliseconds.
//!
//! | module | what |
//! | --- | --- |
//! | [`authority`] | the CA of an operator, in memory: makes a tower, certifies keys |
//! | [`directory`] | the same as files: `ca init` and `ca admit` |
//! | [`credentials`] | key and chain of one process, loaded and checked |
//! | [`transport`] | what a process shows in TLS; the short-lived leaf of a peer or aggregator |
//! | [`tls`] | rustls configurations, and whom a connection is from |
//! | [`key_file`] | PKCS#8 as OpenSSL reads it |
//! | [`files`] | small files that are there wholly or not at all |
#![warn(missing_docs)]

pub mod authority;
pub mod credentials;
pub mod directory;
pub mod files;
mod issue;
pub mod key_file;
pub mod tls;
pub mod transport;
