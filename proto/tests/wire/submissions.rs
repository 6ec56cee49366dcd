//! Submissions: each reason to refuse one, and the order in which they are looked for.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use kittengrad_proto::{
    certificate::{CertificateError, Holder, Role},
    id::{PublicKey, RecordId},
    limits::{RECORD_BYTES_MAX, SUBMISSION_BYTES_MAX, SUBMISSION_RECORDS_MAX},
    record::{self, Canonical, CanonicalType, Retraction, Update},
    signed::{Ed25519, Kind, Signed, SignedError, Signer, Verifier},
    submission::{Submission, SubmissionError},
    transaction::{Entry, Envelope, Transaction, TransactionError},
};

use crate::samples::{Member, TIME_MS, WORLD, envelope, overlay};

/// Two works, an update of each, and a retraction of the first one's.
struct Case {
    signer: &'static Member,
    envelope: Envelope,
    entries: Vec<Entry>,
    records: Vec<Bytes>,
    holder: Holder,
    held: Option<BTreeSet<RecordId>>,
}

fn holder(member: &Member) -> Holder {
    member.chain.verify(&WORLD.root, &Ed25519).unwrap()
}

fn work(id: &str) -> Bytes {
    Canonical::identified(CanonicalType::Artefact, id.to_owned())
        .encode()
        .unwrap()
}

fn update(reference: RecordId, publisher: PublicKey, timestamp_ms: u64) -> Bytes {
    let update = Update {
        reference,
        publisher,
        timestamp_ms,
        name: None,
        meta: std::collections::BTreeMap::new(),
        previous: Vec::new(),
        links: Vec::new(),
        salt: None,
    };
    update.encode().unwrap()
}

fn retraction(reference: RecordId, target: RecordId, publisher: PublicKey) -> Bytes {
    Retraction {
        reference,
        target,
        publisher,
        timestamp_ms: 3,
    }
    .encode()
    .unwrap()
}

fn entry(canonical: &Bytes, insert: bool, updates: &[&Bytes]) -> Entry {
    let updates = updates.iter().map(|update| RecordId::of(update)).collect();
    Entry {
        canonical: RecordId::of(canonical),
        insert,
        updates,
    }
}

impl Case {
    fn new() -> Self {
        let me = WORLD.publisher.public;
        let [first, second] = ["sample:1", "sample:2"].map(work);
        let ids = [&first, &second].map(|record| RecordId::of(record));
        let [said, also] = [0, 1].map(|i| update(ids[i], me, 1));
        let taken_back = retraction(ids[0], RecordId::of(&said), me);
        Self {
            signer: &WORLD.publisher,
            envelope: envelope(1),
            entries: vec![
                entry(&first, true, &[&said, &taken_back]),
                entry(&second, false, &[&also]),
            ],
            records: vec![also, taken_back, first, said],
            holder: holder(&WORLD.publisher),
            held: None,
        }
    }

    fn transaction(&self) -> Arc<Transaction> {
        let signed = Transaction::sign(
            overlay(),
            &self.envelope,
            self.entries.clone(),
            &self.signer.key,
        );
        Arc::new(signed.unwrap())
    }

    fn check(&self, verifier: &dyn Verifier) -> Result<Submission, SubmissionError> {
        self.check_as(self.transaction(), verifier)
    }

    fn check_as(
        &self,
        transaction: Arc<Transaction>,
        verifier: &dyn Verifier,
    ) -> Result<Submission, SubmissionError> {
        let holds = |id: &RecordId| self.held.as_ref().is_none_or(|held| held.contains(id));
        Submission::check(
            transaction,
            self.records.clone(),
            &self.holder,
            holds,
            verifier,
        )
    }
}

fn check(
    what: &str,
    change: impl FnOnce(&mut Case),
    is_expected: impl Fn(&SubmissionError) -> bool,
) {
    let mut case = Case::new();
    change(&mut case);
    match case.check(&Ed25519) {
        Err(error) => assert!(is_expected(&error), "{what}: {error}"),
        Ok(_) => panic!("{what} is admitted"),
    }
}

fn is_mismatch(id: RecordId, words: &str) -> impl Fn(&SubmissionError) -> bool {
    move |error| matches!(error, SubmissionError::Mismatch { id: i, why } if *i == id && why.contains(words))
}

