//! Every answer of a store equals the model's after every commit.

use bytes::Bytes;
use kittengrad_journal::{Store, Write};
use kittengrad_proto::{
    block::{Head, Header},
    id::{Id, RecordId},
};
use proptest::{collection::vec, prelude::*};

use super::{
    Subject,
    model::Model,
    names::{HEIGHTS, INCARNATIONS, arcs, digests, elements, state_keys, write},
    run,
};

/// A step of a test: a commit, or a reopening of the store.
#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<Write>),
    Reopen,
}

/// Sequences of commits and reopenings.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let commit = vec(write(), 0..20).prop_map(Step::Commit);
    vec(prop_oneof![4 => commit, 1 => Just(Step::Reopen)], 1..12)
}

/// Performs random steps, and compares every answer with the model's after each step.
pub fn answers_as_the_model_does<S: Subject>(cases: u32, make: impl Fn() -> S) {
    run(cases, &steps(), |steps| {
        let (mut subject, mut model) = (make(), Model::default());
        compare(subject.store(), &model);
        for step in steps {
            match step {
                Step::Commit(writes) => {
                    model.commit(&writes);
                    subject.commit(writes);
                }
                Step::Reopen => subject.reopen(),
            }
            compare(subject.store(), &model);
        }
    });
}

/// Compares every answer of the store with the model's.
pub(super) fn compare(store: &dyn Store, model: &Model) {
    let elements = elements();
    let backwards: Vec<_> = elements.iter().rev().copied().collect();
    let twice: Vec<_> = elements.iter().flat_map(|element| [*element; 2]).collect();
    for asked in [&elements, &backwards, &twice, &Vec::new()] {
        let expected: Vec<_> = asked.iter().map(|element| model.has(element)).collect();
        assert_eq!(store.contains(asked), Ok(expected));
    }
    for element in elements {
        assert_eq!(store.locate(&element), Ok(model.locate(&element)));
    }
    for canonical in digests().map(RecordId::new) {
        let expected = model.set(canonical);
        assert_eq!(store.exists(&canonical), Ok(expected.is_some()));
        assert_eq!(store.set(&canonical), Ok(expected.clone()));
        compare_pages(store, &canonical, expected);
    }
    for arc in arcs() {
        let page = store.walk(arc, None, usize::MAX).unwrap();
        assert_eq!(page.rows, model.walk(arc), "{arc}");
        assert_eq!(page.resume, None, "{arc}");
    }
    compare_bytes(store, model);
    compare_blocks(store, model);
}

/// Compares every page of every length, from the beginning and after any update, whether the set has the update or not.
fn compare_pages(store: &dyn Store, canonical: &RecordId, set: Option<Vec<RecordId>>) {
    for after in digests()
        .map(RecordId::new)
        .into_iter()
        .map(Some)
        .chain([None])
    {
        for limit in [0, 1, 2, usize::MAX] {
            let expected = set.clone().map(|mut updates| {
                updates.retain(|update| after.is_none_or(|after| *update > after));
                updates.truncate(limit);
                updates
            });
            let page = store.set_page(canonical, after.as_ref(), limit);
            assert_eq!(page, Ok(expected), "after {after:?}, {limit} at most");
        }
    }
}

fn compare_blocks(store: &dyn Store, model: &Model) {
    for (incarnation, height) in INCARNATIONS
        .into_iter()
        .flat_map(|i| HEIGHTS.map(|h| (i, h)))
    {
        let expected = model.block(incarnation, height);
        assert_eq!(store.block(incarnation, height), Ok(expected));
    }
    let incarnations = model.incarnations();
    let head: Option<Head> = incarnations.last().map(Header::head);
    assert_eq!(store.incarnations(), Ok(incarnations));
    assert_eq!(store.head(), Ok(head));
}

fn compare_bytes(store: &dyn Store, model: &Model) {
    let mut ids: Vec<_> = digests().map(Id::new).to_vec();
    let mut records: Vec<_> = digests().map(RecordId::new).to_vec();
    for _ in 0..2 {
        let expected: Vec<_> = ids.iter().map(|id| model.transaction(*id)).collect();
        let here: Vec<_> = expected.iter().map(Option::is_some).collect();
        assert_eq!(store.transactions(&ids), Ok(expected));
        assert_eq!(store.has_transactions(&ids), Ok(here));
        let expected: Vec<Option<Bytes>> = records.iter().map(|id| model.record(*id)).collect();
        assert_eq!(store.records(&records), Ok(expected));
        ids.reverse();
        records.reverse();
    }
    for id in ids {
        assert_eq!(store.chain(&id), Ok(model.chain(id)));
    }
    for key in state_keys() {
        assert_eq!(store.state(&key), Ok(model.state(&key)));
        let states = model.states(&key);
        assert_eq!(store.states(&key), Ok(states.clone()), "{key:?}");
        compare_state_pages(store, &key, &states);
    }
}

/// Compares every page of every length, from the beginning and after any key, whether the store has the key or not.
fn compare_state_pages(store: &dyn Store, prefix: &Bytes, states: &[(Bytes, Bytes)]) {
    for after in state_keys().into_iter().map(Some).chain([None]) {
        for limit in [0, 1, 2, usize::MAX] {
            let left = |(key, _): &&(Bytes, Bytes)| after.as_ref().is_none_or(|after| key > after);
            let expected: Vec<_> = states.iter().filter(left).take(limit).cloned().collect();
            let page = store.states_page(prefix, after.as_deref(), limit);
            assert_eq!(
                page,
                Ok(expected),
                "{prefix:?} after {after:?}, {limit} at most"
            );
        }
    }
}
