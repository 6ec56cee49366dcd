//! Deciding what each line of a batch changes, in the order of the file.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use bytes::Bytes;
use kittengrad_client::submit::Draft;
use kittengrad_client_core::{
    ingest::{Decision, decide},
    map::{Mapped, Mode, Refusal},
};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::{Record, Summary, check},
};

use super::{
    batch::Fate,
    sets::{Known, Sets},
};

/// What `decide` needs to know of a canonical: statements of the one publisher, or `None` if nobody has it.
pub(super) type Set = Option<Vec<(RecordId, Record)>>;

/// What a batch changes.
pub(super) struct Decided {
    /// To be submitted, in any order.
    pub(super) drafts: Vec<Draft>,
    /// One for each line, as if everything were acknowledged.
    pub(super) fates: Vec<Fate>,
    /// The line that each update came of.
    updates: HashMap<RecordId, usize>,
    /// The sets of the canonicals that change, with what is said anew.
    pub(super) changed: HashMap<RecordId, Set>,
}

impl Decided {
    /// An update was not acknowledged.
    pub(super) fn refuse(&mut self, update: &RecordId, why: &str) {
        if let Some(line) = self.updates.get(update) {
            self.fates[*line] = Fate::Refused(why.to_owned());
        }
    }

    /// No update was acknowledged.
    pub(super) fn refuse_all(&mut self, why: &str) {
        for line in self.updates.values() {
            self.fates[*line] = Fate::Refused(why.to_owned());
        }
    }
}

/// Whose lines these are, how they are decided, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Speaker {
    pub(super) publisher: PublicKey,
    pub(super) mode: Mode,
    /// Unix milliseconds.
    pub(super) now_ms: u64,
}

/// Decides all lines. `said` are sets that are newer than those the network gave.
pub(super) fn decide_all(
    speaker: &Speaker,
    mapped: Vec<Result<Mapped, Refusal>>,
    known: Sets,
    said: HashMap<RecordId, Set>,
) -> Decided {
    let mut states: HashMap<RecordId, State> = HashMap::with_capacity(known.len());
    states.extend(
        known
            .into_iter()
            .map(|(canonical, known)| (canonical, State::new(speaker, known))),
    );
    states.extend(
        said.into_iter()
            .map(|(canonical, set)| (canonical, State::Known { set, said_ms: None })),
    );
    let mut decided = Decided {
        drafts: Vec::new(),
        fates: Vec::with_capacity(mapped.len()),
        updates: HashMap::new(),
        changed: HashMap::new(),
    };
    for mapped in mapped {
        let line = decided.fates.len();
        let fate = match mapped {
            Err(refusal) => Fate::Refused(refusal.to_string()),
            Ok(mapped) => match states.entry(mapped.canonical_id) {
                Entry::Vacant(_) => {
                    Fate::Refused("nobody was asked about its canonical".to_owned())
                }
                Entry::Occupied(mut state) => {
                    let (fate, draft) = state.get_mut().take(speaker, mapped);
                    if let Some((update, draft)) = draft {
                        decided.updates.insert(update, line);
                        decided.drafts.push(draft);
                    }
                    fate
                }
            },
        };
        decided.fates.push(fate);
    }
    let changed = states
        .into_iter()
        .filter_map(|(canonical, state)| match state {
            State::Known {
                set,
                said_ms: Some(_),
            } => Some((canonical, set)),
            _ => None,
        });
    decided.changed = changed.collect();
    decided
}

/// What is known of a canonical, lines of this batch included.
enum State {
    Known {
        set: Set,
        /// When the last update of this batch says that it was said.
        said_ms: Option<u64>,
    },
    Unreachable(Arc<str>),
}

impl State {
    fn new(speaker: &Speaker, known: Known) -> Self {
        match known {
            Known::Absent => Self::Known {
                set: None,
                said_ms: None,
            },
            Known::Set(statements) => {
                let own = statements
                    .into_iter()
                    .filter_map(|(id, bytes)| own(speaker, id, &bytes));
                Self::Known {
                    set: Some(own.collect()),
                    said_ms: None,
                }
            }
            Known::Unreachable(why) => Self::Unreachable(why),
        }
    }

