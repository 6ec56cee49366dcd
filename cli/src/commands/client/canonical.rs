//! Records from the forms that users write: JSON, and `REL=CID` for links.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use ipld_core::ipld::Ipld;
use kittengrad_client_core::{json, map::check_rel};
use kittengrad_proto::record::{Canonical, Link};

/// A canonical from `{"type": "artefact", "meta": {"id": "tate:artwork:1035"}}`, without further fields.
pub(crate) fn canonical(text: &[u8]) -> anyhow::Result<Canonical> {
    const FORM: &str = "write {\"type\": \"entity\" or \"artefact\", \"meta\": {\"id\": ...}}";
    let mut fields = object(text)?;
    let (kind, meta) = (fields.remove("type"), fields.remove("meta"));
    if let Some(field) = fields.keys().next() {
        bail!(
            "a canonical has no {field:?}, only \"type\" and \"meta\"; names and everything that changes belong into an update"
        );
    }
    let Some(Ipld::String(kind)) = kind else {
        bail!("\"type\" is missing or not text: {FORM}")
    };
    let Some(Ipld::Map(meta)) = meta else {
        bail!("\"meta\" is missing or not an object: {FORM}")
    };
    Ok(Canonical {
        kind: kind.parse()?,
        meta,
    })
}

/// A JSON object.
pub(crate) fn object(text: &[u8]) -> anyhow::Result<BTreeMap<String, Ipld>> {
    match json::parse(text).context("not strict JSON")? {
        Ipld::Map(fields) => Ok(fields),
        _ => bail!("JSON, but not an object"),
    }
}

/// A link from `createdBy=bafy...`.
pub(crate) fn link(text: &str) -> Result<Link, String> {
    let (rel, to) = text
        .split_once('=')
        .ok_or("write REL=CID, as in createdBy=bafyrei...")?;
    check_rel(rel)?;
    let to = to.parse().map_err(|error| format!("{error}"))?;
    Ok(Link {
        rel: rel.to_owned(),
        to,
    })
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::record::{CanonicalType, Record};

    use super::*;

    fn check(text: &str, expected: &str) {
        let error = canonical(text.as_bytes()).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(expected), "{text}: {error}");
    }

    #[test]
    fn a_canonical_is_read_as_its_map_would_make_it() {
        let read = canonical(br#"{"meta":{"id":"tate:artwork:1035"},"type":"artefact"}"#).unwrap();
        let made = Canonical::identified(CanonicalType::Artefact, "tate:artwork:1035".to_owned());
        assert_eq!(
            Record::Canonical(read).encode(),
            Record::Canonical(made).encode()
        );
    }

    #[test]
    fn text_that_is_not_a_canonical_is_refused() {
        check("{", "not strict JSON");
        check("[1]", "not an object");
        check(r#"{"type":"artefact"}"#, "\"meta\" is missing");
        check(r#"{"meta":{}}"#, "\"type\" is missing");
        check(r#"{"type":"update","meta":{}}"#, "entity or artefact");
        check(
            r#"{"type":"entity","meta":{},"name":"x"}"#,
            "has no \"name\"",
        );
        check(
            r#"{"type":"entity","type":"entity","meta":{}}"#,
            "duplicate key",
        );
    }

    #[test]
    fn a_link_names_relation_and_canonical() {
        let to = kittengrad_proto::id::RecordId::of(b"x");
        assert_eq!(
            link(&format!("createdBy={to}")),
            Ok(Link {
                rel: "createdBy".to_owned(),
                to
            })
        );
        for text in [
            "createdBy",
            "=bafy",
            "createdBy=",
            "createdBy=bafy",
            &format!("createdby={to}"),
        ] {
            assert!(link(text).is_err(), "{text}");
        }
    }
}
