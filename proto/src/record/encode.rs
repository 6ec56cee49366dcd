//! Encoding: each field in the place of its key, each value in its one encoding.
//!
//! The codec library buffers every map once for each map around it, which costs ten times as much on a museum's record,
//! and an ingest encodes every line. Each decoding compares the two.

use std::collections::BTreeMap;

use bytes::Bytes;
use ipld_core::{cid::Cid, ipld::Ipld};

use super::{
    Canonical, Link, RecordError, Retraction, Update,
    scan::{
        BYTES, FALSE, FLOAT_64, LIST, MAP, NEGATIVE, NULL, RECORD_LINK, TAG_CID, TEXT, TRUE,
        UNSIGNED,
    },
};
use crate::{
    id::{PublicKey, RecordId},
    limits::RECORD_BYTES_MAX,
};

pub(super) fn canonical(canonical: &Canonical) -> Result<Bytes, RecordError> {
    let mut out = Writer::new();
    out.head(MAP, 2);
    out.meta(&canonical.meta)?;
    out.kind(canonical.kind.as_str());
    out.finish()
}

pub(super) fn update(update: &Update) -> Result<Bytes, RecordError> {
    let optional = [
        update.name.is_some(),
        update.salt.is_some(),
        !update.links.is_empty(),
        !update.previous.is_empty(),
    ];
    let mut out = Writer::new();
    out.head(
        MAP,
        5 + optional.iter().filter(|is_there| **is_there).count() as u64,
    );
    out.record_id("ref", &update.reference);
    out.meta(&update.meta)?;
    if let Some(name) = &update.name {
        out.text("name");
        out.text(name);
    }
    if let Some(salt) = &update.salt {
        out.text("salt");
        out.bytes(salt);
    }
    out.kind("update");
    if !update.links.is_empty() {
        out.links(&update.links);
    }
    if !update.previous.is_empty() {
        out.previous(&update.previous);
    }
    out.said(&update.publisher, update.timestamp_ms);
    out.finish()
}

pub(super) fn retraction(retraction: &Retraction) -> Result<Bytes, RecordError> {
    let mut out = Writer::new();
    out.head(MAP, 5);
    out.record_id("ref", &retraction.reference);
    out.kind("retraction");
    out.record_id("target", &retraction.target);
    out.said(&retraction.publisher, retraction.timestamp_ms);
    out.finish()
}

/// The bytes so far.
struct Writer(Vec<u8>);

impl Writer {
    fn new() -> Self {
        Self(Vec::with_capacity(RECORD_BYTES_USUAL))
    }

    fn finish(self) -> Result<Bytes, RecordError> {
        match self.0.len() {
            bytes if bytes > RECORD_BYTES_MAX => Err(RecordError::TooLarge { bytes }),
            _ => Ok(self.0.into()),
        }
    }

    fn kind(&mut self, kind: &str) {
        self.text("type");
        self.text(kind);
    }

    fn meta(&mut self, meta: &BTreeMap<String, Ipld>) -> Result<(), RecordError> {
        self.text("meta");
        self.map(meta)
    }

    /// Publisher and timestamp.
    fn said(&mut self, publisher: &PublicKey, timestamp_ms: u64) {
        self.text("publisher");
        self.bytes(publisher.as_bytes());
        self.text("timestamp");
        self.head(UNSIGNED, timestamp_ms);
    }

    fn links(&mut self, links: &[Link]) {
        self.text("links");
        self.head(LIST, links.len() as u64);
        for link in links {
            self.head(MAP, 2);
            self.record_id("to", &link.to);
            self.text("rel");
            self.text(&link.rel);
        }
    }

    fn previous(&mut self, previous: &[RecordId]) {
        self.text("previous");
        self.head(LIST, previous.len() as u64);
        for id in previous {
            self.link(id);
        }
    }

    fn record_id(&mut self, key: &str, id: &RecordId) {
        self.text(key);
        self.link(id);
    }

    fn link(&mut self, id: &RecordId) {
        self.0.extend_from_slice(&RECORD_LINK);
        self.0.extend_from_slice(id.as_bytes());
    }

    /// The depth was checked before.
    fn value(&mut self, value: &Ipld) -> Result<(), RecordError> {
        match value {
            Ipld::Null => self.0.push(NULL),
            Ipld::Bool(value) => self.0.push(if *value { TRUE } else { FALSE }),
            Ipld::Integer(value) => self.integer(*value)?,
            Ipld::Float(value) => self.float(*value)?,
            Ipld::String(text) => self.text(text),
            Ipld::Bytes(bytes) => self.bytes(bytes),
            Ipld::List(items) => {
                self.head(LIST, items.len() as u64);
                items.iter().try_for_each(|item| self.value(item))?;
            }
            Ipld::Map(entries) => self.map(entries)?,
            Ipld::Link(cid) => self.cid(cid),
        }
        Ok(())
    }

    fn map(&mut self, entries: &BTreeMap<String, Ipld>) -> Result<(), RecordError> {
        self.head(MAP, entries.len() as u64);
        let mut entries: Vec<_> = entries.iter().collect();
        // A stable sort: keys of equal length keep their order.
        entries.sort_by_key(|(key, _)| key.len());
        entries.into_iter().try_for_each(|(key, value)| {
            self.text(key);
            self.value(value)
        })
    }

    fn integer(&mut self, value: i128) -> Result<(), RecordError> {
        let (major, argument) = if value < 0 {
            (NEGATIVE, -1 - value)
        } else {
            (UNSIGNED, value)
        };
        let argument = u64::try_from(argument).map_err(|_| RecordError::Field {
            field: "meta",
            why: "has an integer beyond 64 bits",
        })?;
        self.head(major, argument);
        Ok(())
    }

    fn float(&mut self, value: f64) -> Result<(), RecordError> {
        if !value.is_finite() {
            return Err(RecordError::Field {
                field: "meta",
                why: "has a float that is not finite",
            });
        }
        self.0.push(FLOAT_64);
        // Adding zero converts -0.0 to 0.0 and changes no other number.
        self.0.extend_from_slice(&(value + 0.0).to_be_bytes());
        Ok(())
    }

    fn cid(&mut self, cid: &Cid) {
        let cid = cid.to_bytes();
        self.0.extend_from_slice(&TAG_CID);
        self.head(BYTES, cid.len() as u64 + 1);
        self.0.push(0);
        self.0.extend_from_slice(&cid);
    }

    fn text(&mut self, text: &str) {
        self.head(TEXT, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.head(BYTES, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A head in its shortest form.
    fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        let wide = argument.to_be_bytes();
        match argument {
            0..24 => self.0.push(major | wide[7]),
            24..0x100 => self.0.extend_from_slice(&[major | 24, wide[7]]),
            0x100..0x1_0000 => self.0.extend_from_slice(&[major | 25, wide[6], wide[7]]),
            0x1_0000..0x1_0000_0000 => {
                self.0.push(major | 26);
                self.0.extend_from_slice(&wide[4..]);
            }
            _ => {
                self.0.push(major | 27);
                self.0.extend_from_slice(&wide);
            }
        }
    }
}

/// Enough space for most records.
const RECORD_BYTES_USUAL: usize = 512;
