//! Values as JSON text: the inverse of [`parse`](super::parse).

use std::{collections::BTreeMap, fmt};

use data_encoding::BASE64_NOPAD;
use ipld_core::ipld::Ipld;
use serde::{Serialize, Serializer, ser::SerializeMap};

/// A value as JSON: inside a larger JSON text, or with `Display` on one line.
///
/// Floats keep their point (`1.0`). Bytes and links have the forms of DAG-JSON, `{"/":{"bytes":base64}}` and
/// `{"/":cid}`. Integers below -2^63, which only records made by hand contain, become floats.
#[derive(Debug, Clone, Copy)]
pub struct JsonValue<'a>(pub &'a Ipld);

/// A map as JSON, such as a record's `meta`.
#[derive(Debug, Clone, Copy)]
pub struct JsonMap<'a>(pub &'a BTreeMap<String, Ipld>);

impl Serialize for JsonValue<'_> {
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
            Ipld::List(items) => to.collect_seq(items.iter().map(JsonValue)),
            Ipld::Map(entries) => JsonMap(entries).serialize(to),
            Ipld::Link(cid) => special(&cid.to_string(), to),
        }
    }
}

impl Serialize for JsonMap<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(key, value)| (key, JsonValue(value))))
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

impl fmt::Display for JsonValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Display for JsonMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}
