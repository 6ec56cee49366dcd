//! Limits: the writer refuses what the readers would, and the largest allowed passes.

use ipld_core::ipld::Ipld;
use kittengrad_proto::{
    id::RecordId,
    limits::{
        RECORD_BYTES_MAX, RECORD_DEPTH_MAX, RECORD_LINKS_MAX, RECORD_NAME_BYTES_MAX,
        RECORD_PREVIOUS_MAX, RECORD_SALT_BYTES_MAX, REL_BYTES_MAX,
    },
    record::{Link, Record, RecordError, Update, check},
};

use crate::{check_bytes, id, map, update};

/// Checks the verdicts of the writer and of both readers on an update.
fn check_update(update: Update, expected: bool, what: &str) {
    match Record::Update(update).encode() {
        Ok(bytes) => check_bytes(&bytes, true, what),
        Err(_) => assert!(!expected, "{what}"),
    }
}

#[test]
fn an_update_keeps_within_every_limit() {
    let ids = |count: usize| -> Vec<RecordId> {
        let mut ids: Vec<_> = (0..count).map(|n| RecordId::of(&n.to_be_bytes())).collect();
        ids.sort();
        ids
    };
    let links = |count: usize| -> Vec<Link> {
        ids(count)
            .into_iter()
            .map(|to| Link {
                rel: "sameAs".to_owned(),
                to,
            })
            .collect()
    };
    let name = |bytes: usize| Update {
        name: Some("x".repeat(bytes)),
        ..update()
    };
    check_update(name(0), true, "empty name");
    check_update(name(RECORD_NAME_BYTES_MAX), true, "longest name");
    let salt = |bytes: usize| Update {
        salt: Some(vec![0; bytes].into()),
        ..update()
    };
    check_update(salt(RECORD_SALT_BYTES_MAX), true, "longest salt");
    let previous = |count: usize| Update {
        previous: ids(count),
        ..update()
    };
    check_update(previous(RECORD_PREVIOUS_MAX), true, "most previous");
    check_update(
        Update {
            links: links(RECORD_LINKS_MAX),
            ..update()
        },
        true,
        "most links",
    );
    let rel = |bytes| Update {
        links: vec![Link {
            rel: "x".repeat(bytes),
            to: id("entity"),
        }],
        ..update()
    };
    check_update(rel(REL_BYTES_MAX), true, "longest rel");

    let nested = |lists: usize| {
        let value = (0..lists).fold(Ipld::Null, |value, _| Ipld::List(vec![value]));
        Update {
            meta: map([("a", value)]),
            ..update()
        }
    };
    check_update(nested(RECORD_DEPTH_MAX - 1), true, "deepest");

    for (update, field, what) in [
        (name(RECORD_NAME_BYTES_MAX + 1), "name", "too long a name"),
        (salt(RECORD_SALT_BYTES_MAX + 1), "salt", "too long a salt"),
        (
            previous(RECORD_PREVIOUS_MAX + 1),
            "previous",
            "too many previous",
        ),
        (
            Update {
                links: links(RECORD_LINKS_MAX + 1),
                ..update()
            },
            "links",
            "too many links",
        ),
        (rel(REL_BYTES_MAX + 1), "rel", "long rel"),
        (rel(0), "rel", "empty rel"),
        (
            Update {
                previous: ids(2).into_iter().rev().collect(),
                ..update()
            },
            "previous",
            "previous in disorder",
        ),
        (
            Update {
                previous: vec![id("entity"); 2],
                ..update()
            },
            "previous",
            "previous twice",
        ),
        (
            Update {
                links: links(2).into_iter().rev().collect(),
                ..update()
            },
            "links",
            "links in disorder",
        ),
        (
            Update {
                links: [links(1), links(1)].concat(),
                ..update()
            },
            "links",
            "a link twice",
        ),
        (
            Update {
                meta: map([("a", Ipld::Float(f64::NAN))]),
                ..update()
            },
            "meta",
            "not a number",
        ),
        (
            Update {
                meta: map([("a", Ipld::Integer(1 << 64))]),
                ..update()
            },
            "meta",
            "2^64",
        ),
        (
            Update {
                meta: map([("a", Ipld::Integer(-1 - (1 << 64)))]),
                ..update()
            },
            "meta",
            "-2^64 - 1",
        ),
        (
            Update {
                meta: map([("a", Ipld::Float(f64::INFINITY))]),
                ..update()
            },
            "meta",
            "infinity",
        ),
        (
            Update {
                meta: map([("a", Ipld::Float(f64::NEG_INFINITY))]),
                ..update()
            },
            "meta",
            "negative infinity",
        ),
        (nested(RECORD_DEPTH_MAX), "meta", "nested too deep"),
    ] {
        match Record::Update(update).encode() {
            Err(RecordError::Field { field: found, .. }) => assert_eq!(found, field, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn a_record_has_at_most_64_kib() {
    let of_bytes = |bytes: usize| {
        let update = Update {
            meta: map([("a", Ipld::Bytes(vec![0; bytes]))]),
            ..update()
        };
        Record::Update(update).encode()
    };
    let overhead = of_bytes(RECORD_BYTES_MAX / 2).unwrap().len() - RECORD_BYTES_MAX / 2;
    let largest = of_bytes(RECORD_BYTES_MAX - overhead).unwrap();
    assert_eq!(largest.len(), RECORD_BYTES_MAX);
    check_bytes(&largest, true, "the largest record");
    let too_large = RecordError::TooLarge {
        bytes: RECORD_BYTES_MAX + 1,
    };
    assert_eq!(
        of_bytes(RECORD_BYTES_MAX - overhead + 1),
        Err(too_large.clone())
    );
    assert_eq!(check(&[0; RECORD_BYTES_MAX + 1]), Err(too_large.clone()));
    assert_eq!(Record::decode(&[0; RECORD_BYTES_MAX + 1]), Err(too_large));
}
