//! Measuring: keeps a number of operations in flight until the work or the time ends.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::output;

/// Significant digits of latencies.
const DIGITS: u8 = 3;

/// The result of a measurement.
pub(super) struct Measured {
    pub(super) ops: u64,
    pub(super) updates: u64,
    pub(super) errors: u64,
    pub(super) elapsed: Duration,
    /// Microseconds, of operations that did not fail.
    pub(super) latencies: Histogram<u64>,
    /// The first error.
    failure: Option<String>,
}

impl Default for Measured {
    fn default() -> Self {
        let latencies =
            Histogram::new(DIGITS).expect("3 digits are among the 0 to 5 that there may be");
        Self {
            ops: 0,
            updates: 0,
            errors: 0,
            elapsed: Duration::ZERO,
            latencies,
            failure: None,
        }
    }
}

impl Measured {
    /// Notes one operation.
    pub(super) fn note(&mut self, took: Duration, done: anyhow::Result<u64>) {
        match done {
            Ok(updates) => {
                self.ops += 1;
                self.updates += updates;
                // It resizes by itself, so that nothing is out of range.
                let _ = self
                    .latencies
                    .record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            }
            Err(error) => {
                self.errors += 1;
                self.failure.get_or_insert_with(|| output::describe(&error));
            }
        }
    }

    fn add(&mut self, more: Self) {
        self.ops += more.ops;
        self.updates += more.updates;
        self.errors += more.errors;
        // Both resize by themselves, so that nothing is out of range.
        let _ = self.latencies.add(&more.latencies);
        self.failure = self.failure.take().or(more.failure);
    }

    /// Prints the errors.
    pub(super) fn say_failure(&self) {
        if let Some(failure) = &self.failure {
            output::say(&format!(
                "note: {} failed, the first: {}",
                output::text::count(self.errors, "operation"),
                output::text::clean(failure)
            ));
        }
    }
}

/// The amount of work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// Operations; `None` for as many as there is time for.
    pub(super) ops: Option<usize>,
    /// Operations in flight.
    pub(super) conc: u32,
    /// Time after which no operation starts.
    pub(super) limit: Duration,
}

/// Does operations by their numbers, from 0. Each says how many updates it wrote or read.
pub(super) async fn run<F, A>(work: Work, operate: F) -> anyhow::Result<Measured>
where
    F: Fn(usize) -> A + Clone + Send + 'static,
    A: Future<Output = anyhow::Result<u64>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..work.conc {
        let (next, operate) = (Arc::clone(&next), operate.clone());
        workers.spawn(async move {
            let mut measured = Measured::default();
            while began.elapsed() < work.limit {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if work.ops.is_some_and(|ops| number >= ops) {
                    break;
                }
                let begun = Instant::now();
                let done = operate(number).await;
                measured.note(begun.elapsed(), done);
            }
            measured
        });
    }
    let mut all = Measured::default();
    while let Some(measured) = workers.join_next().await {
        all.add(measured.context("a worker failed")?);
    }
    all.elapsed = began.elapsed();
    all.say_failure();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn every_operation_is_done_once_and_counted() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let work = Work {
            ops: Some(100),
            conc: 7,
            limit: Duration::from_secs(60),
        };
        let measured = run(work, move |number| {
            noted.lock().unwrap().push(number);
            async move {
                if number % 10 == 0 {
                    anyhow::bail!("no")
                } else {
                    Ok(3)
                }
            }
        });
        let measured = measured.await.unwrap();
        let mut seen = seen.lock().unwrap().clone();
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
        assert_eq!(
            (measured.ops, measured.updates, measured.errors),
            (90, 270, 10)
        );
        assert_eq!(measured.latencies.len(), 90);
        assert_eq!(measured.failure.as_deref(), Some("no"));
    }

    #[test]
    fn latencies_are_kept_however_long_they_are() {
        let mut measured = Measured::default();
        for took in [
            Duration::from_micros(830),
            Duration::from_secs(3),
            Duration::from_secs(100_000),
        ] {
            measured.note(took, Ok(1));
        }
        let mut all = Measured::default();
        all.add(measured);
        let at = |quantile: f64| all.latencies.value_at_quantile(quantile) as f64 / 1e6;
        assert!((at(0.1) - 0.000_83).abs() < 0.000_01, "{}", at(0.1));
        assert!((at(0.5) - 3.0).abs() < 0.01, "{}", at(0.5));
        assert!((at(1.0) - 100_000.0).abs() < 100.0, "{}", at(1.0));
    }

    #[tokio::test]
    async fn nothing_is_begun_when_the_time_is_over() {
        let work = Work {
            ops: None,
            conc: 2,
            limit: Duration::ZERO,
        };
        let measured = run(work, |_| async { Ok(1) }).await.unwrap();
        assert_eq!(measured.ops, 0);
    }
}
