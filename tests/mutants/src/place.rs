//! Finds the text that a mutant replaces.
//!
//! White space does not count, so a definition still applies after `rustfmt` breaks a line elsewhere.

use std::ops::Range;

/// A text without its white space, with the place of each byte in the original.
struct Squeezed {
    text: String,
    /// The place of each byte of `text` in the original.
    places: Vec<usize>,
}

impl Squeezed {
    fn new(original: &str) -> Self {
        let mut squeezed = Self {
            text: String::with_capacity(original.len()),
            places: Vec::with_capacity(original.len()),
        };
        for (at, c) in original.char_indices().filter(|(_, c)| !c.is_whitespace()) {
            squeezed.text.push(c);
            squeezed.places.extend(at..at + c.len_utf8());
        }
        squeezed
    }
}

/// All places of `wanted` in `text`, without overlaps.
///
/// White space before and after `wanted` is not part of a place.
pub fn find(text: &str, wanted: &str) -> Vec<Range<usize>> {
    let (text, wanted) = (Squeezed::new(text), Squeezed::new(wanted).text);
    if wanted.is_empty() {
        return Vec::new();
    }
    let found = text.text.match_indices(&wanted);
    found
        .map(|(at, _)| text.places[at]..text.places[at + wanted.len() - 1] + 1)
        .collect()
}

/// The functions of a name, from signature to closing brace, in text that `rustfmt` has formatted.
pub fn functions(text: &str, name: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut lines = lines(text);
    while let Some(first) = lines.next() {
        let line = &text[first.clone()];
        if !is_signature(line, name) {
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let is_last = |line: &str| {
            let rest = line.strip_prefix(indent).unwrap_or_default();
            rest.starts_with('}') || line.trim_end().ends_with(';') && line.trim_start() == rest
        };
        let ends_at_once = line.trim_end().ends_with([';', '}']);
        let last = if ends_at_once {
            Some(first.clone())
        } else {
            lines.find(|range| is_last(&text[range.clone()]))
        };
        found.push(first.start..last.map_or(text.len(), |last| last.end));
    }
    found
}

fn is_signature(line: &str, name: &str) -> bool {
    if line.trim_start().starts_with("//") {
        return false;
    }
    let mut words = line.split_whitespace().skip_while(|word| *word != "fn");
    words.next();
    let rest = words.next().and_then(|word| word.strip_prefix(name));
    rest.is_some_and(|rest| rest.starts_with(['(', '<']))
}

/// The lines of a text with their line ends.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        start..at
    })
}

/// The number of the line at a place, from 1.
pub fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}
