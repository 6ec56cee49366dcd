//! The formats of the network, byte for byte: records, signed objects, journals, certificates and limits.
//!
//! Data
//!
//! | module | content |
//! | --- | --- |
//! | [`record`] | canonicals, updates and retractions as strict DAG-CBOR, each named by its CID |
//! | [`heads`] | the updates of a canonical that count today, and the standing of the others |
//! | [`transaction`] | entries of one publisher under one signature |
//! | [`submission`] | a transaction with its records, and the checks that every replica makes |
//! | [`block`] | the header and the items of a block; [`merkle`] has the tree over its items |
//! | [`checkpoint`] | the signed state of a journal at a height, and the positions in other journals beside it |
//! | [`cursor`] | the place of a reader in a journal |
//! | [`evidence`] | proof that a journal's owner broke a rule |
//! | [`receipt`] | proof that a transaction is on the disks of a quorum |
//!
//! Members and trust
//!
//! | module | content |
//! | --- | --- |
//! | [`id`] | digests and keys of 32 bytes, one type for each meaning |
//! | [`namespace`] | network and namespace, which every signed body names |
//! | [`certificate`] | certificate chains, the roles that they admit to, and their profile |
//! | [`identity`] | the signed description of a member, and its heartbeat |
//! | [`signed`] | the bytes that a signature and an id cover; [`signed::Ed25519`] verifies |
//! | [`signed_head`] | a head with the signature of its journal's owner |
//! | [`condition`] | settled, filling, starting or unreachable |
//!
//! Messages
//!
//! | module | content |
//! | --- | --- |
//! | [`link`] | messages between partners, checked in structure when they are read |
//! | [`wire`] | types generated from `proto/schema`, and with the feature `grpc` the services |
//! | [`rpc`] | the standard types of an error, generated too |
//! | [`error`](mod@error) | stable error codes, and the detail of a failed call |
//! | [`limits`] | every size and every age that a peer accepts |
//!
//! # Rules
//!
//! - Every function depends on its arguments alone. The crate has no clock, socket, disk, thread or random generator.
//! - Every decoder accepts arbitrary bytes: it returns a value or an error, and never panics.
//! - Bytes are kept as they were received. An object is verified, hashed and stored without encoding it again.
//!
//! ```
//! use kittengrad_proto::{
//!     id::RecordId,
//!     record::{Canonical, CanonicalType, Record},
//! };
//!
//! let work = Canonical::identified(CanonicalType::Artefact, "tate:artwork:1035".to_owned());
//! let bytes = Record::Canonical(work.clone()).encode()?;
//! assert!(RecordId::of(&bytes).to_string().starts_with("bafyrei"));
//! assert_eq!(Record::decode(&bytes)?, Record::Canonical(work));
//! # Ok::<(), kittengrad_proto::record::RecordError>(())
//! ```
//!
//! The terms are in the glossary, `docs/GLOSSARY.md`. `docs/ARCHITECTURE.md` draws the formats, and `proto/testdata` has
//! golden vectors of them.
#![warn(missing_docs)]

pub mod block;
pub mod certificate;
pub mod checkpoint;
#[cfg(feature = "grpc")]
mod codec;
pub mod condition;
pub mod cursor;
pub mod error;
pub mod evidence;
pub mod heads;
pub mod id;
pub mod identity;
pub mod limits;
pub mod link;
pub mod merkle;
pub mod namespace;
pub mod receipt;
pub mod record;
pub mod signed;
pub mod signed_head;
pub mod submission;
pub mod transaction;
mod weight;

pub use generated::{google::rpc, kittengrad::v1 as wire};

/// Types generated from the schemas, in a module for each package.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::use_self,
    clippy::or_fun_call,
    clippy::doc_lazy_continuation,
    reason = "generated code"
)]
mod generated {
    pub mod google {
        /// The standard messages of an error, as they travel; [`error`](crate::error) checks and names their content.
        pub mod rpc {
            include!(concat!(env!("OUT_DIR"), "/google.rpc.rs"));
        }
    }

    pub mod kittengrad {
        /// Messages and services, as they travel; the other modules check and name their content.
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/kittengrad.v1.rs"));

            /// The schemas as a protobuf `FileDescriptorSet`, for gRPC reflection.
            pub const DESCRIPTORS: &[u8] =
                include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
        }
    }
}
