//! Records: statements as strict DAG-CBOR, named by their CIDs.
//!
//! ```text
//! entity, artefact   {"meta": {...}, "type": text}
//! update             {"ref": link, "meta": {...}, "name"?: text, "salt"?: bytes, "type": text,
//!                     "links"?: [{"to": link, "rel": text}], "previous"?: [link],
//!                     "publisher": 32 bytes, "timestamp": integer}
//! retraction         {"ref": link, "type": text, "target": link, "publisher": 32 bytes, "timestamp": integer}
//! ```
//!
//! A `link` is tag 42 over the CID of a record (CIDv1, dag-cbor, sha2-256). `timestamp` is in Unix milliseconds.
//! `previous` is strictly ascending by digest and `links` by (rel, to). Both are omitted if empty, so that a statement
//! has one form. Other fields are refused.
//!
//! Strict means: shortest integers and lengths, keys ascending by length and then bytewise, no duplicate keys, no
//! indefinite lengths, floats of 64 bits that are finite and not negative zero, no tag but 42, text in UTF-8, no bytes
//! after the end. DAG-CBOR has one zero: `-0.0` is encoded as `0.0`. The depth does not count the record's own map, so
//! that an object nested [`RECORD_DEPTH_MAX`] deep fits into `meta`.

mod check;
mod decode;
mod encode;
mod scan;

use std::{collections::BTreeMap, fmt, str::FromStr};

use bytes::Bytes;
use ipld_core::ipld::Ipld;
use thiserror::Error;

pub use self::check::{Summary, check};
use crate::{
    id::{PublicKey, RecordId},
    limits::{
        RECORD_BYTES_MAX, RECORD_DEPTH_MAX, RECORD_LINKS_MAX, RECORD_NAME_BYTES_MAX,
        RECORD_PREVIOUS_MAX, RECORD_SALT_BYTES_MAX, REL_BYTES_MAX,
    },
};

/// The relations that views know how to show. A record may use others.
pub const RELS: [&str; 5] = [
    "createdBy",
    "derivedFrom",
    "rightsOwnedBy",
    "referencedBy",
    "sameAs",
];

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A thing, named by an identifier. Statements refer to it.
    Canonical(Canonical),
    /// A statement about a canonical.
    Update(Update),
    /// An update withdrawn.
    Retraction(Retraction),
}

/// The two types of canonicals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CanonicalType {
    /// A person, a group, an institution, a place.
    Entity,
    /// A work, or something made from one.
    Artefact,
}

/// The fields of a thing that never change: an identifier, without publisher and name.
#[derive(Debug, Clone, PartialEq)]
pub struct Canonical {
    /// The record's `type`.
    pub kind: CanonicalType,
    /// Fields that never change, `{"id": "tate:artwork:1035"}`.
    pub meta: BTreeMap<String, Ipld>,
}

/// A statement of one publisher about a canonical.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The canonical; `ref` on the wire.
    pub reference: RecordId,
    /// The publisher.
    pub publisher: PublicKey,
    /// The time, by the publisher's clock, in Unix milliseconds.
    pub timestamp_ms: u64,
    /// The name of the canonical.
    pub name: Option<String>,
    /// The publisher's own object, unchanged.
    pub meta: BTreeMap<String, Ipld>,
    /// Updates of the same canonical by the same publisher that this one replaces, strictly ascending.
    pub previous: Vec<RecordId>,
    /// Links to other canonicals, strictly ascending.
    pub links: Vec<Link>,
    /// Makes otherwise equal records different, and their content hard to guess.
    pub salt: Option<Bytes>,
}

/// A link to another canonical, which need not exist yet. Ordered by (rel, to).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// The relation, usually one of [`RELS`]; 1 to [`REL_BYTES_MAX`] bytes.
    pub rel: String,
    /// The other canonical.
    pub to: RecordId,
}

/// Takes an earlier update of the same publisher back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retraction {
    /// The canonical of the update; `ref` on the wire.
    pub reference: RecordId,
    /// The update.
    pub target: RecordId,
    /// The publisher. A retraction has an effect only if this is the publisher of the target.
    pub publisher: PublicKey,
    /// The time, by the publisher's clock, in Unix milliseconds.
    pub timestamp_ms: u64,
}

/// Why bytes are not a record, or a record cannot be written. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The record is too large.
    #[error("the record has {bytes} bytes, at most {RECORD_BYTES_MAX} are allowed")]
    TooLarge {
        /// Bytes of the record.
        bytes: usize,
    },
    /// The bytes are not strict DAG-CBOR.
    #[error("the record is not strict DAG-CBOR: {why} at byte {at}")]
    Malformed {
        /// The byte of the error, counted from 0.
        at: usize,
        /// The error.
        why: &'static str,
    },
    /// The codec library refuses the bytes, or they are not the one encoding of their record.
    #[error("the record is not strict DAG-CBOR: {0}")]
    Codec(String),
    /// A field is missing, unknown, of another kind, or above its limit.
    #[error("the record's {field} {why}")]
    Field {
        /// The field.
        field: &'static str,
        /// The error.
        why: &'static str,
    },
}

