//! Laws of records: the two readers agree on every byte string, and writing undoes reading.

use std::collections::BTreeMap;

use ipld_core::{cid::Cid, ipld::Ipld};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::{
        Canonical, CanonicalType, Link, Record, RecordError, Retraction, Summary, Update, check,
    },
};
use proptest::{
    collection::{btree_map, btree_set, vec},
    option,
    prelude::*,
    sample::Index,
};

fn cids() -> impl Strategy<Value = Cid> {
    prop_oneof![
        any::<[u8; 32]>().prop_map(|digest| RecordId::new(digest).cid()),
        Just(
            "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"
                .parse::<Cid>()
                .unwrap()
        ),
        Just(
            "bafkreieswl5fqaujlayx4qel3bhm7jypl3rvweqzshn4emwetulggu3qrm"
                .parse::<Cid>()
                .unwrap()
        ),
    ]
}

fn integers() -> impl Strategy<Value = i128> {
    prop_oneof![
        any::<i8>().prop_map(i128::from),
        any::<i64>().prop_map(i128::from),
        any::<u64>().prop_map(i128::from),
        any::<u64>().prop_map(|n| -1 - i128::from(n)),
    ]
}

fn values() -> impl Strategy<Value = Ipld> {
    let leaf = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        integers().prop_map(Ipld::Integer),
        (any::<f64>())
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(|f| Ipld::Float(f + 0.0)),
        "\\PC{0,30}".prop_map(Ipld::String),
        vec(any::<u8>(), 0..30).prop_map(Ipld::Bytes),
        cids().prop_map(Ipld::Link),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Ipld::List),
            btree_map("\\PC{0,12}", inner, 0..6).prop_map(Ipld::Map),
        ]
    })
}

fn metas() -> impl Strategy<Value = BTreeMap<String, Ipld>> {
    btree_map("[a-z]{0,30}", values(), 0..5)
}

fn record_ids() -> impl Strategy<Value = RecordId> {
    any::<[u8; 32]>().prop_map(RecordId::new)
}

fn publishers() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(PublicKey::new)
}

prop_compose! {
    fn links()(rel in "[a-zA-Z]{1,12}", to in record_ids()) -> Link {
        Link { rel, to }
    }
}

prop_compose! {
    fn updates()(
        reference in record_ids(),
        publisher in publishers(),
        timestamp_ms in any::<u64>(),
        name in option::of("\\PC{0,40}"),
        meta in metas(),
        previous in btree_set(record_ids(), 0..4),
        links in btree_set(links(), 0..4),
        salt in option::of(vec(any::<u8>(), 0..64)),
    ) -> Update {
        Update {
            reference,
            publisher,
            timestamp_ms,
            name,
            meta,
            previous: previous.into_iter().collect(),
            links: links.into_iter().collect(),
            salt: salt.map(Into::into),
        }
    }
}

fn records() -> impl Strategy<Value = Record> {
    let kinds = prop_oneof![Just(CanonicalType::Entity), Just(CanonicalType::Artefact)];
    prop_oneof![
        1 => (kinds, metas()).prop_map(|(kind, meta)| Record::Canonical(Canonical { kind, meta })),
        4 => updates().prop_map(Record::Update),
        1 => (record_ids(), record_ids(), publishers(), any::<u64>()).prop_map(
            |(reference, target, publisher, timestamp_ms)| {
                Record::Retraction(Retraction { reference, target, publisher, timestamp_ms })
            }
        ),
    ]
}

/// The expected result of the scanner for a record.
fn summary(record: &Record) -> Summary {
    match record {
        Record::Canonical(canonical) => Summary::Canonical {
            kind: canonical.kind,
        },
        Record::Update(update) => Summary::Statement {
            reference: update.reference,
            publisher: update.publisher,
            retracts: None,
        },
        Record::Retraction(retraction) => Summary::Statement {
            reference: retraction.reference,
            publisher: retraction.publisher,
            retracts: Some(retraction.target),
        },
    }
}

/// Checks that the two readers agree, and that the writer gives the accepted bytes. Returns whether they accepted.
fn both_agree(bytes: &[u8]) -> Result<bool, TestCaseError> {
    match (Record::decode(bytes), check(bytes)) {
        (Ok(record), Ok(said)) => {
            prop_assert_eq!(said, summary(&record));
            prop_assert_eq!(&record.encode().unwrap()[..], bytes);
            Ok(true)
        }
        (Err(_), Err(_)) => Ok(false),
        (decoded, checked) => Err(TestCaseError::fail(format!(
            "decode says {decoded:?}, check says {checked:?}"
        ))),
    }
}

/// One change to a byte string, at a place given as a share of its length.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
}

