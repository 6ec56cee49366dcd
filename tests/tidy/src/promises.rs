//! `docs/promises.md` and the tests agree: every promise names its tests, and each of these tests names the promise.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::sources::{root, sources};

/// The start of the documentation of a test that keeps promises: `/// Keeps S1, S3.`
const KEEPS: &str = "/// Keeps S";

/// The tests that `docs/promises.md` names for each promise, by number such as `S1`.
fn promised() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("docs/promises.md")).unwrap();
    let sections = text.split("\n## ").skip(1);
    let promise = |section: &str| {
        let (number, _) = section.split_once(' ').unwrap();
        let tests = section.split_once("*Tests*:");
        let tests = tests.unwrap_or_else(|| panic!("docs/promises.md: {number} has no *Tests*"));
        let tests = tests.1.split("*Not yet*").next().unwrap();
        let names = tests.split('`').skip(1).step_by(2).map(str::to_owned);
        (number.to_owned(), names.collect())
    };
    sections.map(promise).collect()
}

/// The tests whose documentation names each promise.
fn kept() -> BTreeMap<String, BTreeSet<String>> {
    let mut kept: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(numbers) = line.strip_prefix(KEEPS) else {
                continue;
            };
            let follows = lines[at..].iter().find_map(|line| {
                let signature = line.strip_prefix("async ").unwrap_or(line);
                signature.strip_prefix("fn ")?.split('(').next()
            });
            let test = follows.unwrap_or_else(|| panic!("{}: {line}", path.display()));
            for number in numbers.trim_end_matches('.').split(", S") {
                kept.entry(format!("S{number}"))
                    .or_default()
                    .insert(test.to_owned());
            }
        }
    }
    kept
}

#[test]
fn every_promise_names_its_tests_and_every_test_its_promises() {
    let (promised, kept) = (promised(), kept());
    assert!(
        promised.len() >= 12,
        "only {} promises found in docs/promises.md",
        promised.len()
    );
    for number in promised.keys().chain(kept.keys()) {
        let named = promised.get(number).cloned().unwrap_or_default();
        let naming = kept.get(number).cloned().unwrap_or_default();
        let unmarked: Vec<_> = named.difference(&naming).collect();
        let unlisted: Vec<_> = naming.difference(&named).collect();
        assert!(
            unmarked.is_empty(),
            "docs/promises.md names {unmarked:?} for {number}; their documentation must say `Keeps {number}.`"
        );
        assert!(
            unlisted.is_empty(),
            "{unlisted:?} say that they keep {number}; docs/promises.md must list them"
        );
        assert!(!named.is_empty(), "{number} names no test");
    }
}
