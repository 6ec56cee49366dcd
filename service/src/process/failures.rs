//! Which tasks of a process failed, and why.

use std::{any::Any, borrow::Cow, error::Error, fmt, time::Duration};

/// Any error of a task.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Why a task counts as failed.
#[derive(Debug)]
pub enum Why {
    /// It said why it could not go on.
    Failed(BoxError),
    /// It panicked, with this message.
    Panicked(String),
    /// It was asked to stop, and did not within this time. A task is aborted then; a thread goes on until the process
    /// exits.
    Stuck(Duration),
    /// It ended without an error before anybody had asked the process to stop.
    Ended,
}

impl Why {
    /// A panic, from what was thrown.
    pub(super) fn panicked(thrown: &(dyn Any + Send)) -> Self {
        let text = thrown.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| thrown.downcast_ref::<String>().cloned());
        Self::Panicked(text.unwrap_or_else(|| "without a message".to_owned()))
    }

    /// Causes come before what is likely to follow from them: a task that ends well has often lost the one it spoke to.
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
                // Often it lost the task that it spoke to, which failed.
                write!(f, "task `{task}` ended although nobody had asked")
            }
        }
    }
}

/// Why a process stopped by itself, or did not stop well: at least one task, causes first.
#[derive(Debug)]
pub struct Failures {
    role: &'static str,
    failures: Vec<Failure>,
}

impl Failures {
    /// None yet of a process of this role.
    pub(super) const fn none(role: &'static str) -> Self {
        Self {
            role,
            failures: Vec::new(),
        }
    }

    /// Adds one; the order of those of one rank stays.
    pub(super) fn push(&mut self, task: Cow<'static, str>, why: Why) {
        let rank = why.rank();
        let after = self.failures.partition_point(|of| of.why.rank() <= rank);
        self.failures.insert(after, Failure { task, why });
    }

    /// An error if there is any.
    pub(super) fn into_result(self) -> Result<(), Self> {
        if self.failures.is_empty() {
            return Ok(());
        }
        Err(self)
    }

    /// The tasks that failed, causes first.
    pub fn iter(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter()
    }

    /// The errors of one type, of tasks that failed with one.
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
