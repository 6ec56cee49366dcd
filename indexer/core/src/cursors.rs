//! Cursors: the last processed block of each journal.

use std::collections::BTreeMap;

use kittengrad_proto::{block::Head, cursor::Cursor, id::PublicKey};

/// The last processed block of a journal. Its hash shows a reader that resumes after it whether the journal is still
/// the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// Key of the journal's owner.
    pub journal: PublicKey,
    /// The block.
    pub head: Head,
    /// The time of the block, in Unix milliseconds.
    pub time_ms: u64,
}

impl Last {
    /// Drops hash and time.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        Cursor {
            journal: self.journal,
            incarnation: self.head.incarnation,
            height: Some(self.head.height),
        }
    }
}

/// The last processed block of every journal that was followed, and the journal that is followed now.
///
/// A cursor moves only forwards: an older block replaces a newer one only after [`Cursors::forget`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursors {
    current: Option<PublicKey>,
    journals: BTreeMap<PublicKey, Last>,
}

impl Cursors {
    /// The cursor of the journal that is followed now; `None` before its first block.
    #[must_use]
    pub fn current(&self) -> Option<Cursor> {
        self.of(&self.current?)
    }

    /// The cursor of a journal; `None` before its first block.
    #[must_use]
    pub fn of(&self, journal: &PublicKey) -> Option<Cursor> {
        self.last(journal).map(|last| last.cursor())
    }

    /// The last processed block of a journal; `None` before its first block.
    #[must_use]
    pub fn last(&self, journal: &PublicKey) -> Option<Last> {
        self.journals.get(journal).copied()
    }

    /// Lists the last block of every journal, the current journal last.
    pub fn all(&self) -> impl Iterator<Item = Last> + '_ {
        let is_current = |last: &&Last| Some(last.journal) == self.current;
        let others = self.journals.values().filter(move |last| !is_current(last));
        others
            .chain(self.journals.values().filter(is_current))
            .copied()
    }

    /// Moves the cursor of a journal to this block, unless the cursor is further already, and makes the journal the
    /// current one. True if anything changed.
    pub fn advance(&mut self, last: &Last) -> bool {
        let switched = self.current != Some(last.journal);
        self.current = Some(last.journal);
        let place = |last: &Last| (last.head.incarnation, last.head.height);
        let known = self.journals.get(&last.journal);
        let moved = known.is_none_or(|known| place(last) > place(known));
        if moved {
            self.journals.insert(last.journal, *last);
        }
        moved || switched
    }

    /// Removes the cursor of a journal, to read it again from its first block. True if it had one.
    pub fn forget(&mut self, journal: &PublicKey) -> bool {
        self.journals.remove(journal).is_some()
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::id::Id;

    use super::*;

    fn last(journal: u8, incarnation: u64, height: u64) -> Last {
        let hash = Id::of(&[
            &[journal],
            &incarnation.to_be_bytes(),
            &height.to_be_bytes(),
        ]);
        Last {
            journal: PublicKey::new([journal; 32]),
            head: Head {
                incarnation,
                height,
                hash,
            },
            time_ms: height,
        }
    }

    #[test]
    fn an_older_cursor_never_overwrites_a_newer_one() {
        let mut cursors = Cursors::default();
        assert!(cursors.advance(&last(1, 5, 7)));
        for older in [last(1, 5, 6), last(1, 4, 99), last(1, 5, 7)] {
            assert!(!cursors.advance(&older), "{older:?}");
            assert_eq!(cursors.current(), Some(last(1, 5, 7).cursor()));
        }
        assert!(cursors.advance(&last(1, 6, 0)));
        assert_eq!(cursors.current(), Some(last(1, 6, 0).cursor()));
    }

    #[test]
    fn a_journal_that_was_left_is_remembered() {
        let mut cursors = Cursors::default();
        cursors.advance(&last(1, 5, 7));
        assert!(cursors.advance(&last(2, 1, 0)));
        assert_eq!(cursors.current(), Some(last(2, 1, 0).cursor()));
        assert!(cursors.advance(&last(1, 5, 3)), "the current one changed");
        assert_eq!(cursors.current(), Some(last(1, 5, 7).cursor()));
        assert_eq!(cursors.all().last(), Some(last(1, 5, 7)));
        assert_eq!(cursors.all().count(), 2);
    }

    #[test]
    fn a_journal_that_is_read_again_begins_before_its_first_block() {
        let mut cursors = Cursors::default();
        cursors.advance(&last(1, 5, 7));
        assert!(cursors.forget(&PublicKey::new([1; 32])));
        assert_eq!(cursors.current(), None);
        assert!(cursors.advance(&last(1, 4, 0)));
        assert_eq!(cursors.last(&PublicKey::new([1; 32])), Some(last(1, 4, 0)));
    }

    #[test]
    fn a_journal_is_forgotten_once_and_alone() {
        let mut cursors = Cursors::default();
        assert!(!cursors.forget(&PublicKey::new([1; 32])));
        cursors.advance(&last(1, 5, 7));
        cursors.advance(&last(2, 1, 0));
        assert!(cursors.forget(&PublicKey::new([1; 32])));
        assert!(!cursors.forget(&PublicKey::new([1; 32])));
        assert!(cursors.all().eq([last(2, 1, 0)]));
        assert_eq!(cursors.current(), Some(last(2, 1, 0).cursor()));
    }
}
