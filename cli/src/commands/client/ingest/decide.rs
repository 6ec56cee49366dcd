//! Decides the changes of each line of a batch, in the order of the file.

use std::collections::{HashMap, HashSet};

use kittengrad_client::submit::Draft;
use kittengrad_client_core::map::{Mapped, Refusal};
use kittengrad_proto::id::RecordId;

use super::{
    batch::Fate,
    sets::Sets,
    state::{Set, Speaker, State, Taken},
};

/// The changes of a batch.
pub(super) struct Decided {
    /// To be submitted, in any order.
    pub(super) drafts: Vec<Draft>,
    /// One for each line, as if everything were acknowledged.
    pub(super) fates: Vec<Fate>,
    /// The dependencies of each fate.
    rests: Vec<Rest>,
    /// The state of the canonicals, including the changes.
    states: HashMap<RecordId, State>,
}

/// The update of a line, and the updates of earlier lines in the batch that it depends on: those that it replaces, or
/// one with the same content.
#[derive(Debug, Default)]
struct Rest {
    update: Option<RecordId>,
    on: Vec<RecordId>,
}

impl Decided {
    /// These updates were not acknowledged, each for its reason: their lines are refused, and those that rest on them.
    pub(super) fn refuse(&mut self, mut refused: HashMap<RecordId, String>) {
        for (fate, rest) in self.fates.iter_mut().zip(&self.rests) {
            let own = rest.update.as_ref().and_then(|update| refused.get(update));
            let (why, said) = match (own, rest.on.iter().find_map(|on| refused.get(on))) {
                (Some(why), _) => (why.clone(), why.clone()),
                (None, Some(why)) => {
                    let said =
                        format!("an earlier line that this one depends on is refused: {why}");
                    (why.clone(), said)
                }
                (None, None) => continue,
            };
            *fate = Fate::Refused(said);
            if let Some(update) = rest.update {
                refused.insert(update, why);
            }
        }
        for state in self.states.values_mut() {
            state.forget(&refused);
        }
    }

    /// No update was acknowledged.
    pub(super) fn refuse_all(&mut self, why: &str) {
        let updates = self.rests.iter().filter_map(|rest| rest.update);
        self.refuse(updates.map(|update| (update, why.to_owned())).collect());
    }

    /// The sets of the canonicals that change, including the changes.
    pub(super) fn changed(self) -> impl Iterator<Item = (RecordId, Set)> {
        let states = self.states.into_iter();
        states.filter_map(|(canonical, state)| match state {
            State::Known {
                set,
                said_ms: Some(_),
            } => Some((canonical, set)),
            _ => None,
        })
    }

    /// All updates of the publisher about these canonicals, after they were acknowledged.
    pub(super) fn said(&self) -> impl Iterator<Item = (RecordId, Vec<RecordId>)> {
        let states = self.states.iter();
        states.filter_map(|(canonical, state)| match state {
            State::Known { set: Some(set), .. } if !set.is_empty() => {
                Some((*canonical, set.iter().map(|(id, _)| *id).collect()))
            }
            _ => None,
        })
    }
}

/// Decides all lines. `said` are sets that are newer than those in `known`.
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
        rests: Vec::with_capacity(mapped.len()),
        states,
    };
    // The changes of earlier lines in this batch.
    let mut new = HashSet::new();
    for mapped in mapped {
        let (fate, rest) = match mapped {
            Err(refusal) => (Fate::Refused(refusal.to_string()), Rest::default()),
            Ok(mapped) => match decided.states.get_mut(&mapped.canonical_id) {
                None => (
                    Fate::Refused("its canonical was not looked up".to_owned()),
                    Rest::default(),
                ),
                Some(state) => {
                    let Taken {
                        fate,
                        draft,
                        mut on,
                    } = state.take(speaker, mapped);
                    on.retain(|update| new.contains(update));
                    let update = draft.as_ref().map(|(update, _)| *update);
                    new.extend(update);
                    decided.drafts.extend(draft.map(|(_, draft)| draft));
                    (fate, Rest { update, on })
                }
            },
        };
        decided.fates.push(fate);
        decided.rests.push(rest);
    }
    decided
}

#[cfg(test)]
mod tests {
    use kittengrad_client_core::map::{Map, Mode};
    use kittengrad_proto::{id::PublicKey, record::Record};

    use super::{super::sets::Known, *};

    const TATE: PublicKey = PublicKey::new([1; 32]);
    const CMOA: PublicKey = PublicKey::new([2; 32]);

