//! Documents as folds of sets.

use std::collections::BTreeMap;

use bytes::Bytes;
use ipld_core::ipld::Ipld;
use kittengrad_client_core::view::{
    document::{Claim, Document},
    fold::fold,
};
use kittengrad_indexer_core::{Fetched, Input, document_hash, searched_text, summary};
use kittengrad_proto::{
    heads::Standing,
    id::RecordId,
    limits::RECORD_BYTES_MAX,
    record::{CanonicalType, Link, Record},
    transaction::Element,
};
use kittengrad_support::samples::named;
use proptest::prelude::*;

use crate::world::{CMOA, Driver, TATE, block, canonical, retraction, update};

fn folded(records: &[Record]) -> Document {
    let (of, record) = canonical(0);
    let set = records
        .iter()
        .map(named)
        .map(|(id, bytes)| (id, Some(bytes)))
        .collect();
    fold(of, Some(&record), &set)
}

#[test]
fn publishers_who_disagree_coexist_and_the_newest_names() {
    let (of, _) = canonical(0);
    let tate = update(of, TATE, 5, "Snow Storm", &[]);
    let cmoa = update(of, CMOA, 3, "Snowstorm", &[]);
    let document = folded(&[Record::Update(tate), Record::Update(cmoa)]);
    assert_eq!(document.kind(), Some(CanonicalType::Artefact));
    assert_eq!(document.identifier(), Some("test:0"));
    assert_eq!(document.name(), Some("Snow Storm"));
    assert_eq!(
        document.names().collect::<Vec<_>>(),
        ["Snow Storm", "Snowstorm"]
    );
    assert_eq!(document.publishers(), [TATE, CMOA].into());
    assert_eq!(document.updated_ms(), Some(5));
    assert_eq!(
        searched_text(&document),
        "Snow Storm\nSnowstorm\nSnow Storm\nSnowstorm\ntest:0\n"
    );
}

#[test]
fn what_was_replaced_or_retracted_is_shown_and_not_searched() {
    let (of, _) = canonical(0);
    let old = Record::Update(update(of, TATE, 1, "Old", &[]));
    let new = Record::Update(update(of, TATE, 2, "New", &[named(&old).0]));
    let wrong = Record::Update(update(of, CMOA, 3, "Wrong", &[]));
    let back = retraction(of, CMOA, 4, named(&wrong).0);
    let opinion = retraction(of, CMOA, 5, named(&new).0);
    let document = folded(&[opinion, back, wrong, new, old]);
    let standings = document
        .statements
        .iter()
        .map(|statement| match &statement.claim {
            Claim::Update { standing, .. } => format!("{standing:?}"),
            Claim::Retraction { is_effective, .. } => format!("retraction {is_effective}"),
            other => format!("{other:?}"),
        });
    let standings: Vec<String> = standings.collect();
    assert_eq!(
        standings,
        [
            "Replaced",
            "Head",
            "Retracted",
            "retraction true",
            "retraction false"
        ]
    );
    assert_eq!(document.names().collect::<Vec<_>>(), ["New"]);
    assert_eq!(document.publishers(), [TATE].into());
    assert_eq!(document.speakers(), [TATE, CMOA].into());
    assert!(!searched_text(&document).contains("Wrong"));
}

#[test]
fn a_summary_is_of_the_newest_head() {
    let (of, _) = canonical(0);
    let update = |publisher, timestamp_ms, name: &str, texts: [&str; 2]| {
        let mut update = update(of, publisher, timestamp_ms, name, &[]);
        let texts = texts.map(|text| Ipld::String(text.to_owned()));
        update
            .meta
            .insert("texts".to_owned(), Ipld::List(texts.into()));
        Record::Update(update)
    };
    let older = update(CMOA, 3, "Snowstorm", ["test:0", "gouache"]);
    let newer = update(TATE, 5, "Snow Storm", ["test:0", "oil paint"]);
    let document = folded(&[older, newer]);
    assert_eq!(
        summary(&document),
        "oil paint",
        "neither name nor identifier"
    );
    assert_eq!(summary(&folded(&[])), "");
}

