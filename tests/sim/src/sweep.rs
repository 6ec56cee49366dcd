//! Runs many seeds on all cores and sums up rate and faults. The first failure ends a sweep.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "worlds have virtual time and one thread each; the sweep has real ones"
)]

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use crate::{
    faults::Kind,
    run::{Plan, Report},
};

/// The sum of many runs.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    /// Runs in total.
    pub runs: u64,
    /// Runs with a broken promise.
    pub violations: u64,
    /// Runs that prove nothing.
    pub invalid: u64,
    /// Virtual milliseconds of all runs.
    pub simulated_ms: u64,
    /// Real milliseconds of the sweep.
    pub wall_ms: u64,
    /// Finished transactions with `Ack::Quorum` or `Ack::All`.
    pub asked: u64,
    /// The acknowledged ones among `asked`.
    pub acked: u64,
    /// The number of strikes of each kind of fault.
    pub faults: BTreeMap<Kind, u64>,
    /// Reports of the failed runs, by seed.
    pub failures: BTreeMap<u64, Report>,
    /// Reasons why runs prove nothing, by seed; the first 20.
    pub why_invalid: BTreeMap<u64, String>,
}

/// Runs the plans that `draw` returns for the seeds from `from` on, and calls `progress` after each run. Ends at the
/// first broken promise unless `goes_on`.
pub fn sweep(
    from: u64,
    runs: u64,
    goes_on: bool,
    draw: impl Fn(u64) -> Plan + Sync,
    progress: impl Fn(&Sum) + Sync,
) -> Sum {
    let begun = Instant::now();
    let next = AtomicU64::new(from);
    let is_over = AtomicBool::new(false);
    let sum = Mutex::new(Sum::default());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        while !is_over.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + runs {
                return;
            }
            let report = draw(seed).run();
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            let wall_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            if sum.add(seed, report, wall_ms) && !goes_on {
                is_over.store(true, Ordering::Relaxed);
            }
            progress(&sum);
        }
    };
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Sum {
    /// Counts a run. Returns whether it broke a promise.
    fn add(&mut self, seed: u64, report: Report, wall_ms: u64) -> bool {
        self.runs += 1;
        self.simulated_ms += report.simulated_ms;
        self.wall_ms = wall_ms;
        self.asked += report.asked as u64;
        self.acked += report.acked as u64;
        for (kind, count) in &report.faults {
            *self.faults.entry(*kind).or_default() += count;
        }
        if let Some(why) = &report.invalid {
            self.invalid += 1;
            if self.why_invalid.len() < 20 {
                self.why_invalid.insert(seed, why.clone());
            }
        }
        let is_broken = report.violation.is_some();
        if is_broken {
            self.violations += 1;
            self.failures.insert(seed, report);
        }
        is_broken
    }

    /// Virtual hours in a real hour.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.simulated_ms as f64 / self.wall_ms.max(1) as f64
    }

    /// Writes the sum as one line of JSON, for programs.
    #[must_use]
    pub fn json(&self) -> String {
        let faults: BTreeMap<_, _> = self.faults.iter().map(|(k, n)| (k.as_str(), n)).collect();
        let line = serde_json::json!({
            "runs": self.runs,
            "violations": self.violations,
            "invalid": self.invalid,
            "simulated_s": self.simulated_ms / 1_000,
            "wall_s": self.wall_ms as f64 / 1_000.0,
            "acked": self.acked,
            "faults": faults,
        });
        line.to_string()
    }
}
