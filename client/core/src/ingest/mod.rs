//! Ingest: decides what a line of a publisher's file changes, given the set of its canonical.

mod lines;

use std::collections::BTreeSet;

use kittengrad_proto::{
    heads::{Placed, Standing, place},
    id::{PublicKey, RecordId},
    limits::RECORD_PREVIOUS_MAX,
    record::Record,
};

pub use self::lines::{LINE_BYTES_MAX, Line, Lines};
use crate::map::{Mapped, Mode};

/// The change that a line makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The canonical does not exist: insert it, with its first update.
    Insert,
    /// The canonical exists: add an update.
    Update {
        /// The updates that it replaces, strictly ascending.
        previous: Vec<RecordId>,
    },
    /// The publisher already says the same.
    Unchanged,
}

/// Decides what a line changes, given the statements about its canonical.
///
/// `set` has the statements of all publishers, in any order, or is `None` if the canonical does not exist. A caller
/// that sends a line before earlier ones are answered must add the updates of those to `set`, because two lines of a
/// file may be about the same canonical.
///
/// Only updates of `publisher` count. In [`Mode::Replace`], a line that equals a head is unchanged; any other line
/// replaces all heads. In [`Mode::Accumulate`], a line that equals any update, also a replaced or retracted one, is
/// unchanged; any other line replaces nothing. So loading an old file again does not repeat what was retracted since.
///
/// One update replaces at most [`RECORD_PREVIOUS_MAX`] heads, the smallest names first. The next line about the
/// canonical replaces further ones.
#[must_use]
pub fn decide(
    mode: Mode,
    publisher: &PublicKey,
    line: &Mapped,
    set: Option<&[(RecordId, Record)]>,
) -> Decision {
    let Some(set) = set else {
        return Decision::Insert;
    };
    let placed = place(set.iter().map(|(id, record)| (*id, record)));
    let own = placed
        .iter()
        .filter(|placed| placed.update.publisher == *publisher);
    let known: Vec<&Placed<'_>> = own.filter(|placed| counts(mode, placed.standing)).collect();
    if known.iter().any(|placed| line.is_said_by(placed.update)) {
        return Decision::Unchanged;
    }
    let previous = match mode {
        Mode::Replace => known.iter().map(|placed| placed.id).collect(),
        Mode::Accumulate => BTreeSet::new(),
    };
    Decision::Update {
        previous: previous.into_iter().take(RECORD_PREVIOUS_MAX).collect(),
    }
}

