//! The protocol of a peer, without a clock, a socket, a disk or a thread.
//!
//! A [`Peer`] has one verb, [`Peer::handle`]: one input in, one [`Output`] filled. Its driver takes everything
//! that is queued, hands it in, ends the round with [`Input::Flush`], and then keeps this contract:
//!
//! 1. start sending [`Output::forwards`], which carry nothing that this peer signed;
//! 2. commit all of [`Output::writes`] in one synced batch; if that fails, stop the process;
//! 3. send [`Output::sends`];
//! 4. answer [`Output::replies`].
//!
//! **Invariant:** nothing that this peer signed leaves it before the batch that holds it was synced.
#![warn(missing_docs)]

mod acks;
mod clock;
mod confirm;
mod fetch;
mod follow;
mod greet;
mod io;
mod kept;
mod known;
mod life;
mod link;
mod peer;
mod push;
mod read;
mod round;
mod serve;
mod settle;
mod start;
mod status;

pub use io::{
    Delivery, Event, Fatal, Input, Now, Output, Refusal, Reply, RequestId, Send, Submitted, Timing,
    Unverified,
};
pub use known::entries_to_verify;
pub use peer::{Peer, PeerConfig};
pub use status::{Status, StatusOf};
