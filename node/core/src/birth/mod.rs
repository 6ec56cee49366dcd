//! The life of a peer from its start to its first signature, and to settled.
//!
//! | file | contents |
//! | --- | --- |
//! | `life` | the phase of the peer: starting or open, filling or settled |
//! | `start` | the start rule: whether the journal is resumed, or a new incarnation begins |
//! | `filling` | how far partners' journals must be read |
//! | `open` | when the journal is opened |
//! | `settle` | when the peer has everything that its arcs ever had |

pub(crate) mod filling;
pub(crate) mod life;
pub(crate) mod open;
pub(crate) mod settle;
pub(crate) mod start;
