//! The protocol of a peer, without a clock, a socket, a disk or a thread.
//!
//! A [`Peer`] has one verb, [`Peer::handle`]: one input in, one [`Output`] filled. Its [`Driver`](driver::Driver)
//! takes everything that is queued, hands it in, and ends the round with [`Input::Flush`]. The process performs the
//! [`Steps`](driver::Steps) that follow:
//!
//! 1. start sending [`Output::forwards`], which carry nothing that this peer signed;
//! 2. commit all of [`Output::writes`] in one synced batch; if that fails, stop the process;
//! 3. log [`Output::events`];
//! 4. send [`Output::sends`];
//! 5. answer [`Output::replies`].
//!
//! **Invariant:** nothing that this peer signed leaves it before the batch that holds it was synced.
//!
//! `Peer` keeps the verb, and hands each input to a *handler*: a small struct that borrows the parts of the peer that
//! it may change.
//!
//! | folder | what it is about | handlers |
//! | --- | --- | --- |
//! | `birth` | from a start to a peer that signs, and to one that is settled | `Opening`, `Settling` |
//! | `write` | from a client's transaction to its acknowledgement | `Submitting`, `Adding`, `Pushing`, `Confirming`, `Answering` |
//! | `catch_up` | reading partners' journals, and being read | `Reading`, `Arriving`, `Resolving`, `Serving` |
//! | `partners` | who is connected, what each said, what time it is there | `Greeting` |
//!
//! | file | what it knows |
//! | --- | --- |
//! | `driver` | which connections count, what a round takes, the order of its steps |
//! | `peer` | the state, the verb, and which handler may touch what |
//! | `scope` | what every handler may look at: time, disk, ring, configuration |
//! | `io` | inputs and outputs |
//! | `round` | what a round decided that is not committed yet |
//! | `kept` | small values on disk |
//! | `misbehaviour` | what only a faulty or hostile partner does |
//! | `status` | what a peer shows of itself |
//!
//! Where the quorum is decided: `Waiting::is_reached` in `write/acks.rs` asks `kittengrad_overlay::change`.
#![warn(missing_docs)]

mod birth;
mod catch_up;
mod config;
pub mod driver;
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
