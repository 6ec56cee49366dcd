//! Text for search: names and strings, gathered from nested values.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use kittengrad_client_core::view::document::Document;

use crate::limits::TEXT_BYTES_MAX;

/// Collects the searched text of a document: names, the strings in its heads, the newest first, and those in the
/// canonical.
#[must_use]
pub fn searched_text(document: &Document) -> String {
    let nothing = BTreeMap::new();
    let record = document.record.as_ref();
    let canonical = record.map_or(&nothing, |record| &record.meta);
    let metas = document.heads().rev().map(|(_, update)| &update.meta);
    text(document.names(), metas.chain([canonical]))
}

/// Writes a line that tells documents of the same name apart: short strings of the newest head.
#[must_use]
pub fn summary(document: &Document) -> String {
    let known = [document.name(), document.identifier()];
    let newest = document.heads().next_back();
    newest
        .map(|(_, update)| short_strings(&update.meta, &known))
        .unwrap_or_default()
}

/// Every name and every string in `metas`, in that order, one a line, at most [`TEXT_BYTES_MAX`]. A string without room
/// is left out.
///
/// Keys are left out: they are the publisher's vocabulary. So are addresses: half of a museum's record is links to
/// itself, and each would match a search for "art" or "work".
fn text<'a>(
    names: impl Iterator<Item = &'a str>,
    metas: impl Iterator<Item = &'a BTreeMap<String, Ipld>>,
) -> String {
    let mut text = Text(String::new());
    for name in names {
        text.push(name);
    }
    for meta in metas {
        meta.values().for_each(|value| text.gather(value));
    }
    text.0
}

/// The first short strings in `meta`, outer ones before nested ones, without those in `known`.
///
/// DAG-CBOR loses a publisher's own order of fields. A better choice would need the meaning of the fields.
fn short_strings(meta: &BTreeMap<String, Ipld>, known: &[Option<&str>]) -> String {
    let mut summary = Vec::new();
    let mut room = SUMMARY_CHARS_MAX;
    let mut level: Vec<&Ipld> = meta.values().collect();
    while !level.is_empty() && summary.len() < SUMMARY_STRINGS_MAX {
        for value in &level {
            let Ipld::String(text) = value else { continue };
            let (text, chars) = (text.trim(), text.trim().chars().count());
            let is_news =
                !known.contains(&Some(text)) && !summary.contains(&text) && !is_address(text);
            if is_news
                && (SHORT_CHARS_MIN..=room).contains(&chars)
                && summary.len() < SUMMARY_STRINGS_MAX
            {
                room -= chars;
                summary.push(text);
            }
        }
        level = level.into_iter().flat_map(inner).collect();
    }
    summary.join(" · ")
}