#[test]
fn updates_and_retractions_with_their_records_are_admitted() {
    let case = Case::new();
    let admitted = case.check(&Ed25519).unwrap();
    assert_eq!(admitted.transaction, case.transaction());
    assert_eq!(admitted.records.len(), 4);
    assert!(
        admitted
            .records
            .iter()
            .all(|(id, bytes)| *id == RecordId::of(bytes))
    );
    let records: usize = case.records.iter().map(Bytes::len).sum();
    assert_eq!(
        admitted.size_bytes(),
        case.transaction().signed().size_bytes() + records
    );
}

#[test]
fn only_what_is_held_is_looked_at() {
    let mut case = Case::new();
    let first = case.entries[0].canonical;
    case.held = Some([first].into());
    // The record of the second entry's update is absent, and an unrelated record is in its place.
    case.records[0] = Bytes::from_static(b"no record at all");
    let admitted = case.check(&Ed25519).unwrap();
    assert_eq!(admitted.records.len(), 3);
    case.held = Some(BTreeSet::new());
    case.records.clear();
    assert!(case.check(&Ed25519).unwrap().records.is_empty());
}

#[test]
fn whoever_holds_an_entry_needs_its_records() {
    for missing in 0..4 {
        let id = RecordId::of(&Case::new().records[missing]);
        let is_it = |e: &SubmissionError| *e == SubmissionError::MissingRecord(id);
        check(
            "a missing record",
            |case| drop(case.records.remove(missing)),
            is_it,
        );
    }
    let is_missing = |e: &SubmissionError| matches!(e, SubmissionError::MissingRecord(_));
    let damage =
        |case: &mut Case| case.records[1] = Bytes::from([&case.records[1][..], &[0]].concat());
    check("a record with other bytes", damage, is_missing);
    let both = |case: &mut Case| {
        let update = case.entries[0].updates[0];
        case.entries[1].updates.push(update);
    };
    check("an update in two entries", both, |e| {
        is_missing(e) || matches!(e, SubmissionError::Mismatch { .. })
    });
}

#[test]
fn a_record_says_what_its_entry_needs_it_to_say() {
    let me = WORLD.publisher.public;
    let [first, second] = [0, 1].map(|i| Case::new().entries[i].canonical);
    let add = |record: Bytes| {
        move |case: &mut Case| {
            case.entries[0].updates.push(RecordId::of(&record));
            case.records.push(record);
        }
    };
    let elsewhere = update(second, me, 9);
    let is_elsewhere = is_mismatch(RecordId::of(&elsewhere), "another canonical");
    check(
        "an update of another canonical",
        add(elsewhere),
        is_elsewhere,
    );
    let by_other = update(first, WORLD.other.public, 9);
    let is_by_other = is_mismatch(RecordId::of(&by_other), "another publisher");
    check("an update by another publisher", add(by_other), is_by_other);
    let elsewhere = retraction(second, first, me);
    let is_elsewhere = is_mismatch(RecordId::of(&elsewhere), "another canonical");
    check(
        "a retraction of another canonical's",
        add(elsewhere),
        is_elsewhere,
    );
    let by_other = retraction(first, second, WORLD.other.public);
    let is_by_other = is_mismatch(RecordId::of(&by_other), "another publisher");
    check(
        "a retraction by another publisher",
        add(by_other),
        is_by_other,
    );
    let canonical = work("sample:3");
    let is_canonical = is_mismatch(RecordId::of(&canonical), "neither update nor retraction");
    check(
        "a canonical among the updates",
        add(canonical),
        is_canonical,
    );

    let statement = update(first, me, 9);
    let id = RecordId::of(&statement);
    let insert = |case: &mut Case| {
        case.entries.push(entry(&statement, true, &[]));
        case.records.push(statement.clone());
    };
    check(
        "an update that is inserted",
        insert,
        is_mismatch(id, "neither an entity nor an artefact"),
    );

    let noise = Bytes::from_static(b"no record at all");
    let large = Bytes::from(vec![0; RECORD_BYTES_MAX + 1]);
    for bytes in [noise, large] {
        let refused = SubmissionError::Record {
            id: RecordId::of(&bytes),
            error: record::check(&bytes).unwrap_err(),
        };
        check("bytes that are no record", add(bytes), |e| *e == refused);
    }
}

