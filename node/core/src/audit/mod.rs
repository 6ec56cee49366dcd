//! Statements about the own set, and evidence against others.

pub(crate) mod attest;
pub(crate) mod convict;
