//! Rules for every source file.

use std::path::{Path, PathBuf};

/// Lines of a file, at most: a longer one has more than one idea.
const LINES_MAX: usize = 500;

/// Bytes of the name of a function, at most. Long names are those of tests, and must fit subject and promise.
const NAME_MAX: usize = 59;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let tidy = Path::new(env!("CARGO_MANIFEST_DIR"));
    tidy.ancestors().nth(2).unwrap().to_owned()
}

/// All Rust files of the repository.
pub(crate) fn sources() -> Vec<PathBuf> {
    let root = root();
    let crates = [
        "plants",
        "ring",
        "proto",
        "overlay",
        "journal",
        "pki",
        "store",
        "service",
        "client",
        "node",
        "aggregator",
        "indexer",
        "cli",
        "tests",
    ];
    let mut found = Vec::new();
    let mut folders: Vec<_> = crates.iter().map(|name| root.join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(
        found.len() > 50,
        "only {} sources found; have they moved?",
        found.len()
    );
    found
}

#[test]
fn every_source_file_begins_by_saying_what_it_is() {
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//! "),
            "{} does not begin with //!",
            path.display()
        );
    }
}

#[test]
fn no_source_file_grows_beyond_one_idea() {
    for path in sources() {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines, at most {LINES_MAX} are allowed",
            path.display()
        );
    }
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() {
    let words = [
        concat!("#[ig", "nore"),
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("TO", "DO"),
    ];
    assert_nowhere(&words);
}

#[test]
fn no_file_is_a_module_of_two_crates() {
    assert_nowhere(&[concat!("#[pa", "th")]);
}

#[test]
fn names_of_functions_are_under_60_characters() {
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        for rest in text.split("fn ").skip(1) {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name = rest.split(|c| !is_name(c)).next().unwrap_or_default();
            let place = path.display();
            assert!(
                name.len() <= NAME_MAX,
                "{place}: the name {name} is too long"
            );
        }
    }
}

/// Checks that no source has any of these words.
fn assert_nowhere(words: &[&str]) {
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in words {
            assert!(!text.contains(word), "{} contains {word}", path.display());
        }
    }
}