#[test]
fn a_publisher_is_admitted_as_a_client_when_it_speaks() {
    let [me, other] = [&WORLD.publisher, &WORLD.other];
    let other_chain = |case: &mut Case| case.holder = holder(other);
    let refused = SubmissionError::Chain {
        named: me.chain.id(),
        found: other.chain.id(),
    };
    check("another chain than it names", other_chain, |e| {
        *e == refused
    });
    let borrowed = |case: &mut Case| case.signer = &WORLD.other;
    let refused = SubmissionError::Publisher {
        publisher: other.public,
        holder: me.public,
    };
    check("a chain of another", borrowed, |e| *e == refused);
    for (member, role) in [
        (&WORLD.peers[0], Role::Peer),
        (&WORLD.aggregator, Role::Aggregator),
    ] {
        let by_member = |case: &mut Case| {
            case.signer = member;
            case.envelope.chain = member.chain.id();
            case.holder = holder(member);
        };
        check("a member that publishes", by_member, |e| {
            *e == SubmissionError::Role(role)
        });
    }
}

#[test]
fn certificates_are_in_force_when_a_transaction_was_made() {
    let Holder {
        not_before_ms,
        not_after_ms,
        ..
    } = holder(&WORLD.publisher);
    let at = |created_ms| move |case: &mut Case| case.envelope.created_ms = created_ms;
    for created_ms in [0, not_before_ms - 1] {
        check("too early", at(created_ms), |e| {
            matches!(
                e,
                SubmissionError::Certificate(CertificateError::NotYetValid { .. })
            )
        });
    }
    for created_ms in [not_after_ms + 1, u64::MAX] {
        check("too late", at(created_ms), |e| {
            matches!(
                e,
                SubmissionError::Certificate(CertificateError::Expired { .. })
            )
        });
    }
    for created_ms in [not_before_ms, TIME_MS, not_after_ms] {
        let mut case = Case::new();
        case.envelope.created_ms = created_ms;
        assert!(case.check(&Ed25519).is_ok());
    }
}

/// A verifier that must not be called, because a cheaper check fails first.
struct Unasked;

impl Verifier for Unasked {
    fn verify(&self, _: &PublicKey, _: &[u8], _: &[u8; 64]) -> bool {
        panic!("a signature was verified before something cheaper was checked")
    }
}

#[test]
fn what_costs_least_is_checked_first() {
    let mut case = Case::new();
    case.records = vec![Bytes::new(); SUBMISSION_RECORDS_MAX + 1];
    let refused = case.check(&Unasked).unwrap_err();
    assert_eq!(
        refused,
        SubmissionError::TooManyRecords(SUBMISSION_RECORDS_MAX + 1)
    );
    case.records = vec![vec![0; SUBMISSION_BYTES_MAX].into()];
    assert!(matches!(
        case.check(&Unasked),
        Err(SubmissionError::TooLarge(_))
    ));
    case.records.clear();
    case.envelope.created_ms = 0;
    assert!(matches!(
        case.check(&Unasked),
        Err(SubmissionError::Certificate(_))
    ));

    // A forged transaction is refused before its records are hashed.
    let case = Case {
        records: Vec::new(),
        ..Case::new()
    };
    let body = case.transaction().signed().body().clone();
    let forged = Signed::new(Kind::Transaction, body, &WORLD.other.key).to_wire();
    let forged = Arc::new(Transaction::from_wire(Some(forged), overlay()).unwrap());
    let key = WORLD.publisher.key.public();
    let expected = TransactionError::Signed(SignedError::Forged { key });
    assert_eq!(
        case.check_as(forged, &Ed25519).unwrap_err(),
        expected.into()
    );
}

#[test]
fn as_many_records_may_come_as_a_transaction_can_name() {
    let mut case = Case::new();
    case.records.resize(SUBMISSION_RECORDS_MAX, Bytes::new());
    assert_eq!(case.check(&Ed25519).unwrap().records.len(), 4);
}

#[test]
fn transaction_and_records_share_one_limit() {
    let mut case = Case::new();
    let used = case.transaction().signed().size_bytes()
        + case.records.iter().map(Bytes::len).sum::<usize>();
    case.records
        .push(vec![0; SUBMISSION_BYTES_MAX - used].into());
    assert!(
        case.check(&Ed25519).is_ok(),
        "what nobody names still counts, and just fits"
    );
    case.records.push(Bytes::from_static(&[0]));
    let refused = case.check(&Ed25519).unwrap_err();
    assert_eq!(refused, SubmissionError::TooLarge(SUBMISSION_BYTES_MAX + 1));
}
