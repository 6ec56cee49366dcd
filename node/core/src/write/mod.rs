//! From a client's transaction to its acknowledgement.
//!
//! ```text
//!             coordinator                                      replica
//! submit ──▶ add ──▶ push ─────────────────────────────▶ (arrive) ──▶ add
//!                      ╎                                               ╎
//!                end of the round                               end of the round
//!                      ▼                                               ▼
//!                   confirm ◀────────────────────────────────────── confirm
//!                      ▼
//!                   answer
//! ```
//!
//! | file | contents |
//! | --- | --- |
//! | `submit` | takes or refuses a client's transaction |
//! | `add` | puts a verified transaction into the block under construction |
//! | `acks` | keeps the submissions that wait for their quorum |
//! | `push` | sends transactions to the other replicas |
//! | `prove` | proves from this peer's journal that it has the elements of a transaction |
//! | `confirm` | confirms to coordinators, and counts the confirmations of other replicas |
//! | `answer` | answers requests whose quorum is reached or whose time is over |

pub(crate) mod acks;
pub(crate) mod add;
pub(crate) mod answer;
pub(crate) mod confirm;
mod prove;
pub(crate) mod push;
pub(crate) mod submit;
#[cfg(test)]
mod tests;
