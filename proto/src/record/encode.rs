//! How a record becomes bytes: the fields as the codec sees them, which then sorts them.

use std::collections::BTreeMap;

use bytes::Bytes;
use ipld_core::{cid::Cid, ipld::Ipld};
use serde::Serialize;
use serde_bytes::Bytes as RawBytes;

use super::{Canonical, Link, RecordError, Retraction, Update};
use crate::limits::RECORD_BYTES_MAX;

pub(super) fn canonical(canonical: &Canonical) -> Result<Bytes, RecordError> {
    write(&CanonicalFields::of(canonical))
}

pub(super) fn update(update: &Update) -> Result<Bytes, RecordError> {
    write(&UpdateFields::of(update))
}

pub(super) fn retraction(retraction: &Retraction) -> Result<Bytes, RecordError> {
    write(&RetractionFields::of(retraction))
}

/// The limit on a record's bytes is checked here; the others are checked before.
fn write<T: Serialize>(fields: &T) -> Result<Bytes, RecordError> {
    let bytes = serde_ipld_dagcbor::to_vec(fields)
        .map_err(|error| RecordError::Codec(error.to_string()))?;
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(RecordError::TooLarge { bytes: bytes.len() });
    }
    Ok(bytes.into())
}

#[derive(Serialize)]
struct CanonicalFields<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    meta: &'a BTreeMap<String, Ipld>,
}

#[derive(Serialize)]
struct UpdateFields<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "ref")]
    reference: Cid,
    publisher: &'a RawBytes,
    timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    meta: &'a BTreeMap<String, Ipld>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    previous: Vec<Cid>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<LinkFields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salt: Option<&'a RawBytes>,
}

#[derive(Serialize)]
struct LinkFields<'a> {
    rel: &'a str,
    to: Cid,
}

#[derive(Serialize)]
struct RetractionFields<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "ref")]
    reference: Cid,
    target: Cid,
    publisher: &'a RawBytes,
    timestamp: u64,
}

impl<'a> CanonicalFields<'a> {
    const fn of(canonical: &'a Canonical) -> Self {
        Self {
            kind: canonical.kind.as_str(),
            meta: &canonical.meta,
        }
    }
}

impl<'a> UpdateFields<'a> {
    fn of(update: &'a Update) -> Self {
        Self {
            kind: "update",
            reference: update.reference.cid(),
            publisher: RawBytes::new(update.publisher.as_bytes()),
            timestamp: update.timestamp_ms,
            name: update.name.as_deref(),
            meta: &update.meta,
            previous: update.previous.iter().map(|id| id.cid()).collect(),
            links: update.links.iter().map(LinkFields::of).collect(),
            salt: update.salt.as_deref().map(RawBytes::new),
        }
    }
}

impl<'a> LinkFields<'a> {
    fn of(link: &'a Link) -> Self {
        Self {
            rel: &link.rel,
            to: link.to.cid(),
        }
    }
}

impl<'a> RetractionFields<'a> {
    fn of(retraction: &'a Retraction) -> Self {
        Self {
            kind: "retraction",
            reference: retraction.reference.cid(),
            target: retraction.target.cid(),
            publisher: RawBytes::new(retraction.publisher.as_bytes()),
            timestamp: retraction.timestamp_ms,
        }
    }
}
