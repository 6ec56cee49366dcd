//! What everybody agrees on, byte for byte: schemas, signed objects, records, proofs, certificates, limits.
//!
//! Nothing here has a clock, a socket, a disk, a thread or a random generator: every function is a
//! pure function of its arguments, and every decoder is total on arbitrary bytes.
#![warn(missing_docs)]

pub mod block;
pub mod certificate;
#[cfg(feature = "grpc")]
mod codec;
pub mod condition;
pub mod cursor;
pub mod error;
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

/// Types generated from the schemas, as they travel; the other modules check and name their content.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::use_self,
    clippy::or_fun_call,
    clippy::doc_lazy_continuation,
    reason = "generated code"
)]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/kittengrad.v1.rs"));

    /// The schemas as a protobuf `FileDescriptorSet`, for gRPC reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}
