//! The tasks of a process: each has a name, an owner that waits for it, and a stage in which it ends.

use std::{
    borrow::Cow,
    collections::HashMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    thread,
    time::Duration,
};

use tokio::{
    sync::oneshot,
    task::{Id, JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::failures::{BoxError, Failures, Why};

/// When a task is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// First: what clients reach. Whoever is inside is still answered by the others.
    Doors,
    /// Then what brings the core its input: links, clocks, followers.
    Inside,
    /// Last the core itself, which has nothing left to hear.
    Core,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Doors, Self::Inside, Self::Core];

    /// Time to stop in. Doors need five seconds for their calls, a core commits everything that is queued. Together with the
    /// end of the connections less than the half minute that container platforms wait before they kill.
    const fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::Doors => 8,
            Self::Inside => 5,
            Self::Core => 12,
        })
    }
}

/// What a task may come to: nothing, or an error.
pub trait Outcome {
    /// As a result.
    ///
    /// # Errors
    /// That of the task.
    fn outcome(self) -> Result<(), BoxError>;
}

impl Outcome for () {
    fn outcome(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> Outcome for Result<(), E> {
    fn outcome(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// A process that is being started, and then waited for with [`Process::until_stopped`].
///
/// Dropping it aborts its tasks.
#[derive(Debug)]
pub struct Process {
    role: &'static str,
    shutdown: CancellationToken,
    /// By [`Stage`].
    stages: [Tasks; 3],
}

impl Process {
    /// A process without tasks that stops with `shutdown`, or by itself without cancelling that.
    #[must_use]
    pub fn new(role: &'static str, shutdown: &CancellationToken) -> Self {
        let shutdown = shutdown.child_token();
        let tasks = |stop, stage: Stage| Tasks {
            set: JoinSet::new(),
            names: HashMap::new(),
            stop,
            patience: stage.patience(),
        };
        Self {
            role,
            stages: [
                tasks(shutdown.clone(), Stage::Doors),
                tasks(CancellationToken::new(), Stage::Inside),
                tasks(CancellationToken::new(), Stage::Core),
            ],
            shutdown,
        }
    }

    /// Gives the tasks of every stage this time to stop.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        for tasks in &mut self.stages {
            tasks.patience = patience;
        }
        self
    }

    /// Cancelled when tasks of a stage are to stop.
    #[must_use]
    pub fn stop_of(&self, stage: Stage) -> CancellationToken {
        self.stages[stage as usize].stop.clone()
    }

    /// Starts a task that ends by itself soon after [`Process::stop_of`] its stage, and not before.
    pub fn spawn<F>(&mut self, stage: Stage, name: impl Into<Cow<'static, str>>, task: F)
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        let tasks = &mut self.stages[stage as usize];
        let handle = tasks.set.spawn(async move { task.await.outcome() });
        tasks.names.insert(handle.id(), name.into());
    }

    /// Starts a task that may be dropped at any of its `await`s, and is when its stage stops.
    pub fn spawn_dropped<F>(&mut self, stage: Stage, name: impl Into<Cow<'static, str>>, task: F)
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        let stop = self.stop_of(stage);
        self.spawn(stage, name, async move {
            match stop.run_until_cancelled(task).await {
                Some(ended) => ended.outcome(),
                None => Ok(()),
            }
        });
    }

    /// Starts a thread for `work` that waits for disks. When its stage stops, `stop` runs, which makes it end.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn spawn_thread<R>(
        &mut self,
        stage: Stage,
        name: &'static str,
        work: impl FnOnce() -> R + Send + 'static,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()>
    where
        R: Outcome + Send + 'static,
    {
        let (done, ended) = oneshot::channel();
        let work = move || {
            // Nobody listens any more when the process was not patient enough.
            let _ = done.send(catch_unwind(AssertUnwindSafe(work)));
        };
        thread::Builder::new().name(name.to_owned()).spawn(work)?;
        let stopped = self.stop_of(stage);
        self.spawn(stage, name, async move {
            let mut ended = pin!(ended);
            let stopping = async {
                stopped.cancelled().await;
                stop.await;
            };
            let ended = tokio::select! {
                ended = &mut ended => ended,
                () = stopping => ended.await,
            };
            match ended {
                Ok(Ok(ended)) => ended.outcome(),
                Ok(Err(thrown)) => resume_unwind(thrown),
                Err(_) => Err("its thread is gone".into()),
            }
        });
        Ok(())
    }

    /// Waits until the process is asked to stop or a task ends, and then for all tasks, stage by stage.
    ///
    /// # Errors
    /// All tasks that failed, panicked, did not stop in time, or ended before anybody had asked.
    pub async fn until_stopped(mut self) -> Result<(), Failures> {
        let mut failures = Failures::none(self.role);
        let [doors, inside, core] = &mut self.stages;
        tokio::select! {
            // Asked to stop, whoever has ended since may have ended because of that.
            biased;
            () = self.shutdown.cancelled() => {}
            (name, ended) = core.next() => failures.push(name, ended.unwrap_or(Why::Ended)),
            (name, ended) = inside.next() => failures.push(name, ended.unwrap_or(Why::Ended)),
            (name, ended) = doors.next() => failures.push(name, ended.unwrap_or(Why::Ended)),
        }
        for stage in Stage::ALL {
            self.stages[stage as usize].end(&mut failures).await;
        }
        failures.into_result()
    }
}

/// What a task of a task came to. Its panic becomes one of its owner, whose name is known.
///
/// # Panics
/// If the task did, or was aborted.
pub fn joined<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

/// The tasks of one stage.
#[derive(Debug)]
struct Tasks {
    set: JoinSet<Result<(), BoxError>>,
    /// Names of those that run.
    names: HashMap<Id, Cow<'static, str>>,
    stop: CancellationToken,
    patience: Duration,
}

impl Tasks {
    /// Waits for the next end: whose it is, and why it failed if it did. Waits for ever when there is no task.
    async fn next(&mut self) -> (Cow<'static, str>, Option<Why>) {
        let (id, why) = match self.set.join_next_with_id().await {
            Some(Ok((id, Ok(())))) => (id, None),
            Some(Ok((id, Err(error)))) => (id, Some(Why::Failed(error))),
            // Nobody aborts a task but whoever drops them all, so that this is a panic.
            Some(Err(error)) => {
                let id = error.id();
                let why = match error.try_into_panic() {
                    Ok(thrown) => Why::panicked(&*thrown),
                    Err(error) => Why::Failed(error.into()),
                };
                (id, Some(why))
            }
            None => std::future::pending().await,
        };
        (self.names.remove(&id).unwrap_or_default(), why)
    }

    /// Has all tasks stop, and adds those that fail with it.
    async fn end(&mut self, failures: &mut Failures) {
        self.stop.cancel();
        let patience = self.patience;
        let all = async {
            while !self.set.is_empty() {
                if let (name, Some(why)) = self.next().await {
                    failures.push(name, why);
                }
            }
        };
        if timeout(patience, all).await.is_err() {
            self.set.abort_all();
            for (_, name) in self.names.drain() {
                failures.push(name, Why::Stuck(patience));
            }
        }
    }
}
