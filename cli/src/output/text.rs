//! Text forms of numbers and times, and safe forms of untrusted text.

use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A number with separators: `24,387`.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its unit: `1 peer`, `24,387 lines`.
pub(crate) fn count(value: u64, one: &str) -> String {
    count_of(value, one, &format!("{one}s"))
}

/// A number with its unit, for an irregular plural: `1 copy`, `3 copies`.
pub(crate) fn count_of(value: u64, one: &str, many: &str) -> String {
    let word = if value == 1 { one } else { many };
    format!("{} {word}", number(value))
}

/// A word of a shell's command line, quoted if it has to be.
pub(crate) fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A moment, from Unix milliseconds: `2026-11-20 12:01:03`, in UTC.
pub(crate) fn time(unix_ms: u64) -> String {
    let moment = i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    match moment {
        Some(moment) => moment.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        None => format!("{unix_ms} ms"),
    }
}

/// Microseconds in a unit that fits: `830 µs`, `12.4 ms`, `3.1 s`.
pub(crate) fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}

/// The first eight characters of a key or hash.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// Text of strangers on one line: nothing in it moves the cursor, changes colours or turns the reading direction.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if is_unsafe(c) { '\u{fffd}' } else { c })
        .collect()
}

/// As [`clean`], on several lines.
pub(crate) fn lines(text: &str) -> String {
    text.chars()
        .map(|c| {
            if is_unsafe(c) && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// Like [`clean`], of at most `columns_max` columns: `水墨画` in 4 columns is `水…`.
pub(crate) fn cut(text: &str, columns_max: usize) -> String {
    let text = clean(text);
    if text.width() <= columns_max {
        return text;
    }
    let mut room = columns_max.saturating_sub(1);
    let fits = |c: &char| {
        let width = c.width().unwrap_or(0);
        let is_in = width <= room;
        room = room.saturating_sub(width);
        is_in
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Text filled with blanks up to `columns`.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let fill = columns.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(fill))
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators() {
        for (value, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (24_387, "24,387"),
            (1 << 30, "1,073,741,824"),
        ] {
            assert_eq!(number(value), expected);
        }
        assert_eq!(count(1, "peer"), "1 peer");
        assert_eq!(count(0, "peer"), "0 peers");
        assert_eq!(count_of(1, "copy", "copies"), "1 copy");
        assert_eq!(count_of(3, "copy", "copies"), "3 copies");
    }

    #[test]
    fn words_for_a_shell_are_quoted_if_they_have_to_be() {
        assert_eq!(shell("/srv/demo/client.toml"), "/srv/demo/client.toml");
        assert_eq!(shell("/my demo/it's"), r"'/my demo/it'\''s'");
        for word in ["", "$HOME", "a;b", "~", "a\"b", "*"] {
            assert_eq!(shell(word), format!("'{word}'"));
        }
    }

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(time(0), "1970-01-01 00:00:00");
        assert_eq!(time(1_795_176_063_000), "2026-11-20 12:01:03");
        assert_eq!(time(u64::MAX), format!("{} ms", u64::MAX));
    }

    #[test]
    fn durations_have_a_unit_that_fits() {
        assert_eq!(micros(830), "830 µs");
        assert_eq!(micros(12_400), "12.4 ms");
        assert_eq!(micros(3_100_000), "3.1 s");
    }

    #[test]
    fn text_of_strangers_cannot_move_the_cursor() {
        assert_eq!(
            clean("a\x1b[2Jb\u{9b}\u{202e}\n"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(lines("a\n\x07b"), "a\n\u{fffd}b");
        assert_eq!(clean("Étude, 水"), "Étude, 水");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut("水墨画", 4), "水…");
        assert_eq!(cut("水墨", 4), "水墨");
        assert_eq!(pad("水", 4), "水  ");
    }
}
