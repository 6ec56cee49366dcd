//! The numbers of lines by their outcome.

use serde::Serialize;

use crate::output::text::number;

/// Lines by their outcome. Lines of white space are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// All of them: the sum of the others.
    pub(crate) read: u64,
    /// Canonicals that did not exist, with their first update.
    pub(crate) inserted: u64,
    /// Updates of canonicals that existed.
    pub(crate) updated: u64,
    /// The publisher already had the same update.
    pub(crate) unchanged: u64,
    /// Not taken, each with a reason.
    pub(crate) refused: u64,
}

impl Counts {
    pub(super) fn add(&mut self, more: &Self) {
        self.read += more.read;
        self.inserted += more.inserted;
        self.updated += more.updated;
        self.unchanged += more.unchanged;
        self.refused += more.refused;
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let Self {
            read,
            inserted,
            updated,
            unchanged,
            refused,
        } = *self;
        format!(
            "{} read: {} inserted, {} updated, {} unchanged, {} refused",
            number(read),
            number(inserted),
            number(updated),
            number(unchanged),
            number(refused)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_for_people() {
        let counts = Counts {
            read: 12_000,
            inserted: 1,
            updated: 2,
            unchanged: 11_990,
            refused: 7,
        };
        assert_eq!(
            counts.text(),
            "12,000 read: 1 inserted, 2 updated, 11,990 unchanged, 7 refused"
        );
    }
}
