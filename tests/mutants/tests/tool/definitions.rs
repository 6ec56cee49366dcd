//! The mutants that the project has.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use kittengrad_mutants::{
    definition::{CRATES, load, parse},
    weave::weave,
};

fn definitions() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("definitions")
}

#[test]
fn every_pure_crate_has_mutants_and_each_says_what_it_does() {
    let mutants = load(&definitions()).unwrap();
    for folder in CRATES {
        let of: Vec<_> = mutants.iter().filter(|m| m.folder == folder).collect();
        assert!(of.len() >= 20, "{folder} has {} mutants", of.len());
        let said: BTreeSet<_> = of.iter().map(|mutant| &mutant.says).collect();
        assert_eq!(said.len(), of.len(), "two mutants of {folder} say the same");
    }
    for (at, mutant) in mutants.iter().enumerate() {
        assert_eq!(mutant.number, at + 1);
        assert!(mutant.says.ends_with('.'), "{}", mutant.says);
        assert_ne!(mutant.old, mutant.new);
    }
}

#[test]
fn every_mutant_applies_to_the_code() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mutants = load(&definitions()).unwrap();
    let mut by_file: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for mutant in &mutants {
        by_file.entry(&mutant.file).or_default().push(mutant);
    }
    for (file, mutants) in by_file {
        let text = fs::read_to_string(workspace.join(file));
        let text = text.unwrap_or_else(|error| panic!("mutants of {file}: {error}"));
        let lost = weave(&text, &mutants).lost;
        let lost = lost.join("\n");
        assert!(
            lost.is_empty(),
            "give these the text of today's code:\n{lost}"
        );
    }
}

#[test]
fn a_definition_that_could_not_work_is_refused() {
    let text = |file: &str, old: &str, new: &str| {
        format!(
            "[[mutant]]\nfile = '{file}'\nfn = 'f'\nsays = 'It errs.'\nold = '{old}'\nnew = '{new}'\n"
        )
    };
    let why = |text: String| parse("ring", &text).unwrap_err().to_string();
    assert!(parse("ring", &text("ring/src/a.rs", "a", "MUTANT")).is_ok());
    let elsewhere = why(text("proto/src/a.rs", "a", "MUTANT"));
    assert_eq!(
        elsewhere,
        "`It errs.` is in proto/src/a.rs, not below ring/src"
    );
    let unswitched = why(text("ring/src/a.rs", "a", "b"));
    assert_eq!(unswitched, "the new text of `It errs.` has no MUTANT");
    let nothing = why(text("ring/src/a.rs", " ", "MUTANT"));
    assert_eq!(nothing, "`It errs.` replaces nothing");
    assert!(parse("ring", "[[mutant]]\nfiles = 'a'\n").is_err());
}