    /// Decides one line, and notes what it says for those that follow.
    fn take(&mut self, speaker: &Speaker, mapped: Mapped) -> (Fate, Option<(RecordId, Draft)>) {
        let (set, said_ms) = match self {
            Self::Known { set, said_ms } => (set, said_ms),
            Self::Unreachable(why) => return (Fate::Refused(why.to_string()), None),
        };
        let (fate, previous, insert) =
            match decide(speaker.mode, &speaker.publisher, &mapped, set.as_deref()) {
                Decision::Unchanged => return (Fate::Unchanged, None),
                Decision::Insert => (
                    Fate::Inserted,
                    Vec::new(),
                    Some(mapped.canonical_bytes.clone()),
                ),
                Decision::Update { previous } => (Fate::Updated, previous, None),
            };
        let canonical = mapped.canonical_id;
        // What is said later on one canonical is also dated later.
        let timestamp_ms = said_ms.map_or(speaker.now_ms, |last| {
            speaker.now_ms.max(last.saturating_add(1))
        });
        let update = mapped.update(speaker.publisher, timestamp_ms, previous);
        let bytes = match update.encode() {
            Ok(bytes) => bytes,
            Err(error) => return (Fate::Refused(error.to_string()), None),
        };
        let id = RecordId::of(&bytes);
        *said_ms = Some(timestamp_ms);
        set.get_or_insert_default()
            .push((id, Record::Update(update)));
        (
            fate,
            Some((
                id,
                Draft {
                    canonical,
                    insert,
                    updates: vec![bytes],
                },
            )),
        )
    }
}

