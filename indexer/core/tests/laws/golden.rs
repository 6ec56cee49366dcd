//! Golden vectors: the stored forms of sets and states, in a file that never changes.

use bytes::Bytes;
use kittengrad_client_core::view::document::{Claim, Document, Statement};
use kittengrad_indexer_core::{Counts, Cursors, Digest, Last, Set, State, document_hash};
use kittengrad_proto::{
    block::Head,
    heads::Standing,
    id::{Id, PublicKey, RecordId},
    namespace::Overlay,
    record::Retraction,
};
use kittengrad_support::samples::update;

const STORED: &str = include_str!("../../testdata/stored.txt");

/// The rest of the line that begins with `name`.
fn vector(name: &str) -> &'static str {
    let named = |line: &'static str| line.strip_prefix(name)?.strip_prefix(' ');
    STORED.lines().find_map(named).unwrap()
}

fn check(set: &Set, name: &str) {
    let bytes = set.encode();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, vector(name));
    assert_eq!(Set::decode(bytes).as_ref(), Ok(set));
}

#[test]
fn sets_have_the_bytes_that_they_always_had() {
    check(&Set::default(), "set.nothing");
    let mut set = Set::default();
    set.supply_record(&Bytes::from_static(b"canonical"));
    let [one, two] = [1, 2].map(|byte| RecordId::new([byte; 32]));
    set.add(one);
    set.add(two);
    set.supply(one, &Bytes::from_static(b"one"));
    check(&set, "set");
}

#[test]
fn a_state_has_the_text_that_it_always_had() {
    let mut state = State::new(Overlay {
        network: Id::new([0x4e; 32]),
        namespace: "works".parse().unwrap(),
    });
    for (journal, incarnation, height) in [(1, 3, 0), (2, 1_780_000_000_000, 9)] {
        state.cursors.advance(&Last {
            journal: PublicKey::new([journal; 32]),
            head: Head {
                incarnation,
                height,
                hash: Id::new([0x60 + journal; 32]),
            },
            time_ms: 4 + u64::from(journal),
        });
    }
    state.counts = Counts {
        documents: 1,
        updates: 2,
        absent: 3,
    };
    state.digest.add(&Id::of(&[b"document"]));
    assert_eq!(state.encode(), vector("state"));
    assert_eq!(State::decode(vector("state")), Ok(state.clone()));
    // Cursors of the version before are dropped.
    state.cursors = Cursors::default();
    assert_eq!(State::decode(vector("state.1")), Ok(state));
}

#[test]
fn a_document_has_the_hash_that_it_always_had() {
    let (canonical, publisher) = (RecordId::new([12; 32]), PublicKey::new([2; 32]));
    let update = |standing| Claim::Update {
        update: update(canonical, publisher, 1),
        standing,
    };
    let retraction = |is_effective| Claim::Retraction {
        retraction: Retraction {
            reference: canonical,
            target: RecordId::new([1; 32]),
            publisher,
            timestamp_ms: 1,
        },
        is_effective,
    };
    let claims = [
        update(Standing::Head),
        update(Standing::Replaced),
        update(Standing::Retracted),
        retraction(true),
        retraction(false),
        Claim::Absent,
        Claim::Unusable,
    ];
    let statements = (1..).zip(claims).map(|(byte, claim)| Statement {
        id: RecordId::new([byte; 32]),
        claim,
    });
    let mut document = Document {
        canonical,
        record: None,
        statements: statements.collect(),
    };
    let hash = document_hash(&document);
    assert_eq!(hash.to_string(), vector("document"));
    let mut digest = Digest::default();
    digest.add(&hash);
    assert_eq!(digest.id().to_string(), vector("digest"));

    // Names and their order count.
    document.statements.swap(0, 1);
    assert_ne!(document_hash(&document), hash);
    document.statements.swap(0, 1);
    document.statements[6].id = RecordId::new([8; 32]);
    assert_ne!(document_hash(&document), hash);
}
