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

/// The stage of the shutdown in which a task is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// First: the servers that clients reach. The other tasks still answer the calls in progress.
    Doors,
    /// Second: the tasks that feed the core: links, clocks, followers.
    Inside,
    /// Last: the core, which gets no more input.
    Core,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Doors, Self::Inside, Self::Core];

    /// Time to stop. Doors need five seconds for their calls; a core commits all queued inputs. The sum, with the end
    /// of the connections, is below the 30 seconds that container platforms wait before they kill.
    const fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::Doors => 8,
            Self::Inside => 5,
            Self::Core => 12,
        })
    }
}

/// The return value of a task: `()`, or a result.
pub trait Outcome {
    /// Converts to a result with a boxed error.
    ///
    /// # Errors
    /// The error of the task.
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

/// The tasks of a process. Start them, then call [`Process::until_stopped`].
///
/// Dropping it aborts the tasks.
#[derive(Debug)]
pub struct Process {
    role: &'static str,
    shutdown: CancellationToken,
    /// Indexed by [`Stage`].
    stages: [Tasks; 3],
}

impl Process {
    /// A process without tasks. It stops when `shutdown` is cancelled, or by itself, which does not cancel `shutdown`.
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

    /// Sets the time that the tasks of every stage get to stop.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        for tasks in &mut self.stages {
            tasks.patience = patience;
        }
        self
    }

    /// The token that is cancelled when the tasks of a stage must stop.
    #[must_use]
    pub fn stop_of(&self, stage: Stage) -> CancellationToken {
        self.stages[stage as usize].stop.clone()
    }

    /// Starts a task. It must end by itself soon after [`Process::stop_of`] of its stage is cancelled, and not before.
    pub fn spawn<F>(&mut self, stage: Stage, name: impl Into<Cow<'static, str>>, task: F)
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        let tasks = &mut self.stages[stage as usize];
        let handle = tasks.set.spawn(async move { task.await.outcome() });
        tasks.names.insert(handle.id(), name.into());
    }

    /// Starts a task that is dropped at one of its `await`s when its stage stops.
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

    /// Starts a thread for `work`, which may block. When its stage stops, `stop` runs and must make `work` end.
    ///
    /// # Errors
    /// If the system cannot start a thread.
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
            // The receiver is dropped when the thread did not end in time.
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
                Err(_) => Err("its thread ended without a result".into()),
            }
        });
        Ok(())
    }

    /// Waits until the process is asked to stop or a task ends. Then stops all tasks, stage by stage.
    ///
    /// # Errors
    /// All tasks that failed, panicked, did not stop in time, or ended before the process was asked to stop.
    pub async fn until_stopped(mut self) -> Result<(), Failures> {
        let mut failures = Failures::none(self.role);
        let [doors, inside, core] = &mut self.stages;
        tokio::select! {
            // Once asked to stop, a task that ended may have ended because of that.
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

/// The result of a task that another task started. Its panic becomes a panic of its owner, which has a name.
///
/// # Panics
/// If the task panicked or was aborted.
pub fn joined<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

/// The tasks of one stage.
#[derive(Debug)]
struct Tasks {
    set: JoinSet<Result<(), BoxError>>,
    /// Names of the running tasks.
    names: HashMap<Id, Cow<'static, str>>,
    stop: CancellationToken,
    patience: Duration,
}

impl Tasks {
    /// Waits for the next task to end. Returns its name, and the cause if it failed. Waits for ever without a task.
    async fn next(&mut self) -> (Cow<'static, str>, Option<Why>) {
        let (id, why) = match self.set.join_next_with_id().await {
            Some(Ok((id, Ok(())))) => (id, None),
            Some(Ok((id, Err(error)))) => (id, Some(Why::Failed(error))),
            // Tasks are aborted only when all are dropped or given up, so this is a panic.
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

    /// Stops all tasks, and adds those that fail to `failures`.
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