/// Bytes that mean something to a decoder.
fn heads() -> impl Strategy<Value = u8> {
    let telling = vec![
        0x00, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1f, 0x37, 0x38, 0x40, 0x58, 0x5f, 0x60, 0x61, 0x78,
        0x7f, 0x80, 0x81, 0x9b, 0x9f, 0xa0, 0xa1, 0xa2, 0xbf, 0xc1, 0xd8, 0x2a, 0xf4, 0xf6, 0xf7,
        0xf9, 0xfa, 0xfb, 0xff,
    ];
    prop_oneof![any::<u8>(), prop::sample::select(telling)]
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (any::<Index>(), heads()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), vec(heads(), 1..4)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), 1..4_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let end = |at: usize, count: usize, len: usize| (at + count).min(len);
    match change {
        Change::Flip(at, bit) => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Change::Set(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Insert(at, new) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, new.iter().copied());
        }
        Change::Remove(at, count) => {
            let at = at.index(bytes.len());
            bytes.drain(at..end(at, *count, bytes.len()));
        }
        Change::Repeat(at, count) => {
            let at = at.index(bytes.len());
            let piece = bytes[at..end(at, *count, bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
    }
}

/// Maps with a record's keys and values of the right kind, more often than not.
fn near_records() -> impl Strategy<Value = Ipld> {
    let link = || record_ids().prop_map(|id| Ipld::Link(id.cid()));
    let types = prop::sample::select(vec!["entity", "artefact", "update", "retraction", "other"]);
    let sorted = |mut ids: Vec<RecordId>, sort: bool| {
        if sort {
            ids.sort();
        }
        Ipld::List(ids.into_iter().map(|id| Ipld::Link(id.cid())).collect())
    };
    let lists =
        (vec(record_ids(), 0..3), any::<bool>()).prop_map(move |(ids, sort)| sorted(ids, sort));
    let relations = ("[a-b]{0,2}", record_ids()).prop_map(|(rel, to)| {
        let fields = [("rel", Ipld::String(rel)), ("to", Ipld::Link(to.cid()))];
        Ipld::Map(fields.map(|(key, value)| (key.to_owned(), value)).into())
    });
    let fields = (
        types.prop_map(|kind| Ipld::String(kind.to_owned())),
        option::weighted(
            0.8,
            prop_oneof![9 => metas().prop_map(Ipld::Map), 1 => values()],
        ),
        option::weighted(0.8, prop_oneof![9 => link(), 1 => values()]),
        option::weighted(
            0.8,
            prop_oneof![
                9 => vec(any::<u8>(), 32).prop_map(Ipld::Bytes),
                1 => values(),
            ],
        ),
        option::weighted(
            0.8,
            prop_oneof![9 => integers().prop_map(Ipld::Integer), 1 => values()],
        ),
        option::weighted(0.3, prop_oneof![9 => link(), 1 => values()]),
        option::weighted(0.2, prop_oneof![9 => lists, 1 => values()]),
        option::weighted(
            0.2,
            prop_oneof![9 => vec(relations, 0..3).prop_map(Ipld::List), 1 => values()],
        ),
        option::weighted(0.2, values()),
    );
    fields.prop_map(
        |(kind, meta, reference, publisher, timestamp, target, previous, links, name)| {
            let fields = [
                ("type", Some(kind)),
                ("meta", meta),
                ("ref", reference),
                ("publisher", publisher),
                ("timestamp", timestamp),
                ("target", target),
                ("previous", previous),
                ("links", links),
                ("name", name),
            ];
            let fields = fields
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), value?)));
            Ipld::Map(fields.collect())
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_written_is_read_back(record in records()) {
        let bytes = record.encode().unwrap();
        prop_assert_eq!(Record::decode(&bytes), Ok(record.clone()));
        prop_assert!(both_agree(&bytes)?);
    }

    #[test]
    fn the_codec_library_writes_the_same(record in records()) {
        let bytes = record.encode().unwrap();
        let value: Ipld = serde_ipld_dagcbor::from_slice(&bytes).unwrap();
        prop_assert_eq!(serde_ipld_dagcbor::to_vec(&value).unwrap(), bytes);
    }

    /// Keeps S2.
    #[test]
    fn the_readers_agree_on_damaged_records(record in records(), changes in vec(changes(), 1..4)) {
        let mut bytes = record.encode().unwrap().to_vec();
        for change in &changes {
            apply(&mut bytes, change);
        }
        both_agree(&bytes)?;
    }

    #[test]
    fn the_readers_agree_on_maps_that_look_like_records(fields in near_records()) {
        let bytes = serde_ipld_dagcbor::to_vec(&fields).unwrap();
        both_agree(&bytes)?;
    }

    #[test]
    fn the_readers_agree_on_arbitrary_bytes(bytes in vec(heads(), 0..200)) {
        both_agree(&bytes)?;
    }

    #[test]
    fn a_reason_never_points_behind_the_end(bytes in vec(heads(), 0..200)) {
        if let Err(RecordError::Malformed { at, .. }) = check(&bytes) {
            prop_assert!(at <= bytes.len());
        }
    }
}