const fn counts(mode: Mode, standing: Standing) -> bool {
    match standing {
        Standing::Head => true,
        Standing::Replaced | Standing::Retracted => matches!(mode, Mode::Accumulate),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kittengrad_proto::record::{Retraction, Update};

    use super::*;
    use crate::map::Map;

    const TATE: PublicKey = PublicKey::new([1; 32]);
    const CMOA: PublicKey = PublicKey::new([2; 32]);

    fn line(title: &str) -> Mapped {
        let map =
            "publisher = 'tate'\ntype = 'artefact'\nid = 'tate:artwork:{/id}'\nname = '/title'";
        let line = format!(r#"{{"id":1,"title":"{title}"}}"#);
        Map::parse(map).unwrap().apply(line.as_bytes()).unwrap()
    }

    /// A set under construction.
    #[derive(Default)]
    struct Set(Vec<(RecordId, Record)>);

    impl Set {
        fn says(&mut self, publisher: PublicKey, title: &str, previous: &[RecordId]) -> RecordId {
            let timestamp_ms = self.0.len() as u64;
            let mut previous = previous.to_vec();
            previous.sort();
            self.add(Record::Update(line(title).update(
                publisher,
                timestamp_ms,
                previous,
            )))
        }

        fn takes_back(&mut self, publisher: PublicKey, target: RecordId) {
            let reference = line("").canonical_id;
            let retraction = Retraction {
                reference,
                target,
                publisher,
                timestamp_ms: 0,
            };
            self.add(Record::Retraction(retraction));
        }

        fn add(&mut self, record: Record) -> RecordId {
            let id = RecordId::of(&record.encode().unwrap());
            self.0.push((id, record));
            id
        }

        /// Checks the decision about Tate's line, in two orders of the set.
        fn check(&self, mode: Mode, title: &str, expected: &Decision) {
            let mut set = self.0.clone();
            assert_eq!(&decide(mode, &TATE, &line(title), Some(&set)), expected);
            set.reverse();
            assert_eq!(&decide(mode, &TATE, &line(title), Some(&set)), expected);
        }
    }

    fn replaces(previous: &[RecordId]) -> Decision {
        Decision::Update {
            previous: BTreeSet::from_iter(previous.iter().copied())
                .into_iter()
                .collect(),
        }
    }

    #[test]
    fn an_unknown_canonical_is_inserted() {
        for mode in [Mode::Replace, Mode::Accumulate] {
            assert_eq!(decide(mode, &TATE, &line("a"), None), Decision::Insert);
        }
    }

    #[test]
    fn a_canonical_without_own_updates_gets_an_update() {
        let mut set = Set::default();
        set.check(Mode::Replace, "a", &replaces(&[]));
        set.says(CMOA, "a", &[]);
        set.check(Mode::Replace, "a", &replaces(&[]));
        set.check(Mode::Accumulate, "a", &replaces(&[]));
    }

    #[test]
    fn saying_it_again_changes_nothing() {
        let mut set = Set::default();
        set.says(TATE, "a", &[]);
        set.check(Mode::Replace, "a", &Decision::Unchanged);
        set.check(Mode::Accumulate, "a", &Decision::Unchanged);
    }

    #[test]
    fn a_changed_record_replaces_only_heads_of_its_publisher() {
        let mut set = Set::default();
        let a = set.says(TATE, "a", &[]);
        let b = set.says(TATE, "b", &[]);
        set.says(CMOA, "c", &[]);
        set.check(Mode::Replace, "d", &replaces(&[a, b]));
        set.check(Mode::Accumulate, "d", &replaces(&[]));
    }

    #[test]
    fn a_value_that_flips_back_is_repeated_in_replace_mode() {
        let mut set = Set::default();
        let a = set.says(TATE, "a", &[]);
        let b = set.says(TATE, "b", &[a]);
        set.check(Mode::Replace, "a", &replaces(&[b]));
        set.check(Mode::Accumulate, "a", &Decision::Unchanged);
    }

    #[test]
    fn what_was_taken_back_is_said_again_unless_records_accumulate() {
        let mut set = Set::default();
        let a = set.says(TATE, "a", &[]);
        set.takes_back(CMOA, a);
        set.check(Mode::Replace, "a", &Decision::Unchanged);
        set.takes_back(TATE, a);
        set.check(Mode::Replace, "a", &replaces(&[]));
        set.check(Mode::Accumulate, "a", &Decision::Unchanged);
    }

    #[test]
    fn name_meta_and_links_all_count() {
        let same = line("a");
        let update = same.clone().update(TATE, 0, Vec::new());
        assert!(same.is_said_by(&update));
        assert!(!same.is_said_by(&Update {
            name: None,
            ..update.clone()
        }));
        assert!(!same.is_said_by(&Update {
            meta: BTreeMap::new(),
            ..update.clone()
        }));
        let previous = vec![RecordId::new([3; 32])];
        assert!(same.is_said_by(&Update {
            previous,
            timestamp_ms: 9,
            ..update
        }));
    }

    #[test]
    fn no_update_replaces_more_than_it_may() {
        let mut set = Set::default();
        let mut ids: Vec<_> = (0..=RECORD_PREVIOUS_MAX)
            .map(|n| set.says(TATE, &n.to_string(), &[]))
            .collect();
        ids.sort();
        set.check(Mode::Replace, "a", &replaces(&ids[..RECORD_PREVIOUS_MAX]));
    }
}
