//! Cursors: how far each journal was processed.

use std::collections::BTreeMap;

use kittengrad_proto::{cursor::Cursor, id::PublicKey};

/// The furthest cursor of every journal that was followed, and which one is followed now.
///
/// Within a journal only forwards: an older cursor never replaces a newer one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursors {
    current: Option<PublicKey>,
    journals: BTreeMap<PublicKey, (u64, Option<u64>)>,
}

impl Cursors {
    /// Where the journal that is followed now stands; `None` before the first block ever.
    #[must_use]
    pub fn current(&self) -> Option<Cursor> {
        self.of(&self.current?)
    }

    /// Where a journal stands.
    #[must_use]
    pub fn of(&self, journal: &PublicKey) -> Option<Cursor> {
        let &(incarnation, height) = self.journals.get(journal)?;
        Some(Cursor {
            journal: *journal,
            incarnation,
            height,
        })
    }

    /// All of them, the current one last.
    pub fn all(&self) -> impl Iterator<Item = Cursor> + '_ {
        let others = self
            .journals
            .keys()
            .filter(|journal| Some(**journal) != self.current);
        others
            .filter_map(|journal| self.of(journal))
            .chain(self.current())
    }

    /// Moves the journal of `cursor` to it unless it is further already, and makes it the current one.
    /// True if anything changed.
    pub fn advance(&mut self, cursor: &Cursor) -> bool {
        let switched = self.current != Some(cursor.journal);
        self.current = Some(cursor.journal);
        let found = (cursor.incarnation, cursor.height);
        let known = self.journals.entry(cursor.journal).or_insert((0, None));
        let moved = found > *known;
        if moved {
            *known = found;
        }
        moved || switched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn cursor(journal: u8, incarnation: u64, height: Option<u64>) -> Cursor {
        Cursor {
            journal: PublicKey::new([journal; 32]),
            incarnation,
            height,
        }
    }

    #[test]
    fn an_older_cursor_never_overwrites_a_newer_one() {
        let mut cursors = Cursors::default();
        assert!(cursors.advance(&cursor(1, 5, Some(7))));
        for older in [
            cursor(1, 5, Some(6)),
            cursor(1, 5, None),
            cursor(1, 4, Some(99)),
            cursor(1, 5, Some(7)),
        ] {
            assert!(!cursors.advance(&older), "{older}");
            assert_eq!(cursors.current(), Some(cursor(1, 5, Some(7))));
        }
        assert!(cursors.advance(&cursor(1, 6, Some(0))));
        assert_eq!(cursors.current(), Some(cursor(1, 6, Some(0))));
    }

    #[test]
    fn a_journal_that_was_left_is_remembered() {
        let mut cursors = Cursors::default();
        cursors.advance(&cursor(1, 5, Some(7)));
        assert!(cursors.advance(&cursor(2, 1, None)));
        assert_eq!(cursors.current(), Some(cursor(2, 1, None)));
        assert!(
            cursors.advance(&cursor(1, 5, Some(3))),
            "the current one changed"
        );
        assert_eq!(cursors.current(), Some(cursor(1, 5, Some(7))));
        assert_eq!(cursors.all().last(), cursors.current());
        assert_eq!(cursors.all().count(), 2);
    }
}