fn inner(value: &Ipld) -> Vec<&Ipld> {
    match value {
        Ipld::List(items) => items.iter().collect(),
        Ipld::Map(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

struct Text(String);

impl Text {
    /// Collects the strings of a value. The recursion is as deep as a record may nest: decoding checked that limit.
    fn gather(&mut self, value: &Ipld) {
        match value {
            Ipld::String(text) if !is_address(text) => self.push(text),
            Ipld::List(items) => items.iter().for_each(|item| self.gather(item)),
            Ipld::Map(fields) => fields.values().for_each(|field| self.gather(field)),
            _ => {}
        }
    }

    fn push(&mut self, text: &str) {
        let text = text.trim();
        if !text.is_empty() && self.0.len() + text.len() < TEXT_BYTES_MAX {
            self.0.push_str(text);
            self.0.push('\n');
        }
    }
}

fn is_address(text: &str) -> bool {
    let text = text.trim_start();
    let begins = |scheme: &str| {
        text.get(..scheme.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(scheme))
    };
    !text.contains(char::is_whitespace)
        && ["http://", "https://", "data:", "urn:"]
            .into_iter()
            .any(begins)
}

/// Characters of a summary, without its separators.
const SUMMARY_CHARS_MAX: usize = 140;
/// Most strings of a summary.
const SUMMARY_STRINGS_MAX: usize = 5;
/// Fewest characters of a string in a summary. Shorter strings are codes and initials.
const SHORT_CHARS_MIN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_a_few_short_strings_the_outer_ones_first() {
        let string = |text: &str| Ipld::String(text.to_owned());
        let meta = BTreeMap::from([
            (
                "a".to_owned(),
                Ipld::List(vec![string("nested"), Ipld::Integer(1)]),
            ),
            ("b".to_owned(), string("Snow Storm")),
            ("c".to_owned(), string(" 1842 ")),
            ("d".to_owned(), string("m")),
            ("e".to_owned(), string("https://www.tate.org.uk")),
            ("f".to_owned(), string(&"long ".repeat(40))),
            ("g".to_owned(), string("1842")),
        ]);
        assert_eq!(
            short_strings(&meta, &[Some("Snow Storm"), None]),
            "1842 · nested"
        );
        assert_eq!(short_strings(&BTreeMap::new(), &[]), "");
        let many = (0..50)
            .map(|n| (format!("{n}"), string(&format!("string {n}"))))
            .collect();
        assert_eq!(
            short_strings(&many, &[]).split(" · ").count(),
            SUMMARY_STRINGS_MAX
        );
    }

    /// The summary of these strings, in this order.
    fn summary_of(strings: &[&str]) -> String {
        let numbered = (0..10).zip(strings);
        let fields = numbered.map(|(n, text)| (format!("{n}"), Ipld::String((*text).to_owned())));
        short_strings(&fields.collect(), &[])
    }

    #[test]
    fn a_summary_has_140_characters_at_most() {
        let [most, more, rest] = [140, 141, 40].map(|length| "é".repeat(length));
        assert_eq!(summary_of(&[&more, &most]), most);
        assert_eq!(summary_of(&[&most, "abc"]), most);
        let hundred = "x".repeat(100);
        let found = summary_of(&[&hundred, &"y".repeat(41), &rest, "abc"]);
        assert_eq!(found, format!("{hundred} · {rest}"));
    }

    #[test]
    fn a_summary_is_five_strings_of_three_characters() {
        assert_eq!(summary_of(&["ab", "éé", "abc", " d "]), "abc");
        let all = ["one", "two", "three", "four", "five", "six"];
        assert_eq!(summary_of(&all), "one · two · three · four · five");
        let nested = Ipld::Map(BTreeMap::from([(
            "in".to_owned(),
            Ipld::List(all.map(|text| Ipld::String(text.to_owned())).into()),
        )]));
        let outer = Ipld::String("outer".to_owned());
        let meta = BTreeMap::from([("a".to_owned(), nested), ("b".to_owned(), outer)]);
        let found = short_strings(&meta, &[Some("two"), Some("none")]);
        assert_eq!(found, "outer · one · three · four · five");
    }

    #[test]
    fn addresses_begin_with_a_scheme_and_have_no_spaces() {
        for (text, expected) in [
            ("http://tate.org.uk", true),
            ("https://tate.org.uk", true),
            ("HTTPS://tate.org.uk", true),
            ("data:image/png", true),
            ("urn:isbn:1", true),
            ("  urn:isbn:1", true),
            ("urn: a vase", false),
            ("https", false),
            ("ftp://tate.org.uk", false),
            ("at http://tate.org.uk", false),
            ("éééé", false),
            ("", false),
        ] {
            assert_eq!(is_address(text), expected, "{text}");
        }
    }

    #[test]
    fn strings_are_gathered_at_any_depth_without_keys() {
        let deep = Ipld::List(vec![Ipld::Map(BTreeMap::from([(
            "key".to_owned(),
            Ipld::List(vec![
                Ipld::String("deep".to_owned()),
                Ipld::Integer(7),
                Ipld::Null,
            ]),
        )]))]);
        let meta = BTreeMap::from([
            ("a".to_owned(), Ipld::String(" Turner, J.M.W. ".to_owned())),
            ("b".to_owned(), deep),
            (
                "c".to_owned(),
                Ipld::String("HTTP://www.tate.org.uk/art".to_owned()),
            ),
            (
                "d".to_owned(),
                Ipld::String("see http://www.tate.org.uk".to_owned()),
            ),
            ("e".to_owned(), Ipld::String("  ".to_owned())),
        ]);
        let found = text(["Name"].into_iter(), [&meta].into_iter());
        assert_eq!(
            found,
            "Name\nTurner, J.M.W.\ndeep\nsee http://www.tate.org.uk\n"
        );
    }

    #[test]
    fn text_has_an_end() {
        let meta = BTreeMap::from([("a".to_owned(), Ipld::String("x".repeat(TEXT_BYTES_MAX / 3)))]);
        let found = text(std::iter::empty(), std::iter::repeat_n(&meta, 9));
        assert!(found.len() < TEXT_BYTES_MAX && found.len() > TEXT_BYTES_MAX / 2);
    }

    #[test]
    fn a_string_without_room_is_left_out_and_the_next_one_not() {
        let none: [&BTreeMap<String, Ipld>; 0] = [];
        let of = |names: [&str; 3]| text(names.into_iter(), none.into_iter());
        // Each string takes a byte more for the end of its line.
        let most = "x".repeat(TEXT_BYTES_MAX - 3);
        assert!(of([&most, "y", "z"]) == format!("{most}\ny\n"));
        let more = "x".repeat(TEXT_BYTES_MAX);
        assert_eq!(of([&more, "y", " z "]), "y\nz\n");
    }
}
