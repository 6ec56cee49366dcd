//! Compiling the copy once, with all mutants in it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::{
    definition::CRATES,
    suite::{Suite, Tests},
};

/// The simulator, whose stories run the pure crates together.
const SIMULATOR: &str = "tests/sim";

/// Tests of the simulator that tell nothing of a single mutant or take minutes: sweeps of many seeds, the planted bugs,
/// and checks of the sources.
const NOT_RUN: [&str; 3] = [
    "seeds_lose_nothing_acknowledged",
    "every_planted_bug_is_caught",
    "nobody_but_the_simulator_can_plant",
];

/// A line of `cargo --message-format=json` about a test binary or an error.
#[derive(Deserialize)]
struct Artifact {
    manifest_path: Option<PathBuf>,
    executable: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Deserialize)]
struct Message {
    level: String,
    rendered: Option<String>,
}

/// Compiles the tests of the pure crates and of the simulator in the copy, and returns them.
///
/// # Errors
/// Cargo cannot be started, or the copy does not compile because the new text of a mutant is not valid Rust in its
/// place.
pub fn build(copy: &Path, target: &Path, jobs: Option<usize>) -> anyhow::Result<Vec<Suite>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--no-run", "--locked", "--message-format=json"]);
    cargo.args(["--lib", "--bins", "--tests"]);
    for folder in CRATES.iter().chain(&[SIMULATOR]) {
        cargo.args(["--package", &package(folder)]);
    }
    if let Some(jobs) = jobs {
        cargo.args(["--jobs", &jobs.to_string()]);
    }
    cargo.current_dir(copy);
    cargo.env("CARGO_TARGET_DIR", target);
    // Half of the crates are unchanged since the last build.
    cargo.env("CARGO_INCREMENTAL", "1");
    let output = cargo
        .stderr(Stdio::inherit())
        .output()
        .context("cargo could not be started")?;
    let mut suites = Vec::new();
    let mut errors = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(artifact) = serde_json::from_str::<Artifact>(line) else {
            continue;
        };
        if let Some(message) = artifact.message.filter(|message| message.level == "error") {
            errors.extend(message.rendered);
        }
        let Some(path) = artifact.executable else {
            continue;
        };
        let manifest = artifact.manifest_path.unwrap_or_default();
        let (Some(target), Some(true)) = (artifact.target, artifact.profile.map(|p| p.test)) else {
            continue;
        };
        let folder = manifest.parent().context("a package has no manifest")?;
        let is_simulator = folder.ends_with(SIMULATOR);
        if is_simulator && target.kind != ["test"] {
            // The simulator is not a pure crate, and its own unit tests tell nothing of a mutant.
            continue;
        }
        let of = CRATES.iter().find(|of| folder == copy.join(of));
        suites.push(Suite {
            name: target.name,
            path,
            folder: folder.to_owned(),
            tests: of.map_or(Tests::Stories, |of| Tests::Own(of)),
            skipped: if is_simulator { &NOT_RUN } else { &[] },
        });
    }
    ensure!(
        output.status.success(),
        "the mutants do not compile:\n{}",
        errors.join("\n")
    );
    Ok(suites)
}

/// The package in a folder, such as `kittengrad-node-core` in `node/core`.
fn package(folder: &str) -> String {
    let name = folder.strip_prefix("tests/").unwrap_or(folder);
    format!("kittengrad-{}", name.replace('/', "-"))
}
