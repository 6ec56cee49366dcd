//! Decoding: the codec library reads the bytes, then each field is checked.

use std::collections::BTreeMap;

use bytes::Bytes;
use ipld_core::ipld::Ipld;

use super::{
    BAD_TYPE, Canonical, CanonicalType, EMPTY, Link, MISSING, NOT_A_KEY, NOT_A_RECORD, NOT_A_TIME,
    Record, RecordError, Retraction, UNKNOWN, Update,
};
use crate::{
    id::{PublicKey, RecordId},
    limits::RECORD_BYTES_MAX,
};

/// The codec library nests at most 127 levels, so that hostile nesting ends in an error.
pub(super) fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(RecordError::TooLarge { bytes: bytes.len() });
    }
    let value: Ipld = serde_ipld_dagcbor::from_slice(bytes)
        .map_err(|error| RecordError::Codec(error.to_string()))?;
    let record = Fields::of(value)?.record()?;
    // The codec library accepts bytes after a CID, for example.
    if record.encode()? != bytes {
        return Err(RecordError::Codec(
            "another encoding of the same record exists".to_owned(),
        ));
    }
    Ok(record)
}

/// The fields that were not read yet.
struct Fields(BTreeMap<String, Ipld>);

impl Fields {
    fn of(value: Ipld) -> Result<Self, RecordError> {
        match value {
            Ipld::Map(fields) => Ok(Self(fields)),
            _ => Err(refuse("outermost value", "is not a map")),
        }
    }

    fn record(mut self) -> Result<Record, RecordError> {
        let record = match self.text("type")?.as_deref() {
            Some("entity") => Record::Canonical(self.canonical(CanonicalType::Entity)?),
            Some("artefact") => Record::Canonical(self.canonical(CanonicalType::Artefact)?),
            Some("update") => Record::Update(self.update()?),
            Some("retraction") => Record::Retraction(self.retraction()?),
            Some(_) => return Err(refuse("type", BAD_TYPE)),
            None => return Err(refuse("type", MISSING)),
        };
        self.end()?;
        Ok(record)
    }

    fn canonical(&mut self, kind: CanonicalType) -> Result<Canonical, RecordError> {
        Ok(Canonical {
            kind,
            meta: self.meta()?,
        })
    }

    fn update(&mut self) -> Result<Update, RecordError> {
        Ok(Update {
            reference: self.record_id("ref")?,
            publisher: self.publisher()?,
            timestamp_ms: self.timestamp()?,
            name: self.text("name")?,
            meta: self.meta()?,
            previous: self.list("previous", |item| record_id("previous", item))?,
            links: self.list("links", link)?,
            salt: self.bytes("salt")?,
        })
    }

    fn retraction(&mut self) -> Result<Retraction, RecordError> {
        Ok(Retraction {
            reference: self.record_id("ref")?,
            target: self.record_id("target")?,
            publisher: self.publisher()?,
            timestamp_ms: self.timestamp()?,
        })
    }

    fn end(self) -> Result<(), RecordError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(refuse("outermost map", UNKNOWN))
        }
    }

    fn meta(&mut self) -> Result<BTreeMap<String, Ipld>, RecordError> {
        match self.0.remove("meta") {
            Some(Ipld::Map(meta)) => Ok(meta),
            Some(_) => Err(refuse("meta", "is not a map")),
            None => Err(refuse("meta", MISSING)),
        }
    }

    fn publisher(&mut self) -> Result<PublicKey, RecordError> {
        let bytes = self
            .bytes("publisher")?
            .ok_or_else(|| refuse("publisher", MISSING))?;
        PublicKey::from_slice(&bytes).map_err(|_| refuse("publisher", NOT_A_KEY))
    }

    fn timestamp(&mut self) -> Result<u64, RecordError> {
        match self.0.remove("timestamp") {
            Some(Ipld::Integer(ms)) => {
                u64::try_from(ms).map_err(|_| refuse("timestamp", NOT_A_TIME))
            }
            Some(_) => Err(refuse("timestamp", NOT_A_TIME)),
            None => Err(refuse("timestamp", MISSING)),
        }
    }

    fn record_id(&mut self, field: &'static str) -> Result<RecordId, RecordError> {
        let value = self.0.remove(field).ok_or_else(|| refuse(field, MISSING))?;
        record_id(field, value)
    }

    fn text(&mut self, field: &'static str) -> Result<Option<String>, RecordError> {
        match self.0.remove(field) {
            Some(Ipld::String(text)) => Ok(Some(text)),
            Some(_) => Err(refuse(field, "is not text")),
            None => Ok(None),
        }
    }

    fn bytes(&mut self, field: &'static str) -> Result<Option<Bytes>, RecordError> {
        match self.0.remove(field) {
            Some(Ipld::Bytes(bytes)) => Ok(Some(bytes.into())),
            Some(_) => Err(refuse(field, "is not bytes")),
            None => Ok(None),
        }
    }

    /// An absent list is empty; an empty list is refused.
    fn list<T>(
        &mut self,
        field: &'static str,
        item: impl Fn(Ipld) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        match self.0.remove(field) {
            Some(Ipld::List(items)) if items.is_empty() => Err(refuse(field, EMPTY)),
            Some(Ipld::List(items)) => items.into_iter().map(item).collect(),
            Some(_) => Err(refuse(field, "is not a list")),
            None => Ok(Vec::new()),
        }
    }
}

fn record_id(field: &'static str, value: Ipld) -> Result<RecordId, RecordError> {
    match value {
        Ipld::Link(cid) => RecordId::from_cid(&cid).map_err(|_| refuse(field, NOT_A_RECORD)),
        _ => Err(refuse(field, NOT_A_RECORD)),
    }
}

fn link(value: Ipld) -> Result<Link, RecordError> {
    let mut fields = Fields::of(value)?;
    let link = Link {
        rel: fields.text("rel")?.ok_or_else(|| refuse("rel", MISSING))?,
        to: fields.record_id("to")?,
    };
    fields.end()?;
    Ok(link)
}

const fn refuse(field: &'static str, why: &'static str) -> RecordError {
    RecordError::Field { field, why }
}
