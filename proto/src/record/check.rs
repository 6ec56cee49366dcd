//! The check of a record by a replica, which needs only a few of its fields.

use super::{
    BAD_REL, BAD_TYPE, CanonicalType, EMPTY, MISSING, NOT_A_KEY, NOT_ASCENDING, RecordError,
    TOO_LONG, TOO_MANY, UNKNOWN,
    scan::{LastKey, Scan},
};
use crate::{
    id::{PublicKey, RecordId},
    limits::{
        RECORD_BYTES_MAX, RECORD_DEPTH_MAX, RECORD_LINKS_MAX, RECORD_NAME_BYTES_MAX,
        RECORD_PREVIOUS_MAX, RECORD_SALT_BYTES_MAX, REL_BYTES_MAX,
    },
};

/// The fields of a record that a replica needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    /// A canonical, without a publisher.
    Canonical {
        /// Its type.
        kind: CanonicalType,
    },
    /// An update or a retraction: an element of a canonical's set.
    Statement {
        /// The canonical.
        reference: RecordId,
        /// The publisher.
        publisher: PublicKey,
        /// The update that it takes back, if it is a retraction.
        retracts: Option<RecordId>,
    },
}

/// Checks that `bytes` are a record, and returns the fields that a replica needs.
///
/// Accepts exactly what [`Record::decode`](super::Record::decode) accepts, in one pass and without
/// allocating: about the cost of hashing the record.
///
/// # Errors
/// [`RecordError`] for bytes that are not the one encoding of a record within its limits.
pub fn check(bytes: &[u8]) -> Result<Summary, RecordError> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(RecordError::TooLarge { bytes: bytes.len() });
    }
    let mut scan = Scan::new(bytes);
    let mut fields = Fields::default();
    let mut last = LastKey::default();
    for _ in 0..scan.map()? {
        let key = scan.key(&mut last)?;
        fields.read(key, &mut scan)?;
    }
    scan.end()?;
    fields.summary()
}

/// The fields read so far. The type comes in the middle, so all are read first and judged at the end.
#[derive(Default)]
struct Fields {
    seen: u16,
    kind: Option<Kind>,
    reference: Option<RecordId>,
    target: Option<RecordId>,
    publisher: Option<PublicKey>,
}

#[derive(Clone, Copy)]
enum Kind {
    Canonical(CanonicalType),
    Update,
    Retraction,
}

const REF: u16 = 1;
const META: u16 = 1 << 1;
const NAME: u16 = 1 << 2;
const SALT: u16 = 1 << 3;
const TYPE: u16 = 1 << 4;
const LINKS: u16 = 1 << 5;
const TARGET: u16 = 1 << 6;
const PREVIOUS: u16 = 1 << 7;
const PUBLISHER: u16 = 1 << 8;
const TIMESTAMP: u16 = 1 << 9;

impl Fields {
    fn read(&mut self, key: &str, scan: &mut Scan<'_>) -> Result<(), RecordError> {
        self.seen |= match key {
            "ref" => {
                self.reference = Some(scan.record_id()?);
                REF
            }
            "meta" => {
                scan.map_within(RECORD_DEPTH_MAX)?;
                META
            }
            "name" => {
                at_most("name", scan.text()?.len(), RECORD_NAME_BYTES_MAX)?;
                NAME
            }
            "salt" => {
                at_most("salt", scan.bytes()?.len(), RECORD_SALT_BYTES_MAX)?;
                SALT
            }
            "type" => {
                self.kind = Some(kind(scan.text()?)?);
                TYPE
            }
            "links" => {
                links(scan)?;
                LINKS
            }
            "target" => {
                self.target = Some(scan.record_id()?);
                TARGET
            }
            "previous" => {
                previous(scan)?;
                PREVIOUS
            }
            "publisher" => {
                let key = PublicKey::from_slice(scan.bytes()?);
                self.publisher = Some(key.map_err(|_| refuse("publisher", NOT_A_KEY))?);
                PUBLISHER
            }
            "timestamp" => {
                scan.unsigned()?;
                TIMESTAMP
            }
            _ => return Err(refuse("outermost map", UNKNOWN)),
        };
        Ok(())
    }

