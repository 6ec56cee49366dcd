//! The protocol of a peer, without a clock, a socket, a disk or a thread.
//!
//! A [`Peer`] has one entry point, [`Peer::handle`]: it takes one [`Input`] and adds to one [`Output`]. The
//! [`Driver`](driver::Driver) passes the queued inputs to it, and ends the round with [`Input::Flush`]. The process
//! then performs the [`Steps`](driver::Steps) of the round:
//!
//! 1. start sending [`Output::forwards`], which carry nothing that this peer signed;
//! 2. commit all of [`Output::writes`] in one synced batch; if the commit fails, stop the process;
//! 3. log [`Output::events`];
//! 4. send [`Output::sends`];
//! 5. answer [`Output::replies`].
//!
//! **Invariant:** a signature of this peer leaves it only after the batch with the signed bytes is synced.
//!
//! `Peer` passes each input to a *handler*: a small struct that borrows only those parts of the peer that it may
//! change.
//!
//! | folder | contents | handlers |
//! | --- | --- | --- |
//! | `birth` | from the start of a peer to its first signature, and to settled | `Opening`, `Settling` |
//! | `write` | from a client's transaction to its acknowledgement | `Submitting`, `Adding`, `Pushing`, `Confirming`, `Answering` |
//! | `catch_up` | reading partners' journals, serving this peer's | `Reading`, `Arriving`, `Resolving`, `Serving` |
//! | `partners` | the links, hellos and clocks of the partners | `Greeting` |
//!
//! | file | contents |
//! | --- | --- |
//! | `driver` | the current connections, the inputs of a round, the order of its steps |
//! | `peer` | the state, `handle`, and the parts that each handler may change |
//! | `scope` | the read-only surroundings of every handler: time, disk, ring, configuration |
//! | `io` | inputs and outputs |
//! | `round` | decisions of a round that are not committed yet |
//! | `kept` | small values on disk |
//! | `misbehaviour` | actions that only a faulty or hostile partner takes |
//! | `status` | the state of a peer as it shows it |
//!
//! The quorum is decided in `kittengrad_overlay::change`, which `Waiting::is_reached` in `write/acks.rs` calls.
#![warn(missing_docs)]

mod audit;
mod birth;
mod catch_up;
mod config;
pub mod driver;
#[cfg(test)]
mod fixtures;
mod io;
mod kept;
mod misbehaviour;
mod partners;
mod peer;
mod round;
mod scope;
mod status;
mod write;

pub use catch_up::known::entries_to_verify;
pub use config::PeerConfig;
pub use io::{
    Delivery, Event, Fatal, Input, Now, Outbound, Output, Refusal, Reply, RequestId, Submitted,
    Timing, Unverified,
};
pub use misbehaviour::Misbehaviour;
pub use peer::Peer;
pub use status::{Status, StatusOf};
