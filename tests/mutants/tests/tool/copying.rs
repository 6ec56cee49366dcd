//! The copy of the workspace.

use std::{fs, path::Path, process::Command};

use kittengrad_mutants::{copy::copy, definition::parse};

fn git(folder: &Path, args: &[&str]) {
    let status = Command::new("git").args(args).current_dir(folder).status();
    assert!(status.unwrap().success());
}

#[test]
fn only_what_changed_is_written_and_what_is_gone_goes() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (from.path(), to.path());
    git(from, &["init", "--quiet"]);
    fs::create_dir_all(from.join("ring/src")).unwrap();
    fs::write(
        from.join("ring/src/lib.rs"),
        "fn f() -> bool {\n    true\n}\n",
    )
    .unwrap();
    fs::write(from.join("ring/src/gone.rs"), "").unwrap();
    fs::write(from.join(".gitignore"), "target\n").unwrap();
    fs::create_dir(from.join("target")).unwrap();
    fs::write(from.join("target/large"), "").unwrap();
    let definition = "[[mutant]]\nfile = 'ring/src/lib.rs'\nfn = 'f'\nsays = 'It errs.'\n\
                      old = 'true'\nnew = '!MUTANT'\n";
    let mut mutants = parse("ring", definition).unwrap();
    mutants[0].number = 7;

    let copied = copy(from, to, &mutants).unwrap();
    assert_eq!(copied.lines.get(&7), Some(&2));
    assert!(copied.lost.is_empty(), "{:?}", copied.lost);
    let text = fs::read_to_string(to.join("ring/src/lib.rs")).unwrap();
    assert!(text.contains("!crate::mutant_is_on(7)"), "{text}");
    assert!(text.contains("pub(crate) fn mutant_is_on("), "{text}");
    assert!(!to.join("target").exists());

    // A file that is the same keeps its time, so that cargo does not compile it again.
    let old = fs::metadata(to.join("ring/src/lib.rs")).unwrap().modified();
    fs::remove_file(from.join("ring/src/gone.rs")).unwrap();
    copy(from, to, &mutants).unwrap();
    assert!(!to.join("ring/src/gone.rs").exists());
    let new = fs::metadata(to.join("ring/src/lib.rs")).unwrap().modified();
    assert_eq!(old.unwrap(), new.unwrap());

    mutants[0].file = "ring/src/gone.rs".to_owned();
    let lost = copy(from, to, &mutants).unwrap().lost;
    assert_eq!(
        lost,
        ["ring/src/gone.rs: `It errs.`: there is no such file"]
    );
}
