//! Cursors: the place of a reader in a journal.
//!
//! Text form: `JOURNAL/INCARNATION/HEIGHT`. The height before the first block is `genesis`. A reader that stopped
//! within a block adds `+N`, the number of elements of the next block that it has: `3b6a…/1795171200000/41+7`.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use thiserror::Error;

use crate::{
    id::{IdError, PublicKey},
    wire,
};

/// Why bytes or text are not a cursor. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CursorError {
    /// The text has another form.
    #[error("cursor {0:?} is not JOURNAL/INCARNATION/HEIGHT (the form that `tail --json` prints)")]
    Text(String),
    /// The journal's key has a wrong length.
    #[error("cursor: {0}")]
    Journal(#[from] IdError),
    /// The cursor is missing.
    #[error("the cursor is missing")]
    Missing,
}

/// The last block of a journal that a reader has completely processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// Key of the journal's owner.
    pub journal: PublicKey,
    /// The incarnation.
    pub incarnation: u64,
    /// `None` before the first block.
    pub height: Option<u64>,
}

impl Cursor {
    /// The height of the next block.
    #[must_use]
    pub const fn next_height(&self) -> u64 {
        match self.height {
            Some(height) => height.saturating_add(1),
            None => 0,
        }
    }

    /// Converts to the wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::Cursor {
        wire::Cursor {
            journal: Bytes::copy_from_slice(self.journal.as_bytes()),
            incarnation: self.incarnation,
            height: self.height,
        }
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// If it is missing, or its journal is not a key.
    pub fn from_wire(wire: Option<&wire::Cursor>) -> Result<Self, CursorError> {
        let wire = wire.ok_or(CursorError::Missing)?;
        Ok(Self {
            journal: PublicKey::from_slice(&wire.journal)?,
            incarnation: wire.incarnation,
            height: wire.height,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.height {
            Some(height) => write!(f, "{}/{}/{height}", self.journal, self.incarnation),
            None => write!(f, "{}/{}/genesis", self.journal, self.incarnation),
        }
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let position: Position = text.parse()?;
        if position.elements == 0 {
            Ok(position.cursor)
        } else {
            Err(refuse(text))
        }
    }
}

/// A cursor, and the number of elements of the next block that are processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The last block that is completely processed.
    pub cursor: Cursor,
    /// Elements of the next block that are processed.
    pub elements: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cursor.fmt(f)?;
        if self.elements > 0 {
            write!(f, "+{}", self.elements)?;
        }
        Ok(())
    }
}

impl FromStr for Position {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let mut parts = text.split('/');
        let (Some(journal), Some(incarnation), Some(rest), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refuse(text));
        };
        let (height, elements) = rest
            .split_once('+')
            .map_or((rest, "0"), |(height, n)| (height, n));
        let height = if height == "genesis" {
            None
        } else {
            Some(number(height, text)?)
        };
        let position = Self {
            cursor: Cursor {
                journal: journal.parse().map_err(|_| refuse(text))?,
                incarnation: number(incarnation, text)?,
                height,
            },
            elements: number(elements, text)?,
        };
        // Texts of cursors can be compared, because each place has one text, without leading zeros or "+0".
        if position.to_string() == text {
            Ok(position)
        } else {
            Err(refuse(text))
        }
    }
}

fn number(part: &str, text: &str) -> Result<u64, CursorError> {
    part.parse().map_err(|_| refuse(text))
}

fn refuse(text: &str) -> CursorError {
    CursorError::Text(text.chars().take(120).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        "ab".repeat(32)
    }

    #[test]
    fn a_position_is_written_and_read_back() {
        for tail in ["5/genesis", "5/0", "1795171200000/41", "5/41+1", "5/41+7"] {
            let text = format!("{}/{tail}", key());
            let position: Position = text.parse().unwrap();
            assert_eq!(position.to_string(), text);
        }
    }

    #[test]
    fn the_next_height_is_one_further() {
        let next = |height| {
            Cursor {
                journal: PublicKey::new([0xab; 32]),
                incarnation: 5,
                height,
            }
            .next_height()
        };
        assert_eq!(next(None), 0);
        assert_eq!(next(Some(0)), 1);
        assert_eq!(next(Some(41)), 42);
        assert_eq!(next(Some(u64::MAX)), u64::MAX, "no block can follow");
    }

    #[test]
    fn anything_else_is_refused() {
        let long = "9".repeat(30);
        for tail in [
            "",
            "5",
            "5/",
            "5/x",
            "5/-1",
            "5/+1",
            "5/1/2",
            "/1",
            &format!("5/{long}"),
            "5/1+",
            "5/1+0",
            "05/1",
            "5/01",
            "5/1+07",
            "+5/1",
        ] {
            assert!(
                format!("{}/{tail}", key()).parse::<Position>().is_err(),
                "{tail}"
            );
        }
        assert!("xyz/1/1".parse::<Cursor>().is_err());
        assert!(format!("{}/1/1+2", key()).parse::<Cursor>().is_err());
    }

    #[test]
    fn a_refused_text_is_quoted_up_to_120_characters() {
        let within = format!("{}/1/1+2", key());
        assert_eq!(within.parse::<Cursor>(), Err(CursorError::Text(within)));
        let quoted = CursorError::Text("é".repeat(120));
        assert_eq!("é".repeat(121).parse::<Position>(), Err(quoted));
    }

    #[test]
    fn a_cursor_without_a_whole_key_is_refused() {
        let of_bytes = |bytes| wire::Cursor {
            journal: vec![1; bytes].into(),
            incarnation: 5,
            height: Some(1),
        };
        assert!(Cursor::from_wire(Some(&of_bytes(32))).is_ok());
        assert_eq!(Cursor::from_wire(None), Err(CursorError::Missing));
        for bytes in [0, 31, 33] {
            let what = "a public key";
            let refused = CursorError::Journal(IdError::Length { what, bytes });
            assert_eq!(Cursor::from_wire(Some(&of_bytes(bytes))), Err(refused));
        }
    }
}
