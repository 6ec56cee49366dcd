//! The mutants of `definitions/`: one file per crate, one table per mutant.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

/// The pure crates, by folder, in the order in which their mutants are numbered.
pub const CRATES: [&str; 8] = [
    "ring",
    "proto",
    "overlay",
    "journal",
    "client/core",
    "node/core",
    "aggregator/core",
    "indexer/core",
];

/// The expression in the new text of a mutant that is true while the mutant runs.
pub const SWITCH: &str = "MUTANT";

/// One mistake at one place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// The number that switches it on, from 1.
    #[serde(skip)]
    pub number: usize,
    /// The folder of its crate, such as `node/core`.
    #[serde(skip)]
    pub folder: &'static str,
    /// The source file, from the root of the workspace.
    pub file: String,
    /// The function in which `old` stands once.
    #[serde(rename = "fn")]
    pub function: String,
    /// The mistake, in one sentence.
    pub says: String,
    /// The text to replace. Line breaks and indentation do not matter.
    pub old: String,
    /// The new text. Does the same as `old` while [`SWITCH`] is false, and makes the mistake while it is true.
    pub new: String,
    /// The reason why no test can tell the mistake from the right code. Such a mutant does not run.
    pub equivalent: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mutant: Vec<Mutant>,
}

/// Reads all mutants of a folder of definitions, numbered.
///
/// # Errors
/// A file is missing or does not have the fields of [`Mutant`].
pub fn load(folder: &Path) -> anyhow::Result<Vec<Mutant>> {
    let mut all = Vec::new();
    for of in CRATES {
        let path = folder.join(format!("{}.toml", of.replace('/', "-")));
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let read = parse(of, &text).with_context(|| format!("in {}", path.display()))?;
        all.extend(read);
    }
    for (at, mutant) in all.iter_mut().enumerate() {
        mutant.number = at + 1;
    }
    Ok(all)
}

/// Reads the mutants of one crate, without numbers.
///
/// # Errors
/// The text is not a TOML list of [`Mutant`]s, or one of them could not work.
pub fn parse(folder: &'static str, text: &str) -> anyhow::Result<Vec<Mutant>> {
    let mut mutants = toml::from_str::<File>(text)?.mutant;
    for mutant in &mut mutants {
        mutant.folder = folder;
        let Mutant { file, says, .. } = &*mutant;
        let is_inside = file.starts_with(&format!("{folder}/src/"));
        ensure!(is_inside, "`{says}` is in {file}, not below {folder}/src");
        let is_switched = mutant.new.contains(SWITCH);
        ensure!(is_switched, "the new text of `{says}` has no {SWITCH}");
        ensure!(!mutant.old.trim().is_empty(), "`{says}` replaces nothing");
    }
    Ok(mutants)
}
