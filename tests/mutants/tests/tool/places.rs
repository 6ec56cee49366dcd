//! Where a mutant's old text is found.

use kittengrad_mutants::place::{find, functions, line};

const SOURCE: &str = "\
impl One {
    /// fn outer(): a comment is no signature.
    pub(crate) const fn outer(&self) -> usize {
        if self.is_right() {
            1
        } else {
            2
        }
    }

    fn outer_more(
        &self,
    ) -> usize {
        3
    }
}

trait Two {
    fn outer(&self) -> usize;
    fn empty() {}
}

fn outer<T>(of: T) {
    drop(of);
}
";

#[test]
fn line_breaks_and_indentation_do_not_matter() {
    let text = "let a = b\n    .map(|c| c\n        + 1);\n";
    let found = find(text, "b.map(|c| c + 1)");
    assert_eq!(found.len(), 1);
    assert_eq!(&text[found[0].clone()], "b\n    .map(|c| c\n        + 1)");
}

#[test]
fn every_place_is_found() {
    assert_eq!(find("a + a + b", "a +"), [0..3, 4..7]);
    assert_eq!(find("a + b", "c"), []);
    assert_eq!(find("a + b", " \n"), []);
}

#[test]
fn places_are_right_behind_long_characters() {
    assert_eq!(find("ä – b", "b").pop(), Some(7..8));
}

#[test]
fn a_function_ends_at_its_own_brace() {
    let of = |name| {
        let found = functions(SOURCE, name);
        let ends = found.into_iter().map(|range| {
            let text = SOURCE[range].trim();
            let last = text.lines().next_back().unwrap_or_default();
            (text.lines().count(), last.trim().to_owned())
        });
        ends.collect::<Vec<_>>()
    };
    let expected = [(7, "}"), (1, "fn outer(&self) -> usize;"), (3, "}")];
    assert_eq!(of("outer"), expected.map(|(n, last)| (n, last.to_owned())));
    assert_eq!(of("outer_more"), [(5, "}".to_owned())]);
    assert_eq!(of("empty"), [(1, "fn empty() {}".to_owned())]);
    assert_eq!(of("out"), []);
}

#[test]
fn lines_are_counted_from_one() {
    assert_eq!([line("a\nb", 0), line("a\nb", 2)], [1, 2]);
}
