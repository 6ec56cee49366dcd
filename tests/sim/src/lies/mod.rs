//! Peers that lie to the readers of their journals. Their cores are honest: only frames and answers to readers change.

mod kind;
mod tell;

pub use kind::Lie;
