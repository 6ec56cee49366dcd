//! From a start to a peer that signs, and to one that is settled.
//!
//! | file | what it decides |
//! | --- | --- |
//! | `life` | where the peer is in its life |
//! | `start` | the start rule: whether the journal goes on, or a new incarnation begins |
//! | `filling` | how far partners' journals have to be read |
//! | `open` | when the journal is opened |
//! | `settle` | when the peer has everything that its arcs ever had |

pub(crate) mod filling;
pub(crate) mod life;
pub(crate) mod open;
pub(crate) mod settle;
pub(crate) mod start;
