//! What a file looks like with its mutants in it.

use kittengrad_mutants::{
    definition::{Mutant, parse},
    weave::{Woven, weave},
};

const SOURCE: &str = "\
/// Doubles.
pub const fn double(a: usize) -> usize {
    a + a
}

pub fn is_small(a: usize) -> bool {
    a < 10 && a != 7
}
";

fn mutants(text: &str) -> Vec<Mutant> {
    let mut mutants = parse("ring", text).unwrap();
    (1..)
        .zip(&mut mutants)
        .for_each(|(number, mutant)| mutant.number = number);
    mutants
}

fn mutant(function: &str, old: &str, new: &str) -> String {
    format!(
        "[[mutant]]\nfile = 'ring/src/a.rs'\nfn = '{function}'\nsays = 'It errs.'\n\
         old = '{old}'\nnew = '{new}'\n"
    )
}

fn woven(mutants: &[Mutant]) -> Woven {
    weave(SOURCE, &mutants.iter().collect::<Vec<_>>())
}

#[test]
fn each_mutant_has_a_switch_of_its_own() {
    let text = mutant("double", "a + a", "if MUTANT { a } else { a + a }")
        + &mutant("is_small", "a < 10", "(MUTANT || a < 10)");
    let woven = woven(&mutants(&text));
    assert_eq!(woven.lost, [""; 0]);
    assert_eq!(woven.lines, [(1, 3), (2, 7)]);
    let expected = "\
/// Doubles.
pub fn double(a: usize) -> usize {
    if crate::mutant_is_on(1) { a } else { a + a }
}

pub fn is_small(a: usize) -> bool {
    (crate::mutant_is_on(2) || a < 10) && a != 7
}
";
    assert_eq!(woven.text, expected);
}

#[test]
fn mutants_may_overlap() {
    let text = mutant("is_small", "a < 10 && a != 7", "MUTANT || a < 10 && a != 7")
        + &mutant("is_small", "a != 7", "(MUTANT || a != 7)");
    let woven = woven(&mutants(&text));
    assert_eq!(woven.lost, [""; 0]);
    let line = "crate::mutant_is_on(1) || a < 10 && (crate::mutant_is_on(2) || a != 7)";
    assert!(woven.text.contains(line), "{}", woven.text);
}

#[test]
fn a_mutant_that_does_not_apply_says_why() {
    let text = mutant("triple", "a + a", "MUTANT")
        + &mutant("double", "a * a", "MUTANT")
        + &mutant("is_small", "a", "MUTANT");
    let lost = woven(&mutants(&text)).lost;
    let whys = [
        "there is no fn triple",
        "its old text is 0 times in fn double, not once",
        "its old text is 4 times in fn is_small, not once",
    ];
    let expected = whys.map(|why| format!("ring/src/a.rs: `It errs.`: {why}"));
    assert_eq!(lost, expected);
}

#[test]
fn a_mutant_that_another_replaces_is_lost() {
    let text = mutant("is_small", "a < 10 && a != 7", "MUTANT")
        + &mutant("is_small", "a != 7", "(MUTANT || a != 7)");
    let lost = woven(&mutants(&text)).lost;
    let why = "overlaps with another mutant: give both less old text";
    assert_eq!(lost, [format!("ring/src/a.rs: `It errs.`: {why}")]);
}
