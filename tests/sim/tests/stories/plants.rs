//! Planted bugs: an invariant catches each of them, and only the simulator can plant one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kittengrad_plants::{Plant, Plants};
use kittengrad_sim::{catalogue, sweep::sweep};

#[test]
fn every_planted_bug_is_caught_within_its_seeds() {
    let mut escaped = Vec::new();
    for known in catalogue::ALL {
        let caught = match known.story {
            Some(story) => story(Plants::only(known.plant)),
            None => {
                let sum = sweep(0, known.seeds, false, |seed| known.draw(seed), |_| {});
                sum.failures.into_values().find_map(|run| run.violation)
            }
        };
        if !caught
            .as_ref()
            .is_some_and(|violation| known.invariants.contains(&violation.invariant))
        {
            escaped.push((known, caught));
        }
    }
    assert!(escaped.is_empty(), "{escaped:#?}");
}

#[test]
fn the_catalogue_has_every_planted_bug_once() {
    let listed: Vec<_> = catalogue::ALL.iter().map(|known| known.plant).collect();
    assert_eq!(listed, Plant::ALL);
    assert!(listed.len() >= 25);
}

/// The crates that may contain planted bugs. Their caller switches the bugs on, and only the simulator does.
const CORES: [&str; 4] = ["journal", "node/core", "aggregator/core", "indexer/core"];

#[test]
fn nobody_but_the_simulator_can_plant_a_bug() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().unwrap();
    let mut may_name: Vec<_> = CORES.iter().map(|core| root.join(core)).collect();
    may_name.push(root.join("plants"));
    let simulator = root.join("tests/sim");
    let mut seen = 0;
    for path in files(&root) {
        if path.starts_with(&simulator) || path == root.join("Cargo.toml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        seen += 1;
        let of_core = may_name.iter().any(|folder| path.starts_with(folder));
        assert!(
            of_core || !text.contains("kittengrad-plants") && !text.contains("kittengrad_plants"),
            "{} can name planted bugs",
            path.display()
        );
        // A core passes on the plants that it was given, and makes none of its own.
        let makes = text.contains("Plants::only") && !path.starts_with(root.join("plants"));
        assert!(!makes, "{} plants a bug", path.display());
        let is_switched = of_core && (text.contains("cfg(feature") || text.contains("env::var"));
        assert!(!is_switched, "{} has a switch", path.display());
    }
    assert!(seen > 300, "only {seen} sources found; have they moved?");
}

/// All sources and manifests below a folder.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name == "Cargo.toml" || name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn documentation_lists_every_planted_bug_of_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/testing.md");
    let text = fs::read_to_string(path).unwrap();
    for known in catalogue::ALL {
        let begins = format!("| `{}` | {} |", known.plant, known.plant.what());
        let seeds = match known.story {
            Some(_) => "a story".to_owned(),
            None => known.seeds.to_string(),
        };
        let ends = format!("| {} | {seeds} |", known.invariants.join(", "));
        let is_row = |line: &str| line.starts_with(&begins) && line.ends_with(&ends);
        assert!(text.lines().any(is_row), "no row {begins}…{ends}");
    }
}