    fn summary(self) -> Result<Summary, RecordError> {
        let (required, optional) = match self.kind.ok_or_else(|| refuse("type", MISSING))? {
            Kind::Canonical(_) => (TYPE | META, 0),
            Kind::Update => (
                TYPE | REF | META | PUBLISHER | TIMESTAMP,
                NAME | SALT | LINKS | PREVIOUS,
            ),
            Kind::Retraction => (TYPE | REF | TARGET | PUBLISHER | TIMESTAMP, 0),
        };
        if self.seen & required != required {
            return Err(refuse(first_of(required & !self.seen), MISSING));
        }
        if self.seen & !(required | optional) != 0 {
            return Err(refuse("outermost map", UNKNOWN));
        }
        match (self.kind, self.reference, self.publisher) {
            (Some(Kind::Canonical(kind)), ..) => Ok(Summary::Canonical { kind }),
            (_, Some(reference), Some(publisher)) => Ok(Summary::Statement {
                reference,
                publisher,
                retracts: self.target,
            }),
            _ => Err(refuse("ref or publisher", MISSING)),
        }
    }
}

fn kind(text: &str) -> Result<Kind, RecordError> {
    match text {
        "entity" => Ok(Kind::Canonical(CanonicalType::Entity)),
        "artefact" => Ok(Kind::Canonical(CanonicalType::Artefact)),
        "update" => Ok(Kind::Update),
        "retraction" => Ok(Kind::Retraction),
        _ => Err(refuse("type", BAD_TYPE)),
    }
}

fn previous(scan: &mut Scan<'_>) -> Result<(), RecordError> {
    let count = count("previous", scan.list()?, RECORD_PREVIOUS_MAX)?;
    let mut last: Option<RecordId> = None;
    for _ in 0..count {
        let id = scan.record_id()?;
        if last.is_some_and(|last| last >= id) {
            return Err(refuse("previous", NOT_ASCENDING));
        }
        last = Some(id);
    }
    Ok(())
}

fn links(scan: &mut Scan<'_>) -> Result<(), RecordError> {
    let count = count("links", scan.list()?, RECORD_LINKS_MAX)?;
    let mut last: Option<(&str, RecordId)> = None;
    for _ in 0..count {
        let link = link(scan)?;
        if last.is_some_and(|last| last >= link) {
            return Err(refuse("links", NOT_ASCENDING));
        }
        last = Some(link);
    }
    Ok(())
}

/// `{to, rel}`: the shorter key comes first.
fn link<'a>(scan: &mut Scan<'a>) -> Result<(&'a str, RecordId), RecordError> {
    let mut keys = LastKey::default();
    if scan.map()? != 2 || scan.key(&mut keys)? != "to" {
        return Err(refuse("links", BAD_LINK));
    }
    let to = scan.record_id()?;
    if scan.key(&mut keys)? != "rel" {
        return Err(refuse("links", BAD_LINK));
    }
    let rel = scan.text()?;
    if (1..=REL_BYTES_MAX).contains(&rel.len()) {
        Ok((rel, to))
    } else {
        Err(refuse("rel", BAD_REL))
    }
}

fn count(field: &'static str, count: u64, max: usize) -> Result<u64, RecordError> {
    match count {
        0 => Err(refuse(field, EMPTY)),
        count if count > max as u64 => Err(refuse(field, TOO_MANY)),
        count => Ok(count),
    }
}

fn at_most(field: &'static str, bytes: usize, max: usize) -> Result<(), RecordError> {
    if bytes <= max {
        Ok(())
    } else {
        Err(refuse(field, TOO_LONG))
    }
}

const fn first_of(missing: u16) -> &'static str {
    match 1 << missing.trailing_zeros() {
        REF => "ref",
        META => "meta",
        TARGET => "target",
        PUBLISHER => "publisher",
        _ => "timestamp",
    }
}

const fn refuse(field: &'static str, why: &'static str) -> RecordError {
    RecordError::Field { field, why }
}

const BAD_LINK: &str = "has an entry that is not {rel, to}";
