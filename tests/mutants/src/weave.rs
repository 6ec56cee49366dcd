//! Weaves all mutants of a file into its text, each behind its switch.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    definition::{Mutant, SWITCH},
    place,
};

/// The function at the root of each mutated crate that returns whether a mutant is on.
const IS_ON: &str = "mutant_is_on";

/// The environment variable with the number of the mutant that is on.
pub const VARIABLE: &str = "KITTENGRAD_MUTANT";

/// A file with all its mutants.
#[derive(Debug, Default)]
pub struct Woven {
    /// The text of the file.
    pub text: String,
    /// The number of each woven mutant, and the line of the original at which it starts.
    pub lines: Vec<(usize, usize)>,
    /// The reasons why the other mutants are not woven.
    pub lost: Vec<String>,
}

/// Replaces the old text of each mutant by its new text.
///
/// Mutants with overlapping old texts are applied one after the other. The functions lose `const`, because a switch
/// reads the environment.
pub fn weave(original: &str, mutants: &[&Mutant]) -> Woven {
    let mut woven = Woven::default();
    let mut placed = Vec::new();
    // The replaced range of the original and the new text, by the start of the range.
    let mut edits: BTreeMap<usize, (Range<usize>, String)> = BTreeMap::new();
    for mutant in mutants {
        match locate(original, mutant) {
            Ok((function, range)) => {
                let line = place::line(original, range.start);
                woven.lines.push((mutant.number, line));
                if let Some(is_const) = is_const(original, function) {
                    edits.insert(is_const.start, (is_const, String::new()));
                }
                placed.push((range, *mutant));
            }
            Err(why) => woven.lost.push(why),
        }
    }
    placed.sort_by_key(|(range, mutant)| (range.start, mutant.number));
    for mut group in overlapping(placed) {
        let ends = group.iter().map(|(range, _)| range.end).max();
        let whole = group[0].0.start..ends.unwrap_or_default();
        let mut text = original[whole.clone()].to_owned();
        group.sort_by_key(|(_, mutant)| mutant.number);
        for (_, mutant) in &group {
            let found = place::find(&text, &mutant.old);
            if let [range] = found.as_slice() {
                text.replace_range(range.clone(), &switched(mutant));
            } else {
                let why = "overlaps with another mutant: give both less old text";
                woven.lost.push(describe(mutant, why));
            }
        }
        edits.insert(whole.start, (whole, text));
    }
    original.clone_into(&mut woven.text);
    for (range, text) in edits.into_values().rev() {
        woven.text.replace_range(range, &text);
    }
    woven
}

/// The start of a mutant's function and the range of its old text, or the reason why the mutant does not apply.
fn locate(original: &str, mutant: &Mutant) -> Result<(usize, Range<usize>), String> {
    let functions = place::functions(original, &mutant.function);
    if functions.is_empty() {
        let why = format!("there is no fn {}", mutant.function);
        return Err(describe(mutant, &why));
    }
    let found = functions.iter().flat_map(|function| {
        let places = place::find(&original[function.clone()], &mutant.old);
        let places = places.into_iter();
        places.map(|range| {
            let from = function.start;
            (from, range.start + from..range.end + from)
        })
    });
    match found.collect::<Vec<_>>().as_slice() {
        [place] => Ok(place.clone()),
        found => {
            let (count, function) = (found.len(), &mutant.function);
            let why = format!("its old text is {count} times in fn {function}, not once");
            Err(describe(mutant, &why))
        }
    }
}

/// The `const ` in the signature of the function that starts at `function`, if any.
fn is_const(original: &str, function: usize) -> Option<Range<usize>> {
    let signature = original[function..].lines().next()?;
    let at = function + signature.find("const fn ")?;
    Some(at..at + "const ".len())
}

fn describe(mutant: &Mutant, why: &str) -> String {
    format!("{}: `{}`: {why}", mutant.file, mutant.says)
}

/// The new text of a mutant, with its own switch.
fn switched(mutant: &Mutant) -> String {
    let switch = format!("crate::{IS_ON}({})", mutant.number);
    mutant.new.replace(SWITCH, &switch)
}

/// Groups of overlapping ranges, in order.
fn overlapping<T>(placed: Vec<(Range<usize>, T)>) -> Vec<Vec<(Range<usize>, T)>> {
    let mut groups: Vec<Vec<(Range<usize>, T)>> = Vec::new();
    let mut end = 0;
    for (range, mutant) in placed {
        let overlaps = range.start < end;
        end = end.max(range.end);
        match groups.last_mut().filter(|_| overlaps) {
            Some(group) => group.push((range, mutant)),
            None => groups.push(vec![(range, mutant)]),
        }
    }
    groups
}

/// The text that is appended to the root of a mutated crate.
pub fn root() -> String {
    format!(
        r#"
/// Whether a mutant is on.
pub(crate) fn {IS_ON}(number: usize) -> bool {{
    // Some of the crates have no `std` of their own.
    extern crate std;
    static ON: std::sync::OnceLock<Option<usize>> = std::sync::OnceLock::new();
    let read = || std::env::var("{VARIABLE}").ok()?.parse().ok();
    *ON.get_or_init(read) == Some(number)
}}
"#
    )
}
