//! The test that saw each mutant the last time. It is tried first the next time.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::definition::Mutant;

/// Names of suites and tests, by folder and sentence of the mutant.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Last(BTreeMap<String, (String, String)>);

impl Last {
    /// Reads the names from a file. Starts empty if there is no file, or if another version of this program wrote it.
    pub fn load(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The suite and the test that saw a mutant.
    pub fn of(&self, mutant: &Mutant) -> Option<(&str, &str)> {
        let (suite, test) = self.0.get(&key(mutant))?;
        Some((suite, test))
    }

    /// Remembers the suite and the test that saw a mutant.
    pub fn learn(&mut self, mutant: &Mutant, suite: &str, test: &str) {
        let by = (suite.to_owned(), test.to_owned());
        self.0.insert(key(mutant), by);
    }

    /// Writes the names to a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string(self)?;
        fs::write(path, text).with_context(|| format!("write {}", path.display()))
    }
}

/// The key of a mutant. Its number would change with other mutants.
fn key(mutant: &Mutant) -> String {
    format!("{}: {}", mutant.folder, mutant.says)
}
