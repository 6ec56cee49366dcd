//! The frame of a process: its tasks by name, one rule for their ends, signals, and the servers that every role has.
//!
//! **The rule.** A task runs for as long as its process does. If a task ends before the process was asked to stop,
//! whether well, with an error or by a panic, the process stops too and fails with an error that names the task.
//! Example: a peer whose accept loop returns has not finished: it no longer accepts callers.
//!
//! When a process stops, its tasks end in three [`Stage`]s, one after another, each within a bounded time. A task that
//! fails, panics or does not end in time then is reported besides the first failure.
//!
//! | file | content |
//! | --- | --- |
//! | `tasks` | [`Process`]: starts tasks, waits for their ends |
//! | `failures` | [`Failures`]: the failed tasks and their causes |
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
