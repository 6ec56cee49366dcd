//! A walk over an arc meets each element once, in the order of the ring, page by page, even during commits.

use std::collections::BTreeSet;

use kittengrad_journal::{ElementPage, Locator, RowKey, Store, Write};
use kittengrad_proto::{id::RecordId, transaction::Element};
use kittengrad_ring::{KeyRange, Point};
use proptest::{collection::vec, sample::select};

use super::{
    Subject,
    model::{Model, place},
    names::{arcs, element_write, elements},
    run,
};

const AT: Locator = Locator {
    incarnation: 1,
    height: 2,
    index: 3,
};

/// Walks over every arc between the names, with pages of every length, and also from elements that are not in the
/// store.
pub fn a_walk_goes_round_the_ring<S: Subject>(make: impl Fn() -> S) {
    let (mut subject, mut model) = (make(), Model::default());
    let here = |element: &Element| {
        element
            .update
            .is_none_or(|update| update != RecordId::new([0; 32]))
    };
    let writes: Vec<_> = elements()
        .into_iter()
        .filter(here)
        .map(|element| Write::Element(element, AT))
        .collect();
    check_empty(subject.store());
    model.commit(&writes);
    subject.commit(writes);
    check_neighbours(subject.store());
    for arc in arcs() {
        let expected = model.walk(arc);
        for limit in [1, 2, 7, expected.len().max(1), expected.len() + 1] {
            assert_eq!(
                walk(subject.store(), arc, limit),
                expected,
                "{arc}, {limit}"
            );
        }
        check_resuming(subject.store(), arc, &expected);
    }
}

/// A page limit of 0 must not resume, or the walk would never end.
fn check_empty(store: &dyn Store) {
    for arc in arcs() {
        for limit in [0, 1, usize::MAX] {
            let page = store.walk(arc, None, limit);
            assert_eq!(page, Ok(ElementPage::default()), "{arc}");
        }
    }
}

/// An arc includes its last point, and excludes a canonical one point further.
fn check_neighbours(store: &dyn Store) {
    let [before, at, behind] = [0x7e, 0x7f, 0x80].map(|last| {
        let mut point = [0x7f; 32];
        point[31] = last;
        Point::new(point)
    });
    let canonicals = |arc| {
        let met = walk(store, arc, 3);
        BTreeSet::from_iter(met.iter().map(|(element, _)| element.canonical.point()))
    };
    assert_eq!(canonicals(KeyRange::new(before, at)), [at].into());
    assert_eq!(
        canonicals(KeyRange::new(before, behind)),
        [at, behind].into()
    );
    assert_eq!(canonicals(KeyRange::new(at, behind)), [behind].into());
    let none = KeyRange::new(Point::new([0x20; 32]), Point::new([0x60; 32]));
    assert_eq!(canonicals(none), [].into());
}

/// A walk resumes after any element of its arc. After an element outside the arc there is nothing.
fn check_resuming(store: &dyn Store, arc: KeyRange, expected: &[(Element, Locator)]) {
    for after in elements() {
        let is_inside = arc.contains(after.canonical.point());
        let is_left =
            |(element, _): &&(Element, _)| is_inside && place(arc, element) > place(arc, &after);
        let left: Vec<_> = expected.iter().filter(is_left).copied().collect();
        let page = store.walk(arc, Some(&after), 0).unwrap();
        assert_eq!(
            page.rows[..],
            left[..left.len().min(1)],
            "{arc} after {after:?}"
        );
        assert_eq!(
            page.resume.is_some(),
            left.len() > 1,
            "{arc} after {after:?}"
        );
        let page = store.walk(arc, Some(&after), usize::MAX).unwrap();
        assert_eq!(page.rows, left, "{arc} after {after:?}");
    }
}

/// Walks over an arc while elements are written and removed between any two pages.
pub fn a_walk_goes_on_after_commits<S: Subject>(cases: u32, make: impl Fn() -> S) {
    let commits = vec(vec(element_write(), 0..8), 1..20);
    let walks = (commits, select(arcs()), 1..5_usize);
    run(cases, &walks, |(commits, arc, limit)| {
        let (mut subject, mut model) = (make(), Model::default());
        let mut commits = commits.into_iter();
        let mut commit = |subject: &mut S| {
            let writes = commits.next().unwrap_or_default();
            model.commit(&writes);
            subject.commit(writes);
            BTreeSet::from_iter(model.walk(arc).into_iter().map(|(element, _)| element))
        };
        let mut always = commit(&mut subject);
        let mut ever = always.clone();
        let mut met = Vec::new();
        let mut after: Option<Element> = None;
        loop {
            let page = subject.store().walk(arc, after.as_ref(), limit).unwrap();
            assert!(page.rows.len() <= limit, "a page is too long");
            met.extend(page.rows.into_iter().map(|(element, _)| element));
            after = page.resume;
            if after.is_none() {
                break;
            }
            let now = commit(&mut subject);
            always.retain(|element| now.contains(element));
            ever.extend(now);
        }
        let places: Vec<_> = met.iter().map(|element| place(arc, element)).collect();
        assert!(places.is_sorted_by(|a, b| a < b), "{arc}: {met:?}");
        let met = BTreeSet::from_iter(met);
        assert!(met.is_superset(&always), "{arc}: {always:?} of {met:?}");
        assert!(met.is_subset(&ever), "{arc}: {met:?} of {ever:?}");
    });
}

/// Removes every page of a walk before reading the next one, for every arc.
pub fn a_dropped_arc_leaves_the_rest<S: Subject>(make: impl Fn() -> S) {
    let all = elements();
    let mut subject = make();
    for arc in arcs() {
        let rows = all.iter().map(|element| Write::Element(*element, AT));
        subject.commit(rows.collect());
        let mut after: Option<Element> = None;
        loop {
            let page = subject.store().walk(arc, after.as_ref(), 4).unwrap();
            let keys = page
                .rows
                .iter()
                .map(|(element, _)| RowKey::Element(*element));
            subject.commit(keys.map(Write::Remove).collect());
            after = page.resume;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(walk(subject.store(), arc, 4), [], "{arc}");
        let mut rest = all.clone();
        rest.retain(|element| !arc.contains(element.canonical.point()));
        let left = walk(subject.store(), KeyRange::new(Point::MAX, Point::MAX), 5);
        let left: Vec<_> = left.into_iter().map(|(element, _)| element).collect();
        assert_eq!(left, rest, "{arc}");
    }
}

/// All rows of a walk.
fn walk(store: &dyn Store, arc: KeyRange, limit: usize) -> Vec<(Element, Locator)> {
    let mut rows = Vec::new();
    let mut after: Option<Element> = None;
    loop {
        let page = store.walk(arc, after.as_ref(), limit).unwrap();
        assert!(page.rows.len() <= limit, "a page is too long");
        rows.extend(page.rows);
        after = page.resume;
        if after.is_none() {
            return rows;
        }
    }
}