    /// The sets in the network, for batches of lines `(id, title)`.
    struct Scene {
        mode: Mode,
        is_first_word: bool,
        sets: Sets,
    }

    impl Scene {
        fn new(mode: Mode) -> Self {
            Self {
                mode,
                is_first_word: false,
                sets: Sets::new(),
            }
        }

        fn mapped(id: u64, title: &str) -> Mapped {
            let map =
                "publisher = 'tate'\ntype = 'artefact'\nid = 'tate:artwork:{/id}'\nname = '/title'";
            let line = format!(r#"{{"id":{id},"title":"{title}"}}"#);
            Map::parse(map).unwrap().apply(line.as_bytes()).unwrap()
        }

        /// Adds an update of `publisher` to the network.
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
                is_first_word: self.is_first_word,
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
    fn accumulating_lines_coexist_and_equal_ones_count_once() {
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
        decided.refuse(HashMap::from([(second, "no disk".to_owned())]));
        assert_eq!(
            decided.fates,
            [Unchanged, Fate::Refused("no disk".to_owned()), Inserted]
        );
        decided.refuse_all("nobody");
        let refused = Fate::Refused("nobody".to_owned());
        assert_eq!(decided.fates, [Unchanged, refused.clone(), refused]);
    }

    /// Refuses the update of one draft, and gives the fates as words.
    fn refuse(mut decided: Decided, draft: usize) -> Vec<&'static str> {
        let update = RecordId::of(&decided.drafts[draft].updates[0]);
        decided.refuse(HashMap::from([(update, "no disk".to_owned())]));
        let fates = decided.fates.iter().map(|fate| match fate {
            Inserted => "inserted",
            Updated => "updated",
            Unchanged => "unchanged",
            Fate::Refused(why) if why == "no disk" => "refused",
            Fate::Refused(_) => "rests on it",
        });
        fates.collect()
    }

    #[test]
    fn a_line_that_rests_on_a_refused_one_is_refused_too() {
        let lines = [(1, "a"), (1, "a"), (1, "b"), (1, "b"), (2, "a")];
        let replaced = Scene::new(Mode::Replace).decide(&lines);
        let rests = "rests on it";
        assert_eq!(
            refuse(replaced, 0),
            ["refused", rests, rests, rests, "inserted"]
        );
        let accumulated = Scene::new(Mode::Accumulate).decide(&lines);
        assert_eq!(
            refuse(accumulated, 0),
            ["refused", rests, "updated", "unchanged", "inserted"]
        );
        let later = Scene::new(Mode::Replace).decide(&lines);
        assert_eq!(
            refuse(later, 1),
            ["inserted", "unchanged", "refused", rests, "inserted"]
        );
    }

    #[test]
    fn a_line_that_says_what_was_said_before_rests_on_nobody() {
        let scene = Scene::new(Mode::Replace).said(TATE, 1, "a");
        let decided = scene.decide(&[(1, "a"), (1, "b"), (1, "a")]);
        assert_eq!(refuse(decided, 0), ["unchanged", "refused", "rests on it"]);
    }

    #[test]
    fn a_first_word_is_said_only_where_nothing_was() {
        let mut scene = Scene::new(Mode::Replace)
            .said(TATE, 1, "mine")
            .said(CMOA, 2, "theirs");
        scene.is_first_word = true;
        scene.check(
            &[(1, "a"), (2, "a"), (3, "a")],
            &[Unchanged, Updated, Inserted],
        );
    }

    #[test]
    fn what_is_said_in_the_end_is_all_but_what_was_refused() {
        let mut decided = Scene::new(Mode::Accumulate)
            .said(TATE, 1, "a")
            .decide(&[(1, "b"), (2, "c")]);
        let said = |decided: &Decided| {
            let mut said: Vec<_> = decided.said().map(|(_, updates)| updates.len()).collect();
            said.sort_unstable();
            said
        };
        assert_eq!(said(&decided), [1, 2]);
        let update = RecordId::of(&decided.drafts[0].updates[0]);
        decided.refuse(HashMap::from([(update, "no disk".to_owned())]));
        assert_eq!(said(&decided), [1, 1]);
        decided.refuse_all("nobody");
        assert_eq!(said(&decided), [1]);
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
            is_first_word: false,
            now_ms: 200,
        };
        let lines = vec![Ok(Scene::mapped(1, "a")), Ok(Scene::mapped(1, "b"))];
        let second = decide_all(&speaker, lines, sets, first.changed().collect());
        assert_eq!(second.fates, [Unchanged, Updated]);
    }
}
