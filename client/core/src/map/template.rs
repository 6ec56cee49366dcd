//! Templates: text with holes that a record fills, such as `tate:artwork:{/id}`.
//!
//! A hole is a JSON Pointer in braces; `{}` is the value itself. `{{` and `}}` are literal braces. Text and integers
//! fill a hole. A missing value, null and empty text do not.

use ipld_core::ipld::Ipld;
use serde::Deserialize;
use thiserror::Error;

use super::pointer::{Pointer, PointerError};

/// Text with holes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Hole(Pointer),
}

/// Why a text is not a template. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// An unmatched brace.
    #[error("{0:?} has an unmatched brace; write {{{{ or }}}} for a literal brace")]
    Brace(String),
    /// The text in braces is not a pointer.
    #[error(transparent)]
    Pointer(#[from] PointerError),
}

/// Why a record does not fill a hole. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HoleError {
    /// The value is missing, null or empty text.
    #[error("{{{pointer}}} is {what}")]
    Empty {
        /// The hole.
        pointer: String,
        /// The value that was found.
        what: &'static str,
    },
    /// The value cannot be an identifier.
    #[error("{{{pointer}}} is {what}, not text or an integer")]
    Kind {
        /// The hole.
        pointer: String,
        /// The value that was found.
        what: &'static str,
    },
}

impl Template {
    /// Whether the template has a hole.
    #[must_use]
    pub fn has_holes(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Hole(_)))
    }

    /// Fills every hole from `value`.
    ///
    /// # Errors
    /// [`HoleError`] for the first hole without a value that can be an identifier.
    pub fn fill(&self, value: &Ipld) -> Result<String, HoleError> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Hole(pointer) => fill_hole(pointer, pointer.find(value), &mut out)?,
            }
        }
        Ok(out)
    }
}

fn fill_hole(pointer: &Pointer, value: Option<&Ipld>, out: &mut String) -> Result<(), HoleError> {
    let empty = |what| {
        Err(HoleError::Empty {
            pointer: pointer.to_string(),
            what,
        })
    };
    let kind = |what| {
        Err(HoleError::Kind {
            pointer: pointer.to_string(),
            what,
        })
    };
    match value {
        Some(Ipld::String(text)) if text.is_empty() => empty("empty"),
        Some(Ipld::String(text)) => {
            out.push_str(text);
            Ok(())
        }
        Some(Ipld::Integer(number)) => {
            out.push_str(&number.to_string());
            Ok(())
        }
        None => empty("missing"),
        Some(Ipld::Null) => empty("null"),
        Some(Ipld::Bool(_)) => kind("true or false"),
        // A float has many spellings, and an identifier must have one.
        Some(Ipld::Float(_)) => kind("a number with a point or exponent"),
        Some(Ipld::List(_)) => kind("an array"),
        Some(Ipld::Map(_)) => kind("an object"),
        Some(Ipld::Bytes(_) | Ipld::Link(_)) => kind("no JSON"),
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(whole: String) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = whole.as_str();
        while let Some(brace) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(brace);
            text.push_str(before);
            if let Some(behind) = from.strip_prefix("{{") {
                text.push('{');
                rest = behind;
            } else if let Some(behind) = from.strip_prefix("}}") {
                text.push('}');
                rest = behind;
            } else {
                let hole = from.strip_prefix('{').and_then(|from| from.split_once('}'));
                let Some((pointer, behind)) = hole else {
                    return Err(TemplateError::Brace(whole));
                };
                parts.extend((!text.is_empty()).then(|| Part::Text(std::mem::take(&mut text))));
                parts.push(Part::Hole(Pointer::try_from(pointer.to_owned())?));
                rest = behind;
            }
        }
        text.push_str(rest);
        parts.extend((!text.is_empty()).then_some(Part::Text(text)));
        Ok(Self(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn check(template: &str, record: &str, expected: Result<&str, &str>) {
        let template = Template::try_from(template.to_owned()).unwrap();
        let record = json::parse(record.as_bytes()).unwrap();
        let filled = template.fill(&record).map_err(|error| error.to_string());
        assert_eq!(filled.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn text_and_integers_fill_holes_as_they_are() {
        check(
            "tate:artwork:{/id}",
            r#"{"id":1035}"#,
            Ok("tate:artwork:1035"),
        );
        check("{/id}", r#"{"id":" a/b "}"#, Ok(" a/b "));
        check("{/a}-{/b/0}", r#"{"a":-1,"b":["é"]}"#, Ok("-1-é"));
        check("{}", r#""cmoa:parties/1""#, Ok("cmoa:parties/1"));
        check(
            "x{/id}",
            r#"{"id":18446744073709551615}"#,
            Ok("x18446744073709551615"),
        );
    }

    #[test]
    fn doubled_braces_are_braces() {
        check("{{{/id}}}", r#"{"id":1}"#, Ok("{1}"));
        check("}}{{", "{}", Ok("}{"));
        check("", "{}", Ok(""));
    }

    #[test]
    fn what_is_missing_is_named() {
        check("a{/id}", "{}", Err("{/id} is missing"));
        check("a{/id}", r#"{"id":null}"#, Err("{/id} is null"));
        check("a{/id}", r#"{"id":""}"#, Err("{/id} is empty"));
    }

    #[test]
    fn what_is_no_identifier_is_named() {
        for (value, what) in [
            ("1.0", "a number with a point or exponent"),
            ("true", "true or false"),
            ("[1]", "an array"),
            ("{}", "an object"),
        ] {
            let expected = format!("{{/id}} is {what}, not text or an integer");
            check("{/id}", &format!(r#"{{"id":{value}}}"#), Err(&expected));
        }
    }

    #[test]
    fn other_texts_are_no_templates() {
        for text in ["{", "}", "{/id", "a}b", "{id}", "{/~2}", "{{/id}"] {
            assert!(Template::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
