//! Statements about the own set: what this peer contains of its partners' journals.

pub(crate) mod attest;
