//! Runs suites under mutants until one fails.

use std::{
    collections::VecDeque,
    fmt,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};

use crate::{
    definition::Mutant,
    last::Last,
    suite::{Extent, Outcome, Suite, Tests},
};

/// The factor by which a suite may take longer under a mutant.
const PATIENCE_FACTOR: u32 = 8;
/// A suite that takes longer than this runs with few cases first.
const SLOW: Duration = Duration::from_millis(500);
/// The shortest timeout of a suite under a mutant.
const PATIENCE_MIN: Duration = Duration::from_secs(30);

/// The outcome of a mutant.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The mutant.
    pub mutant: Mutant,
    /// The test that saw the mutant; `None` if none did.
    pub seen: Option<Seen>,
    /// The time that its tests took.
    pub took: Duration,
}

/// The test that saw a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The crate's own tests or the stories.
    pub tests: Tests,
    /// The name of the suite.
    pub suite: String,
    /// The name of the test, or how the suite ended without naming one.
    pub by: Result<String, String>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Ok(by) | Err(by)) = &self.by;
        write!(f, "{}: {by}", self.suite)
    }
}

/// A suite that passes without a mutant.
#[derive(Debug)]
struct Measured {
    suite: Suite,
    /// The time that it took.
    took: Duration,
}

/// The suites, the fastest one first.
#[derive(Debug)]
pub struct Suites(Vec<Measured>);

impl Suites {
    /// Runs all suites without a mutant.
    ///
    /// # Errors
    /// One of them does not pass.
    pub fn measured(suites: impl IntoIterator<Item = Suite>) -> anyhow::Result<Self> {
        let mut measured = Vec::new();
        for suite in suites {
            let began = Instant::now();
            let outcome = suite.run(None, Extent::All, Duration::from_secs(600))?;
            let (name, folder) = (&suite.name, suite.folder.display());
            if outcome != Outcome::Passed {
                bail!("{name} of {folder} does not pass without any mutant: {outcome:?}");
            }
            let took = began.elapsed();
            measured.push(Measured { suite, took });
        }
        ensure!(!measured.is_empty(), "there are no tests to run");
        measured.sort_by_key(|measured| measured.took);
        Ok(Self(measured))
    }

    /// Tries one mutant: first the test that saw it the last time, then the tests of its crate, then the simulator's
    /// stories.
    ///
    /// # Errors
    /// A suite cannot be started.
    pub fn try_one(&self, mutant: &Mutant, last: &Last) -> anyhow::Result<Trial> {
        let began = Instant::now();
        let mut seen = None;
        for (measured, extent) in self.plan(mutant, last) {
            seen = measured.see(mutant, extent)?;
            if seen.is_some() {
                break;
            }
        }
        Ok(Trial {
            mutant: mutant.clone(),
            seen,
            took: began.elapsed(),
        })
    }

    /// The suites to run under a mutant, in order.
    fn plan<'a>(&'a self, mutant: &Mutant, last: &'a Last) -> Vec<(&'a Measured, Extent<'a>)> {
        let of = |tests| self.0.iter().filter(move |m| m.suite.tests == tests);
        let own = || of(Tests::Own(mutant.folder));
        let mut plan = Vec::new();
        if let Some((suite, test)) = last.of(mutant) {
            let known = own().chain(of(Tests::Stories));
            let known = known.filter(|measured| measured.suite.name == suite);
            plan.extend(known.map(|measured| (measured, Extent::One(test))));
        }
        let slow = own().filter(|measured| measured.took > SLOW);
        plan.extend(slow.map(|measured| (measured, Extent::FewCases)));
        let all = own().chain(of(Tests::Stories));
        plan.extend(all.map(|measured| (measured, Extent::All)));
        plan
    }

    /// Tries all mutants, `at_a_time` in parallel, and calls `report` after each. Returns the trials in the order of
    /// numbers.
    ///
    /// # Errors
    /// A suite cannot be started.
    pub fn try_all(
        &self,
        mutants: &[Mutant],
        last: &Last,
        at_a_time: usize,
        report: impl Fn(&Trial) + Sync,
    ) -> anyhow::Result<Vec<Trial>> {
        let left: Mutex<VecDeque<_>> = Mutex::new(mutants.iter().collect());
        let next = || left.lock().ok()?.pop_front();
        let work = || -> anyhow::Result<Vec<Trial>> {
            let mut trials = Vec::new();
            while let Some(mutant) = next() {
                let trial = self.try_one(mutant, last)?;
                report(&trial);
                trials.push(trial);
            }
            Ok(trials)
        };
        let done = thread::scope(|scope| {
            let workers: Vec<_> = (0..at_a_time).map(|_| scope.spawn(work)).collect();
            let done = workers.into_iter().map(|worker| worker.join());
            done.collect::<Vec<_>>()
        });
        let mut trials = Vec::new();
        for worker in done {
            match worker {
                Ok(done) => trials.extend(done?),
                Err(_) => bail!("a worker panicked"),
            }
        }
        trials.sort_by_key(|trial| trial.mutant.number);
        Ok(trials)
    }
}

impl Measured {
    /// Runs tests under a mutant. Returns the test that saw it, if any.
    fn see(&self, mutant: &Mutant, extent: Extent<'_>) -> anyhow::Result<Option<Seen>> {
        let patience = PATIENCE_MIN.max(self.took * PATIENCE_FACTOR);
        let by = match self.suite.run(Some(mutant.number), extent, patience)? {
            Outcome::Passed => return Ok(None),
            Outcome::Failed(test) => Ok(test),
            Outcome::Ended(how) => Err(how),
            Outcome::TooLong => Err(format!("not done after {} s", patience.as_secs())),
        };
        Ok(Some(Seen {
            tests: self.suite.tests,
            suite: self.suite.name.clone(),
            by,
        }))
    }
}