impl CanonicalType {
    /// The text in a record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Entity => "entity",
            Self::Artefact => "artefact",
        }
    }
}

impl fmt::Display for CanonicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is not a type of canonical. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a type of canonical; use entity or artefact")]
pub struct CanonicalTypeError(String);

impl FromStr for CanonicalType {
    type Err = CanonicalTypeError;

    fn from_str(text: &str) -> Result<Self, CanonicalTypeError> {
        match text {
            "entity" => Ok(Self::Entity),
            "artefact" => Ok(Self::Artefact),
            _ => Err(CanonicalTypeError(text.chars().take(80).collect())),
        }
    }
}

impl Record {
    /// Reads a record: decodes it, encodes it again and compares.
    ///
    /// # Errors
    /// [`RecordError`] for bytes that are not the one encoding of a record within its limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode::decode(bytes)
    }

    /// Writes the record. [`Record::decode`] reads it.
    ///
    /// # Errors
    /// [`RecordError`] if it breaks a rule or a limit.
    pub fn encode(&self) -> Result<Bytes, RecordError> {
        match self {
            Self::Canonical(canonical) => canonical.encode(),
            Self::Update(update) => update.encode(),
            Self::Retraction(retraction) => retraction.encode(),
        }
    }
}

impl Canonical {
    /// The canonical of a thing with one identifier: `{type, meta: {id}}`.
    #[must_use]
    pub fn identified(kind: CanonicalType, id: String) -> Self {
        Self {
            kind,
            meta: BTreeMap::from([("id".to_owned(), Ipld::String(id))]),
        }
    }

    /// Writes the record, as [`Record::encode`] does.
    ///
    /// # Errors
    /// [`RecordError`] if it breaks a rule or a limit.
    pub fn encode(&self) -> Result<Bytes, RecordError> {
        check_meta(&self.meta)?;
        encode::canonical(self)
    }
}

impl Retraction {
    /// Writes the record, as [`Record::encode`] does.
    ///
    /// # Errors
    /// None; the type allows for limits to come.
    pub fn encode(&self) -> Result<Bytes, RecordError> {
        encode::retraction(self)
    }
}

impl Update {
    /// Writes the record, as [`Record::encode`] does.
    ///
    /// # Errors
    /// [`RecordError`] if it breaks a rule or a limit.
    pub fn encode(&self) -> Result<Bytes, RecordError> {
        self.check_limits()?;
        encode::update(self)
    }

    fn check_limits(&self) -> Result<(), RecordError> {
        let refuse = |field, why| Err(RecordError::Field { field, why });
        if self
            .name
            .as_ref()
            .is_some_and(|name| name.len() > RECORD_NAME_BYTES_MAX)
        {
            return refuse("name", TOO_LONG);
        }
        if self
            .salt
            .as_ref()
            .is_some_and(|salt| salt.len() > RECORD_SALT_BYTES_MAX)
        {
            return refuse("salt", TOO_LONG);
        }
        if self.previous.len() > RECORD_PREVIOUS_MAX {
            return refuse("previous", TOO_MANY);
        }
        if !self.previous.is_sorted_by(|a, b| a < b) {
            return refuse("previous", NOT_ASCENDING);
        }
        if self.links.len() > RECORD_LINKS_MAX {
            return refuse("links", TOO_MANY);
        }
        if !self.links.is_sorted_by(|a, b| a < b) {
            return refuse("links", NOT_ASCENDING);
        }
        if self
            .links
            .iter()
            .any(|link| !(1..=REL_BYTES_MAX).contains(&link.rel.len()))
        {
            return refuse("rel", BAD_REL);
        }
        check_meta(&self.meta)
    }
}

fn check_meta(meta: &BTreeMap<String, Ipld>) -> Result<(), RecordError> {
    if meta.values().all(|value| fits(value, RECORD_DEPTH_MAX - 1)) {
        Ok(())
    } else {
        Err(RecordError::Field {
            field: "meta",
            why: TOO_DEEP,
        })
    }
}

/// Whether `value` nests at most `levels` maps and lists. It does not recurse further.
fn fits(value: &Ipld, levels: usize) -> bool {
    match (value, levels.checked_sub(1)) {
        (Ipld::List(items), Some(levels)) => items.iter().all(|item| fits(item, levels)),
        (Ipld::Map(items), Some(levels)) => items.values().all(|item| fits(item, levels)),
        (Ipld::List(_) | Ipld::Map(_), None) => false,
        _ => true,
    }
}

const MISSING: &str = "is missing";
const UNKNOWN: &str = "has a field that this type of record does not have";
const TOO_LONG: &str = "is longer than allowed";
const TOO_MANY: &str = "has more entries than allowed";
const TOO_DEEP: &str = "nests deeper than allowed";
const EMPTY: &str = "is empty and should be left out";
const NOT_ASCENDING: &str = "is not strictly ascending";
const BAD_REL: &str = "is empty or longer than allowed";
const BAD_TYPE: &str = "is not entity, artefact, update or retraction";
const NOT_A_RECORD: &str = "is not a link to a record";
const NOT_A_KEY: &str = "is not 32 bytes";
const NOT_A_TIME: &str = "is not a time in milliseconds";
