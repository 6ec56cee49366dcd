//! Reading partners' journals, fetching missing transactions, and serving this peer's journal.
//!
//! | file | contents |
//! | --- | --- |
//! | `follow` | this peer's position in one partner's journal |
//! | `known` | transactions that this peer has, unlisted in the store or only in part |
//! | `wants` | missing transactions, and the partner that each is fetched from |
//! | `read` | asks for blocks and bodies, and takes blocks |
//! | `arrive` | takes transactions that were pushed or fetched |
//! | `resolve` | marks a transaction whole or partly here, so that positions advance |
//! | `serve` | answers partners that read this peer's journal |

pub(crate) mod arrive;
pub(crate) mod follow;
pub(crate) mod known;
pub(crate) mod read;
pub(crate) mod resolve;
pub(crate) mod serve;
#[cfg(test)]
mod tests;
pub(crate) mod wants;
