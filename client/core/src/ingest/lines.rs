//! Splitting a file of newline-delimited JSON into lines.
//!
//! Only `\n` ends a line, because U+2028, U+0085 and a lone `\r` can be inside strings. A `\r` before it is white space
//! in JSON. Lines of white space have a number and are skipped. The last line may lack its end.

use crate::map::{Map, Mapped, Refusal};

/// Bytes of the longest line. Escapes and white space make JSON larger than its record, but rarely 64 times as large.
pub const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number in the file, counted from 1, lines of white space included.
    pub number: u64,
    /// Its bytes, at most [`LINE_BYTES_MAX`] of them.
    pub text: &'a [u8],
    /// Whether the line was longer. Such a line is refused.
    pub is_cut: bool,
}

impl Line<'_> {
    /// Maps the line with `map`.
    ///
    /// # Errors
    /// [`Refusal`] if the line is refused, with the reason.
    pub fn read(&self, map: &Map) -> Result<Mapped, Refusal> {
        if self.is_cut {
            return Err(Refusal::LineTooLong {
                bytes_max: LINE_BYTES_MAX,
            });
        }
        map.apply(self.text)
    }
}

/// Splits a stream of bytes, in pieces of any size, into lines. Keeps at most one line in memory.
#[derive(Debug, Default)]
pub struct Lines {
    number: u64,
    begun: Vec<u8>,
    is_cut: bool,
}

impl Lines {
    /// Takes the next piece and calls `each` with every line that ends in it.
    pub fn push(&mut self, mut piece: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            if self.begun.is_empty() && end <= LINE_BYTES_MAX {
                self.give(&piece[..end], false, &mut each);
            } else {
                self.begin(&piece[..end]);
                self.end(&mut each);
            }
            piece = &piece[end + 1..];
        }
        self.begin(piece);
    }

    /// Calls `each` with the last line if the file does not end with `\n`.
    pub fn finish(mut self, mut each: impl FnMut(Line<'_>)) {
        self.end(&mut each);
    }

    fn begin(&mut self, piece: &[u8]) {
        let room = LINE_BYTES_MAX - self.begun.len();
        self.begun
            .extend_from_slice(&piece[..piece.len().min(room)]);
        self.is_cut |= piece.len() > room;
    }

    fn end(&mut self, each: &mut impl FnMut(Line<'_>)) {
        let text = std::mem::take(&mut self.begun);
        let is_cut = std::mem::take(&mut self.is_cut);
        self.give(&text, is_cut, each);
    }

    fn give(&mut self, text: &[u8], is_cut: bool, each: &mut impl FnMut(Line<'_>)) {
        self.number += 1;
        if is_cut || !text.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            each(Line {
                number: self.number,
                text,
                is_cut,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers and texts of the lines of a file that comes in pieces.
    fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(u64, Vec<u8>, bool)> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        let mut take = |line: Line<'_>| found.push((line.number, line.text.to_vec(), line.is_cut));
        for piece in pieces {
            lines.push(piece, &mut take);
        }
        lines.finish(&mut take);
        found
    }

    fn check(file: &str, expected: &[(u64, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(number, text)| (*number, text.as_bytes().to_vec(), false))
            .collect();
        assert_eq!(lines([file.as_bytes()]), expected);
    }

    #[test]
    fn only_a_line_feed_ends_a_line() {
        check(
            "a\u{2028}b\u{85}c\rd\nb",
            &[(1, "a\u{2028}b\u{85}c\rd"), (2, "b")],
        );
        check("{}\r\n{}\r\n", &[(1, "{}\r"), (2, "{}\r")]);
    }

    #[test]
    fn the_last_line_needs_no_end() {
        check("a\nb", &[(1, "a"), (2, "b")]);
        check("a\nb\n", &[(1, "a"), (2, "b")]);
        check("", &[]);
    }

    #[test]
    fn lines_of_white_space_have_a_number_and_say_nothing() {
        check("\na\n \t\r\n\nb\n \n", &[(2, "a"), (5, "b")]);
    }

    /// Keeps S9.
    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let piece = vec![b'x'; LINE_BYTES_MAX / 2 + 1];
        let found = lines([&piece[..], &piece, &piece, b"\nnext\n"]);
        let [(1, cut, true), (2, next, false)] = &found[..] else {
            panic!("two lines")
        };
        assert_eq!((cut.len(), &next[..]), (LINE_BYTES_MAX, &b"next"[..]));
    }

    #[test]
    fn the_longest_line_is_whole() {
        let mut file = vec![b'x'; LINE_BYTES_MAX];
        file.push(b'\n');
        assert_eq!(
            lines([&file[..]]),
            [(1, file[..LINE_BYTES_MAX].to_vec(), false)]
        );
        file.insert(0, b'x');
        assert!(lines([&file[..]])[0].2);
    }

    #[test]
    fn only_the_line_that_is_too_long_is_cut() {
        let long = vec![b' '; LINE_BYTES_MAX + 1];
        let found = lines([&long[..], b"\nne", b"xt\n", b"", b"last\n"]);
        let found: Vec<_> = found
            .iter()
            .map(|(n, text, cut)| (*n, text.len(), *cut))
            .collect();
        let expected = [(1, LINE_BYTES_MAX, true), (2, 4, false), (3, 4, false)];
        assert_eq!(found, expected);

        // The last line of a file without an end, and the longest one in two pieces.
        assert_eq!(lines([&long[..]]), [(1, long[1..].to_vec(), true)]);
        let (whole, end) = (vec![b'x'; LINE_BYTES_MAX - 1], b"x\n");
        let found = lines([&whole[..], end]);
        assert_eq!(
            (found.len(), found[0].1.len(), found[0].2),
            (1, LINE_BYTES_MAX, false)
        );
    }

    #[test]
    fn a_cut_line_is_refused_whatever_it_begins_with() {
        let map = Map::parse("publisher = 'p'\ntype = 'entity'\nid = 'p:{/id}'").unwrap();
        let line = |is_cut| Line {
            number: 1,
            text: br#"{"id":1}"#,
            is_cut,
        };
        let bytes_max = LINE_BYTES_MAX;
        assert_eq!(
            line(true).read(&map),
            Err(Refusal::LineTooLong { bytes_max })
        );
        let mapped = line(false).read(&map).unwrap();
        assert_eq!(mapped, map.apply(line(false).text).unwrap());
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(file in "[a\n\r ]{0,60}", cuts in prop::collection::vec(0..61_usize, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(file.len())).collect();
            cuts.sort_unstable();
            cuts.insert(0, 0);
            cuts.push(file.len());
            let pieces = cuts.windows(2).map(|cut| &file.as_bytes()[cut[0]..cut[1]]);
            let split = file.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty());
            let expected: Vec<_> = split
                .map(|(index, line)| (index as u64 + 1, line.as_bytes().to_vec(), false))
                .collect();
            prop_assert_eq!(lines(pieces), expected);
        }
    }
}