/// The record, if it is the speaker's own: nobody else's decides anything here.
fn own(speaker: &Speaker, id: RecordId, bytes: &Bytes) -> Option<(RecordId, Record)> {
    match check(bytes) {
        Ok(Summary::Statement { publisher, .. }) if publisher == speaker.publisher => {
            Record::decode(bytes).ok().map(|record| (id, record))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_client_core::map::Map;

    use super::*;

    const TATE: PublicKey = PublicKey::new([1; 32]);
    const CMOA: PublicKey = PublicKey::new([2; 32]);

    /// What the network knows, and a batch of lines `(id, title)`.
    struct Scene {
        mode: Mode,
        sets: Sets,
    }

    impl Scene {
        fn new(mode: Mode) -> Self {
            Self {
                mode,
                sets: Sets::new(),
            }
        }

        fn mapped(id: u64, title: &str) -> Mapped {
            let map =
                "publisher = 'tate'\ntype = 'artefact'\nid = 'tate:artwork:{/id}'\nname = '/title'";
            let line = format!(r#"{{"id":{id},"title":"{title}"}}"#);
            Map::parse(map).unwrap().apply(line.as_bytes()).unwrap()
        }

        /// Somebody said this before.
        fn said(mut self, publisher: PublicKey, id: u64, title: &str) -> Self {
            let mapped = Self::mapped(id, title);
            let canonical = mapped.canonical_id;
            let bytes = mapped.update(publisher, 5, Vec::new()).encode().unwrap();
            let set = self.sets.entry(canonical).or_insert(Known::Set(Vec::new()));
            if let Known::Set(set) = set {
                set.push((RecordId::of(&bytes), bytes));
            }
            self
        }

        fn decide(&self, lines: &[(u64, &str)]) -> Decided {
            let mapped: Vec<_> = lines
                .iter()
                .map(|(id, title)| Self::mapped(*id, title))
                .collect();
            let mut sets = self.sets.clone();
            for mapped in &mapped {
                sets.entry(mapped.canonical_id).or_insert(Known::Absent);
            }
            let speaker = Speaker {
                publisher: TATE,
                mode: self.mode,
                now_ms: 100,
            };
            decide_all(
                &speaker,
                mapped.into_iter().map(Ok).collect(),
                sets,
                HashMap::new(),
            )
        }

        fn check(&self, lines: &[(u64, &str)], expected: &[Fate]) -> Vec<Record> {
            let decided = self.decide(lines);
            assert_eq!(decided.fates, expected);
            let updates = decided.drafts.iter().flat_map(|draft| &draft.updates);
            updates
                .map(|bytes| Record::decode(bytes).unwrap())
                .collect()
        }
    }

    use Fate::{Inserted, Unchanged, Updated};

    #[test]
    fn a_line_is_decided_by_what_its_publisher_said_before() {
        let scene = Scene::new(Mode::Replace)
            .said(TATE, 1, "a")
            .said(CMOA, 2, "b");
        scene.check(
            &[(1, "a"), (2, "b"), (3, "c")],
            &[Unchanged, Updated, Inserted],
        );
    }

    #[test]
    fn of_lines_about_one_thing_the_later_replaces_the_earlier() {
        let updates = Scene::new(Mode::Replace).check(
            &[(1, "a"), (1, "b"), (1, "b")],
            &[Inserted, Updated, Unchanged],
        );
        let [Record::Update(first), Record::Update(second)] = &updates[..] else {
            panic!("two updates")
        };
        let first_id = RecordId::of(&first.encode().unwrap());
        assert_eq!(
            (&first.previous[..], &second.previous[..]),
            (&[][..], &[first_id][..])
        );
        assert!(first.timestamp_ms < second.timestamp_ms);
    }

    #[test]
    fn lines_that_accumulate_stand_side_by_side_and_equal_ones_are_said_once() {
        let scene = Scene::new(Mode::Accumulate).said(TATE, 2, "a");
        let lines = [(1, "a"), (1, "b"), (1, "a"), (2, "a"), (2, "b")];
        let updates = scene.check(&lines, &[Inserted, Updated, Unchanged, Unchanged, Updated]);
        assert!(
            updates
                .iter()
                .all(|record| matches!(record, Record::Update(u) if u.previous.is_empty()))
        );
    }

    #[test]
    fn only_the_line_that_inserts_brings_the_canonical() {
        let decided = Scene::new(Mode::Accumulate).decide(&[(1, "a"), (1, "b")]);
        let inserts: Vec<_> = decided
            .drafts
            .iter()
            .map(|draft| draft.insert.is_some())
            .collect();
        assert_eq!(inserts, [true, false]);
    }

    #[test]
    fn a_refused_line_leaves_the_others_as_they_are() {
        let mut scene = Scene::new(Mode::Replace);
        scene.sets.insert(
            Scene::mapped(2, "").canonical_id,
            Known::Unreachable("down".into()),
        );
        let refused = || Fate::Refused("down".to_owned());
        scene.check(
            &[(1, "a"), (2, "b"), (2, "c"), (3, "d")],
            &[Inserted, refused(), refused(), Inserted],
        );
    }

    #[test]
    fn what_is_not_acknowledged_is_refused_with_its_line() {
        let mut decided =
            Scene::new(Mode::Replace)
                .said(TATE, 1, "a")
                .decide(&[(1, "a"), (2, "b"), (3, "c")]);
        let second = RecordId::of(&decided.drafts[0].updates[0]);
        decided.refuse(&second, "no disk");
        assert_eq!(
            decided.fates,
            [Unchanged, Fate::Refused("no disk".to_owned()), Inserted]
        );
        decided.refuse_all("nobody");
        let refused = Fate::Refused("nobody".to_owned());
        assert_eq!(decided.fates, [Unchanged, refused.clone(), refused]);
    }

    #[test]
    fn a_dry_run_remembers_what_earlier_batches_would_have_said() {
        let scene = Scene::new(Mode::Replace);
        let first = scene.decide(&[(1, "a")]);
        let canonical = Scene::mapped(1, "").canonical_id;
        let sets = Sets::from([(canonical, Known::Absent)]);
        let speaker = Speaker {
            publisher: TATE,
            mode: Mode::Replace,
            now_ms: 200,
        };
        let lines = vec![Ok(Scene::mapped(1, "a")), Ok(Scene::mapped(1, "b"))];
        let second = decide_all(&speaker, lines, sets, first.changed);
        assert_eq!(second.fates, [Unchanged, Updated]);
    }
}