#[test]
fn links_are_those_of_the_heads() {
    let (of, _) = canonical(0);
    let link = |to| {
        vec![Link {
            rel: "createdBy".to_owned(),
            to: canonical(to).0,
        }]
    };
    let mut old = update(of, TATE, 1, "Old", &[]);
    old.links = link(1);
    let old = Record::Update(old);
    let mut new = update(of, TATE, 2, "New", &[named(&old).0]);
    new.links = link(3);
    let document = folded(&[old, Record::Update(new)]);
    assert_eq!(
        document
            .links()
            .into_iter()
            .map(|link| link.to)
            .collect::<Vec<_>>(),
        [canonical(3).0]
    );
}

#[test]
fn an_absent_record_and_a_foreign_one_differ() {
    let (of, _) = canonical(0);
    let (elsewhere, _) = canonical(1);
    let (foreign, foreign_bytes) = named(&Record::Update(update(
        elsewhere,
        TATE,
        1,
        "Elsewhere",
        &[],
    )));
    let (known, known_bytes) = named(&Record::Update(update(of, TATE, 9, "Here", &[])));
    let absent = RecordId::of(b"absent");
    let set = BTreeMap::from([
        (foreign, Some(foreign_bytes)),
        (known, Some(known_bytes)),
        (absent, None),
        (RecordId::of(b"noise"), Some(Bytes::from_static(b"noise"))),
    ]);
    let document = fold(of, None, &set);
    assert_eq!(document.kind(), None);
    assert_eq!(document.names().collect::<Vec<_>>(), ["Here"]);
    assert!(matches!(
        &document.statements[0].claim,
        Claim::Update {
            standing: Standing::Head,
            ..
        }
    ));
    assert!(
        document.statements[1..3]
            .iter()
            .all(|statement| statement.claim == Claim::Unusable)
    );
    assert_eq!(
        (document.statements[3].id, &document.statements[3].claim),
        (absent, &Claim::Absent)
    );
}

#[test]
fn every_difference_between_documents_shows_in_their_hashes() {
    let (of, record) = canonical(0);
    let (id, bytes) = named(&Record::Update(update(of, TATE, 1, "Said", &[])));
    let back = named(&retraction(of, TATE, 2, id));
    let theirs = named(&retraction(of, CMOA, 2, id));
    let sets: [&[(RecordId, Option<Bytes>)]; 5] = [
        &[],
        &[(id, None)],
        &[(id, Some(bytes.clone()))],
        &[(id, Some(bytes.clone())), (back.0, Some(back.1))],
        &[(id, Some(bytes)), (theirs.0, Some(theirs.1))],
    ];
    let mut hashes = Vec::new();
    for set in sets {
        for record in [None, Some(&record[..])] {
            let set = set.iter().cloned().collect();
            hashes.push(document_hash(&fold(of, record, &set)));
            hashes.push(document_hash(&fold(canonical(1).0, record, &set)));
        }
    }
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn a_lookup_answers_for_what_is_absent_and_brings_nothing_else() {
    let (of, record) = canonical(0);
    let (id, bytes) = named(&Record::Update(update(of, TATE, 1, "Said", &[])));
    let stranger = named(&Record::Update(update(of, CMOA, 1, "Stranger", &[])));
    let mut driver = Driver::new();
    driver.block(&block(
        0,
        TATE,
        &[(
            Element {
                canonical: of,
                update: Some(id),
            },
            vec![],
        )],
    ));
    driver.cut();
    assert_eq!(driver.disk.state().counts.absent, 2);
    let records = BTreeMap::from([(of, record), (id, bytes), stranger]);
    driver.feed(
        0,
        Input::Fetched(Fetched {
            canonical: of,
            records: records.clone(),
        }),
    );
    driver.feed(
        0,
        Input::Fetched(Fetched {
            canonical: canonical(1).0,
            records,
        }),
    );
    driver.cut();
    assert_eq!(driver.disk.documents.len(), 1);
    assert_eq!(
        driver.disk.documents[&of].names().collect::<Vec<_>>(),
        ["Said"]
    );
    assert_eq!(driver.disk.state().counts.absent, 0);
}

proptest! {
    #[test]
    fn no_bytes_make_the_fold_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), long in 0..2_usize) {
        let mut bytes = bytes;
        bytes.resize(bytes.len() + long * RECORD_BYTES_MAX, 0);
        let id = RecordId::of(&bytes);
        let set = BTreeMap::from([(id, Some(Bytes::from(bytes.clone())))]);
        let document = fold(canonical(0).0, Some(&bytes), &set);
        prop_assert_eq!(document.statements.len(), 1);
    }
}
