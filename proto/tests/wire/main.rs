//! The wire contract: bytes that never change, decoders that take nothing else, proofs that prove what they claim.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod blocks;
mod bounds;
mod checkpoint_laws;
mod checkpoint_samples;
mod checkpoint_vectors;
mod checkpoints;
mod damage;
mod details;
mod encodings;
mod errors;
mod evidence;
mod evidence_vectors;
mod golden;
mod headers;
mod items;
mod limits;
mod links;
mod members;
mod merging;
mod noise;
mod positions;
mod receipt_errors;
mod receipt_limits;
mod receipts;
mod samples;
mod schemas;
mod services;
mod signatures;
mod submissions;
mod transactions;
mod trees;
