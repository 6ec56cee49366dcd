//! The frame of a process: its tasks by name, one rule for how they end, signals, and what every role serves.
//!
//! **The rule.** A task runs for as long as its process does. If one ends before the process was asked to stop, whether
//! well, with an error or by a panic, the process stops too and fails with an error that names the task. Example: a peer
//! whose accept loop returns is not a peer that has finished, but one that hears nobody any more.
//!
//! When a process stops, its tasks end in three [`Stage`]s, one after another, each within a bounded time. A task that
//! fails or panics then, or does not end in time, is reported beside whatever came first.
//!
//! | file | content |
//! | --- | --- |
//! | `tasks` | [`Process`]: starting tasks, waiting for their ends |
//! | `failures` | [`Failures`]: which tasks failed, and why |
//! | `serving` | the tasks that every role has: gRPC, health, pages |
//! | `signals` | [`shutdown_on_signal`] |

mod failures;
mod serving;
mod signals;
mod tasks;

pub use failures::{Failure, Failures, Why};
pub use serving::routes;
pub use signals::{SignalError, shutdown_on_signal};
pub use tasks::{Outcome, Process, Stage, joined};
