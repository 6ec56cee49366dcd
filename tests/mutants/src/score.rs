//! The score of each crate's mutants, as a table for people or as JSON for programs.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use crate::{
    definition::{CRATES, Mutant},
    suite::Tests,
    trial::Trial,
};

/// The score of one crate, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    /// Mutants that ran.
    pub run: usize,
    /// Mutants that the crate's own tests saw.
    pub seen_by_own: usize,
    /// Mutants that only the simulator's stories saw.
    pub seen_by_stories: usize,
    /// Mutants without a visible effect, which did not run.
    pub equivalent: usize,
}

impl Score {
    /// Counts the outcomes of mutants.
    pub fn of<'a>(trials: impl IntoIterator<Item = &'a Trial>, equivalent: usize) -> Self {
        let mut score = Self {
            equivalent,
            ..Self::default()
        };
        for trial in trials {
            score.run += 1;
            match trial.seen.as_ref().map(|seen| seen.tests) {
                Some(Tests::Own(_)) => score.seen_by_own += 1,
                Some(Tests::Stories) => score.seen_by_stories += 1,
                None => {}
            }
        }
        score
    }

    /// Mutants that any test saw.
    pub const fn seen(&self) -> usize {
        self.seen_by_own + self.seen_by_stories
    }

    /// The percentage of mutants that were seen; 100 if none ran.
    pub fn percent(&self) -> f64 {
        if self.run == 0 {
            return 100.0;
        }
        self.seen() as f64 * 100.0 / self.run as f64
    }
}

/// A mutant that ran, for programs.
#[derive(Serialize)]
struct Line<'a> {
    number: usize,
    file: &'a str,
    line: Option<&'a usize>,
    function: &'a str,
    says: &'a str,
    seen_by: Option<String>,
    millis: u128,
}

/// A whole measurement, for programs.
#[derive(Serialize)]
struct All<'a> {
    crates: BTreeMap<&'static str, Score>,
    all: Score,
    percent: f64,
    mutants: Vec<Line<'a>>,
}

/// A measurement.
#[derive(Debug)]
pub struct Measured {
    /// The trial of each mutant that ran.
    pub trials: Vec<Trial>,
    /// Mutants that did not run, because they are equivalent.
    pub equivalent: Vec<Mutant>,
    /// The line of each mutant, by its number.
    pub lines: BTreeMap<usize, usize>,
}

impl Measured {
    /// The score of one crate, by its folder.
    pub fn of_crate(&self, folder: &str) -> Score {
        let trials = self.trials.iter().filter(|t| t.mutant.folder == folder);
        let equivalent = self.equivalent.iter().filter(|m| m.folder == folder);
        Score::of(trials, equivalent.count())
    }

    /// The score of all crates.
    pub fn all(&self) -> Score {
        Score::of(&self.trials, self.equivalent.len())
    }

    /// The number, place and sentence of a mutant.
    pub fn describe(&self, mutant: &Mutant) -> String {
        let line = self.lines.get(&mutant.number).copied().unwrap_or_default();
        let Mutant {
            number, file, says, ..
        } = mutant;
        format!("{number} {file}:{line} {says}")
    }

    /// The table, and a list of the unseen mutants.
    pub fn table(&self) -> String {
        let mut text = String::from(
            "crate            mutants  own tests  stories  unseen   seen  equivalent\n",
        );
        let mut row = |name: &str, score: Score| {
            let (own, stories) = (score.seen_by_own, score.seen_by_stories);
            let (unseen, percent) = (score.run - score.seen(), score.percent());
            // Writing to a `String` does not fail.
            let _ = writeln!(
                text,
                "{name:<15} {:>8} {own:>10} {stories:>8} {unseen:>7} {percent:>5.1}% {:>11}",
                score.run, score.equivalent
            );
        };
        for folder in CRATES {
            row(folder, self.of_crate(folder));
        }
        row("all", self.all());
        for trial in self.trials.iter().filter(|trial| trial.seen.is_none()) {
            let _ = writeln!(text, "unseen: {}", self.describe(&trial.mutant));
        }
        text
    }

    /// One line of JSON.
    ///
    /// # Errors
    /// None is known, because all values are text and numbers.
    pub fn json(&self) -> serde_json::Result<String> {
        let mutants = self.trials.iter().map(|trial| Line {
            number: trial.mutant.number,
            file: &trial.mutant.file,
            line: self.lines.get(&trial.mutant.number),
            function: &trial.mutant.function,
            says: &trial.mutant.says,
            seen_by: trial.seen.as_ref().map(ToString::to_string),
            millis: trial.took.as_millis(),
        });
        serde_json::to_string(&All {
            crates: CRATES.map(|folder| (folder, self.of_crate(folder))).into(),
            all: self.all(),
            percent: self.all().percent(),
            mutants: mutants.collect(),
        })
    }
}
