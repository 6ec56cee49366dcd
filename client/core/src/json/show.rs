//! Values as JSON for people: what [`parse`](super::parse) read comes out as it went in.

use std::{collections::BTreeMap, fmt};

use data_encoding::BASE64_NOPAD;
use ipld_core::ipld::Ipld;
use serde::{Serialize, Serializer, ser::SerializeMap};

/// A value as JSON, in a larger JSON text or, by `Display`, alone on one line.
///
/// Floats keep their point (`1.0`), bytes and links stand in DAG-JSON's forms, `{"/":{"bytes":base64}}`
/// and `{"/":cid}`. Integers below -2^63, which only a hand-made record holds, are shown as floats.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a Ipld);

/// A map as JSON, like [`Shown`]: a record's `meta`.
#[derive(Debug, Clone, Copy)]
pub struct ShownMap<'a>(pub &'a BTreeMap<String, Ipld>);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Ipld::Null => to.serialize_unit(),
            Ipld::Bool(value) => to.serialize_bool(*value),
            Ipld::Integer(value) => integer(*value, to),
            Ipld::Float(value) => to.serialize_f64(*value),
            Ipld::String(value) => to.serialize_str(value),
            Ipld::Bytes(value) => {
                let text = BTreeMap::from([("bytes", BASE64_NOPAD.encode(value))]);
                special(&text, to)
            }
            Ipld::List(items) => to.collect_seq(items.iter().map(Shown)),
            Ipld::Map(entries) => ShownMap(entries).serialize(to),
            Ipld::Link(cid) => special(&cid.to_string(), to),
        }
    }
}

impl Serialize for ShownMap<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(key, value)| (key, Shown(value))))
    }
}

fn integer<S: Serializer>(value: i128, to: S) -> Result<S::Ok, S::Error> {
    match (u64::try_from(value), i64::try_from(value)) {
        (Ok(value), _) => to.serialize_u64(value),
        (_, Ok(value)) => to.serialize_i64(value),
        _ => to.serialize_f64(value as f64),
    }
}

/// `{"/": value}`.
fn special<S: Serializer, T: Serialize>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(1))?;
    map.serialize_entry("/", value)?;
    map.end()
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Display for ShownMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}
