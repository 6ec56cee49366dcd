//! The parser: exactly RFC 8259, without the values that a record cannot hold.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    str,
};

use ipld_core::ipld::Ipld;
use kittengrad_proto::limits::RECORD_DEPTH_MAX;

use super::{
    error::{JsonError, Reason},
    text,
};

/// Parses one JSON value with nothing but white space around it.
///
/// # Errors
/// [`JsonError`] for the first text that is not strict JSON or that a record cannot hold.
pub fn parse(text: &[u8]) -> Result<Ipld, JsonError> {
    let text = str::from_utf8(text).map_err(|error| JsonError {
        at: error.valid_up_to(),
        reason: Reason::Utf8,
    })?;
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(RECORD_DEPTH_MAX)?;
    parser.space();
    if parser.at == text.len() {
        Ok(value)
    } else {
        Err(parser.refuse(Reason::Trailing))
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    /// A value, after white space, with at most `levels` nested objects and arrays.
    fn value(&mut self, levels: usize) -> Result<Ipld, JsonError> {
        self.space();
        match self.peek() {
            Some(b'{') => self.object(self.descend(levels)?),
            Some(b'[') => self.array(self.descend(levels)?),
            Some(b'"') => self.string().map(Ipld::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Ipld::Bool(true)),
            Some(b'f') => self.word("false", Ipld::Bool(false)),
            Some(b'n') => self.word("null", Ipld::Null),
            _ => Err(self.refuse(Reason::Expected("a value"))),
        }
    }

    fn object(&mut self, levels: usize) -> Result<Ipld, JsonError> {
        let mut entries = BTreeMap::new();
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Ok(Ipld::Map(entries));
        }
        loop {
            self.space();
            let key_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.refuse(Reason::Expected("a key")));
            }
            let key = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(self.refuse(Reason::Expected("a colon")));
            }
            match entries.entry(key) {
                Entry::Vacant(entry) => entry.insert(self.value(levels)?),
                Entry::Occupied(entry) => {
                    let reason = Reason::DuplicateKey(entry.key().clone());
                    return Err(JsonError { at: key_at, reason });
                }
            };
            self.space();
            if self.take(b'}') {
                return Ok(Ipld::Map(entries));
            }
            if !self.take(b',') {
                return Err(self.refuse(Reason::Expected("a comma or a closing brace")));
            }
        }
    }

    fn array(&mut self, levels: usize) -> Result<Ipld, JsonError> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Ok(Ipld::List(items));
        }
        loop {
            items.push(self.value(levels)?);
            self.space();
            if self.take(b']') {
                return Ok(Ipld::List(items));
            }
            if !self.take(b',') {
                return Err(self.refuse(Reason::Expected("a comma or a closing bracket")));
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        let (string, end) = text::string(self.text, self.at + 1)?;
        self.at = end;
        Ok(string)
    }

    fn number(&mut self) -> Result<Ipld, JsonError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut is_float = false;
        if self.take(b'.') {
            is_float = true;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            is_float = true;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.refuse(Reason::Number));
        }
        let number = &self.text[start..self.at];
        let value = if is_float {
            float(number)
        } else {
            integer(number)
        };
        value.map_err(|reason| JsonError { at: start, reason })
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count > 0 {
            Ok(())
        } else {
            Err(self.refuse(Reason::Number))
        }
    }

    fn word(&mut self, word: &'static str, value: Ipld) -> Result<Ipld, JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.refuse(Reason::Expected("a value")));
        }
        self.at += word.len();
        Ok(value)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn descend(&self, levels: usize) -> Result<usize, JsonError> {
        levels
            .checked_sub(1)
            .ok_or_else(|| self.refuse(Reason::Depth))
    }

    const fn refuse(&self, reason: Reason) -> JsonError {
        JsonError {
            at: self.at,
            reason,
        }
    }
}

/// `-0` is the integer 0.
fn integer(number: &str) -> Result<Ipld, Reason> {
    let value = if number.starts_with('-') {
        number.parse::<i64>().map(i128::from)
    } else {
        number.parse::<u64>().map(i128::from)
    };
    value.map(Ipld::Integer).map_err(|_| Reason::IntegerRange)
}

fn float(number: &str) -> Result<Ipld, Reason> {
    match number.parse::<f64>() {
        // Adding zero converts -0.0 to 0.0 and changes no other number.
        Ok(float) if float.is_finite() => Ok(Ipld::Float(float + 0.0)),
        Ok(_) => Err(Reason::FloatRange),
        Err(_) => Err(Reason::Number),
    }
}
