//! JSON Pointers (RFC 6901): the place of a value in a publisher's record.

use std::{fmt, iter};

use ipld_core::ipld::Ipld;
use serde::Deserialize;
use thiserror::Error;

/// A path from a value to one inside it. The empty pointer is the value itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer(Vec<String>);

/// Why a text is not a pointer. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a JSON pointer: {why}")]
pub struct PointerError {
    text: String,
    why: &'static str,
}

impl Pointer {
    /// The value at this place, if it exists.
    #[must_use]
    pub fn find<'a>(&self, value: &'a Ipld) -> Option<&'a Ipld> {
        self.0.iter().try_fold(value, |value, token| match value {
            Ipld::Map(entries) => entries.get(token),
            Ipld::List(items) => items.get(index(token)?),
            _ => None,
        })
    }
}

/// Digits without a leading zero.
fn index(token: &str) -> Option<usize> {
    let is_index = token.bytes().all(|byte| byte.is_ascii_digit())
        && (token == "0" || !token.starts_with('0'));
    is_index.then(|| token.parse().ok()).flatten()
}

impl TryFrom<String> for Pointer {
    type Error = PointerError;

    fn try_from(text: String) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let Some(tokens) = text.strip_prefix('/') else {
            return Err(PointerError {
                why: "it does not begin with /",
                text,
            });
        };
        match tokens.split('/').map(unescape).collect() {
            Some(tokens) => Ok(Self(tokens)),
            None => Err(PointerError {
                why: "~ is followed by neither 0 nor 1",
                text,
            }),
        }
    }
}

/// `~1` is a slash and `~0` a tilde; there are no other escapes.
fn unescape(token: &str) -> Option<String> {
    let mut pieces = token.split('~');
    let mut out = pieces.next()?.to_owned();
    for piece in pieces {
        match piece.as_bytes().first() {
            Some(b'0') => out.push('~'),
            Some(b'1') => out.push('/'),
            _ => return None,
        }
        out.push_str(&piece[1..]);
    }
    Some(out)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = self
            .0
            .iter()
            .map(|token| token.replace('~', "~0").replace('/', "~1"));
        iter::zip(iter::repeat('/'), tokens)
            .try_for_each(|(slash, token)| write!(f, "{slash}{token}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    /// Checks the value that `pointer` finds in `record`, as JSON.
    fn check(pointer: &str, record: &str, expected: Option<&str>) {
        let pointer = Pointer::try_from(pointer.to_owned()).unwrap();
        let record = json::parse(record.as_bytes()).unwrap();
        let found = pointer
            .find(&record)
            .map(|value| json::JsonValue(value).to_string());
        assert_eq!(found.as_deref(), expected, "{pointer}");
    }

    /// The examples of RFC 6901, section 5.
    #[test]
    fn a_pointer_finds_what_the_rfc_says() {
        let record = r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#;
        check("/foo", record, Some(r#"["bar","baz"]"#));
        check("/foo/0", record, Some(r#""bar""#));
        check("/", record, Some("0"));
        check("/a~1b", record, Some("1"));
        check("/c%d", record, Some("2"));
        check("/e^f", record, Some("3"));
        check("/g|h", record, Some("4"));
        check("/i\\j", record, Some("5"));
        check("/k\"l", record, Some("6"));
        check("/ ", record, Some("7"));
        check("/m~0n", record, Some("8"));
        check("", "[1]", Some("[1]"));
        // A number is a key of an object, and an index of an array.
        check("/a/0", r#"{"a":{"0":7}}"#, Some("7"));
        check("/a/01", r#"{"a":{"01":7}}"#, Some("7"));
        check("/a/10", r#"{"a":[0,1,2,3,4,5,6,7,8,9,10]}"#, Some("10"));
        check("/~01", r#"{"~1":7,"/":8}"#, Some("7"));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for pointer in [
            "/b", "/a/2", "/a/-", "/a/01", "/a/+1", "/a/", "/a/x", "/a/0/0",
        ] {
            check(pointer, r#"{"a":[0,1]}"#, None);
        }
        check("/a/18446744073709551616", r#"{"a":[0,1]}"#, None);
    }

    #[test]
    fn other_texts_are_no_pointers() {
        for text in ["a", "#/a", "/~", "/a~2", "/~~0", " /a"] {
            assert!(Pointer::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pointer_is_written_as_it_was_read() {
        for text in ["", "/", "/a~1b/~0~1/0", "//"] {
            assert_eq!(
                Pointer::try_from(text.to_owned()).unwrap().to_string(),
                text
            );
        }
    }
}
