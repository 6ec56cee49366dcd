//! The failures of a process: its failed tasks and their causes.

use std::{any::Any, borrow::Cow, error::Error, fmt, time::Duration};

/// Any error of a task.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Why a task counts as failed.
#[derive(Debug)]
pub enum Why {
    /// It returned an error.
    Failed(BoxError),
    /// It panicked, with this message.
    Panicked(String),
    /// It did not stop within this time after it was asked to. A task is aborted then; a thread runs until the process
    /// exits.
    Stuck(Duration),
    /// It ended without an error before the process was asked to stop.
    Ended,
}

impl Why {
    /// A panic, from its payload.
    pub(super) fn panicked(thrown: &(dyn Any + Send)) -> Self {
        let text = thrown.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| thrown.downcast_ref::<String>().cloned());
        Self::Panicked(text.unwrap_or_else(|| "without a message".to_owned()))
    }

    /// Orders causes before likely consequences. A task often ends well because the task on its channel failed.
    const fn rank(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Panicked(_) => 0,
            Self::Stuck(_) => 1,
            Self::Ended => 2,
        }
    }
}

/// A task that failed.
#[derive(Debug)]
pub struct Failure {
    /// Its name.
    pub task: Cow<'static, str>,
    /// Why it counts as failed.
    pub why: Why,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = &self.task;
        match &self.why {
            Why::Failed(error) => write!(f, "task `{task}` failed: {error}"),
            Why::Panicked(text) => write!(f, "task `{task}` panicked, which is a bug: {text}"),
            Why::Stuck(patience) => write!(f, "task `{task}` did not stop within {patience:?}"),
            Why::Ended => {
                // Often because another task failed, whose channel closed.
                write!(
                    f,
                    "task `{task}` ended before the process was asked to stop"
                )
            }
        }
    }
}

/// Why a process stopped by itself, or did not stop cleanly: at least one failed task, causes first.
#[derive(Debug)]
pub struct Failures {
    role: &'static str,
    failures: Vec<Failure>,
}

impl Failures {
    /// No failures yet. `role` is named in the message.
    pub(super) const fn none(role: &'static str) -> Self {
        Self {
            role,
            failures: Vec::new(),
        }
    }

    /// Adds a failure after all others of its rank.
    pub(super) fn push(&mut self, task: Cow<'static, str>, why: Why) {
        let rank = why.rank();
        let after = self.failures.partition_point(|of| of.why.rank() <= rank);
        self.failures.insert(after, Failure { task, why });
    }

    /// An error if there is at least one failure.
    pub(super) fn into_result(self) -> Result<(), Self> {
        if self.failures.is_empty() {
            return Ok(());
        }
        Err(self)
    }

    /// The failures, causes first.
    pub fn iter(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter()
    }

    /// The errors of type `E` among the failures.
    pub fn errors<E: Error + 'static>(&self) -> impl Iterator<Item = &E> {
        self.iter().filter_map(|failure| match &failure.why {
            Why::Failed(error) => error.downcast_ref(),
            _ => None,
        })
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} stops: ", self.role)?;
        for (number, failure) in self.iter().enumerate() {
            if number > 0 {
                f.write_str("; besides, ")?;
            }
            failure.fmt(f)?;
        }
        Ok(())
    }
}

impl Error for Failures {}
