//! Tests of the judge: histories in which elements were lost, taken back or invented.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_client::{
    lookup::{Answer, AnsweredBy},
    submit::Submitted,
};
use kittengrad_journal::MemoryStore;
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    block::{Bitmap, Head},
    id::{Id, PublicKey, RecordId},
    namespace::Overlay,
    signed::Ed25519,
};
use kittengrad_ring::Replicas;
use kittengrad_sim::{About, Node, Publication, Publisher, Scheme, identity, invariants::Replica};
use tempfile::TempDir;

use super::history::History;

/// A canonical with two updates that were sent and acknowledged, and the history so far.
struct Story {
    history: History,
    publication: Publication,
    canonical: RecordId,
    updates: Vec<RecordId>,
    _dir: TempDir,
}

fn overlay() -> Overlay {
    Overlay {
        network: Id::of(&[b"doubt"]),
        namespace: "doubt".parse().unwrap(),
    }
}

fn key(number: u8) -> PublicKey {
    PublicKey::new([number; 32])
}

impl Story {
    fn begin() -> Self {
        let dir = TempDir::new().unwrap();
        let history = History::new(&dir.path().join("history.ndjson"), 2);
        let mut publisher = Publisher::new("tate", Scheme::Fast, overlay());
        let publication = publisher.say(vec![About {
            name: "thing".to_owned(),
            inserts: true,
            updates: vec!["one".to_owned(), "two".to_owned()],
        }]);
        let transaction = &publication.submission.transaction;
        let submitted = Submitted {
            peer: key(1),
            added: Bitmap::new([true, true]),
            block: Head {
                incarnation: 1,
                height: 0,
                hash: Id::ZERO,
            },
            synced: vec![key(1), key(2)],
            acknowledged: true,
            receipt: None,
            created: Vec::new(),
        };
        history.says(transaction);
        history.is_told(transaction, 0, Ok(&submitted));
        let (canonical, updates) = {
            let entry = &transaction.entries()[0];
            (entry.canonical, entry.updates.clone())
        };
        // Later questions must have a later time than the acknowledgement.
        while history.now_us() < 1_000 {}
        Self {
            history,
            publication,
            canonical,
            updates,
            _dir: dir,
        }
    }

    fn answer(&self, updates: &[RecordId], incarnation: u64) -> Answer {
        Answer {
            canonical: self.canonical,
            exists: true,
            record: None,
            updates: updates.iter().map(|id| (*id, None)).collect(),
            answered_by: vec![AnsweredBy {
                peer: key(1),
                incarnation,
                height: 0,
            }],
            complete: true,
        }
    }

    /// Checks that the first broken promise contains `expected`, or that none is broken.
    fn check(&self, expected: Option<&str>) {
        let found = self.history.violation();
        match (expected, &found) {
            (None, None) => {}
            (Some(expected), Some(found)) if found.contains(expected) => {}
            _ => panic!("{found:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn an_answer_that_lacks_what_was_acknowledged_is_seen() {
    let story = Story::begin();
    let whole = story.answer(&story.updates, 1);
    story.history.looks(&whole, story.history.now_us());
    story.check(None);
    let short = story.answer(&story.updates[..1], 1);
    story.history.looks(&short, 0);
    story.check(None);
    story.history.looks(&short, story.history.now_us());
    story.check(Some("looked-up (S1)"));
}

#[test]
fn a_replica_that_takes_back_what_it_showed_is_seen() {
    let story = Story::begin();
    let node = Node::Peer(0);
    story.history.shows(node, &story.answer(&story.updates, 1));
    story.check(None);
    story
        .history
        .shows(node, &story.answer(&story.updates[..1], 1));
    story.check(Some("monotone (S1)"));
}

#[test]
fn whoever_begins_anew_with_its_disk_whole_is_seen() {
    let story = Story::begin();
    let node = Node::Peer(0);
    story.history.shows(node, &story.answer(&story.updates, 1));
    story.history.loses(node);
    story.history.shows(node, &story.answer(&[], 2));
    story.check(None);
    story.history.heals(node);
    story.history.shows(node, &story.answer(&[], 3));
    story.check(Some("begins incarnation 3"));
}

#[test]
fn an_aggregator_that_begins_anew_and_forgets_is_seen() {
    let story = Story::begin();
    let node = Node::Aggregator;
    let whole = |incarnation| story.answer(&story.updates, incarnation);
    story.history.shows(node, &whole(1));
    story.history.shows(node, &whole(2));
    story.check(None);
    story
        .history
        .shows(node, &story.answer(&story.updates[..1], 3));
    story.check(Some("monotone (S1)"));

    let story = Story::begin();
    for incarnation in [2, 1] {
        let whole = story.answer(&story.updates, incarnation);
        story.history.shows(node, &whole);
    }
    story.check(Some("begins incarnation 1 after 2"));
}

#[test]
fn what_nobody_said_is_seen() {
    let story = Story::begin();
    let invented = RecordId::new([7; 32]);
    story
        .history
        .shows(Node::Aggregator, &story.answer(&[invented], 1));
    story.check(Some("phantom (S2)"));
    let story = Story::begin();
    story
        .history
        .indexes(story.canonical, &BTreeSet::from([invented]));
    story.check(Some("phantom (S2)"));
}

#[test]
fn disks_without_what_was_acknowledged_are_seen() {
    let story = Story::begin();
    let signers = [1, 2, 3].map(|number| Scheme::Fast.signer(&format!("peer {number}")));
    let identities = signers
        .iter()
        .map(|signer| identity(&overlay(), 1, &**signer));
    let view = View::new(overlay(), Replicas::default(), identities.collect()).unwrap();
    let views = signers.map(|signer| view.clone().seen_by(signer.public()).unwrap());
    let disks = [(); 3].map(|()| MemoryStore::default());
    let replicas: Vec<_> = views
        .iter()
        .zip(&disks)
        .map(|(view, disk)| Replica { view, disk })
        .collect();
    let sets = vec![BTreeSet::new(); 3];
    let judged = |outside: &mut kittengrad_sim::invariants::Outside| {
        outside.check_replicas(&replicas, &sets, &Ed25519)
    };
    story.history.judge(judged);
    story.check(Some("acknowledged (S1)"));
}

#[test]
fn an_index_that_is_not_the_view_is_seen() {
    let story = Story::begin();
    let view: BTreeSet<_> = story.publication.elements().into_iter().collect();
    let records = &story.publication.submission.records;
    let record = |id: &RecordId| records.get(id).cloned();
    let updates = story.updates.iter().copied().collect();
    let whole = BTreeMap::from([(story.canonical, updates)]);
    let judge = |documents: &BTreeMap<_, _>, digest: &str| {
        story
            .history
            .judge(|outside| outside.check_index(documents, digest, &view, record));
    };
    judge(&BTreeMap::new(), "");
    story.check(Some("the index lacks"));
    let story = Story::begin();
    let judge = |digest: &str| {
        story
            .history
            .judge(|outside| outside.check_index(&whole, digest, &view, record));
    };
    judge("another");
    story.check(Some("the index shows the digest another"));
}
