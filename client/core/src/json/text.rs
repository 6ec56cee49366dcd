//! JSON strings: the text between two quotes.

use super::error::{JsonError, Reason};

/// Reads the string whose first character after the quote is at `start`. Returns it and the index of its end.
pub(super) fn string(text: &str, start: usize) -> Result<(String, usize), JsonError> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut from = start;
    let mut at = start;
    loop {
        at += bytes[at..]
            .iter()
            .take_while(|byte| is_plain(**byte))
            .count();
        match bytes.get(at) {
            None => return Err(refuse(at, Reason::Expected("a closing quote"))),
            Some(b'"') if from == start => return Ok((text[from..at].to_owned(), at + 1)),
            Some(b'"') => {
                out.push_str(&text[from..at]);
                return Ok((out, at + 1));
            }
            Some(b'\\') => {
                out.push_str(&text[from..at]);
                let (character, end) = escape(bytes, at)?;
                out.push(character);
                at = end;
                from = end;
            }
            Some(_) => return Err(refuse(at, Reason::Control)),
        }
    }
}

/// Whether a byte is literal: not a quote, a backslash or a control character.
const fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

/// Reads the escape whose backslash is at `start`. Returns the character and the index after the escape.
fn escape(bytes: &[u8], start: usize) -> Result<(char, usize), JsonError> {
    let character = match bytes.get(start + 1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(bytes, start),
        _ => return Err(refuse(start, Reason::Escape)),
    };
    Ok((character, start + 2))
}

/// One `\uXXXX`, or two that make a pair.
fn unicode(bytes: &[u8], start: usize) -> Result<(char, usize), JsonError> {
    let first = code_unit(bytes, start).ok_or_else(|| refuse(start, Reason::Escape))?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, start + ESCAPE_BYTES));
    }
    let second = code_unit(bytes, start + ESCAPE_BYTES);
    let pair = second.and_then(|second| pair(first, second));
    let character = pair.ok_or_else(|| refuse(start, Reason::LoneSurrogate))?;
    Ok((character, start + 2 * ESCAPE_BYTES))
}

fn pair(first: u32, second: u32) -> Option<char> {
    let is_pair = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
    let code = || 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    is_pair.then(code).and_then(char::from_u32)
}

fn code_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + ESCAPE_BYTES)?;
    let digits = escape.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |code, digit| {
        Some(code << 4 | char::from(*digit).to_digit(16)?)
    })
}

const fn refuse(at: usize, reason: Reason) -> JsonError {
    JsonError { at, reason }
}

/// Bytes of `\uXXXX`.
const ESCAPE_BYTES: usize = 6;
