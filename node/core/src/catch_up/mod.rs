//! Reading partners' journals, fetching what is missing here, and being read.
//!
//! | file | what it does |
//! | --- | --- |
//! | `follow` | how far this peer is in one partner's journal |
//! | `known` | which transactions are here, as far as the store does not tell |
//! | `wants` | which transactions are missing, and who is asked for each |
//! | `read` | asks for blocks and bodies, and takes blocks |
//! | `arrive` | takes transactions that partners pushed or were asked for |
//! | `resolve` | marks a transaction whole or partly here, so that positions move on |
//! | `serve` | answers partners that read this peer's journal |

pub(crate) mod arrive;
pub(crate) mod follow;
pub(crate) mod known;
pub(crate) mod read;
pub(crate) mod resolve;
pub(crate) mod serve;
pub(crate) mod wants;
