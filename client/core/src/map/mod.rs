//! Maps: how a publisher's records become canonicals, updates and links.
//!
//! ```toml
//! publisher = "tate"                  # the publisher: the name of one of the client's keys
//! type = "artefact"                   # or "entity"
//! id = "tate:artwork:{/id}"           # the canonical is {type, meta: {id}}
//! name = "/title"                     # the name in the update; optional
//! mode = "replace"                    # or "accumulate"; "replace" by default
//!
//! [[link]]                            # any number of them
//! rel = "createdBy"
//! each = "/contributors"              # an array, or one value; optional: the record itself
//! to = { type = "entity", id = "tate:artist:{/id}" }   # pointers are relative to each element
//! ```
//!
//! The update's `meta` is the record itself, unchanged. A line with a missing value in `id` is refused. A missing value
//! in a link, or one that is not an identifier, makes no link. A name is text or a number. Any other value, blank text,
//! or text above [`RECORD_NAME_BYTES_MAX`] makes no name; nothing is cut, and `meta` has the whole value.

mod pointer;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ipld_core::ipld::Ipld;
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    limits::{RECORD_LINKS_MAX, RECORD_NAME_BYTES_MAX},
    record::{Canonical, CanonicalType, CanonicalTypeError, Link, RELS, RecordError, Update},
};
use serde::Deserialize;
use thiserror::Error;

pub use self::{
    pointer::{Pointer, PointerError},
    template::{HoleError, Template, TemplateError},
};
use crate::json::{self, JsonError, JsonValue};

/// How one publisher's records become canonicals, updates and links.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    publisher: String,
    #[serde(rename = "type")]
    kind: Kind,
    id: Template,
    name: Option<Pointer>,
    #[serde(default)]
    mode: Mode,
    #[serde(default, rename = "link")]
    links: Vec<LinkRule>,
}

/// The effect of a record on the publisher's earlier records about the same canonical.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It replaces them: one record is everything that the publisher says about its canonical.
    #[default]
    Replace,
    /// It is added to them: several records describe one canonical.
    Accumulate,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkRule {
    rel: Rel,
    #[serde(default)]
    each: Option<Pointer>,
    to: Target,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    #[serde(rename = "type")]
    kind: Kind,
    id: Template,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Kind(CanonicalType);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Rel(String);

/// Why a text is not a map, with the place in the text. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct MapError(String);

/// Why a line is refused. Nothing changed, and other lines are not affected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The line is not JSON that a record can hold.
    #[error("not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// The line is too long.
    #[error("the line has more than {bytes_max} bytes, and was read only up to there")]
    LineTooLong {
        /// Bytes of the longest line that is accepted.
        bytes_max: usize,
    },
    /// The line is not an object.
    #[error("the line is not a JSON object")]
    NotAnObject,
    /// The line has no identifier for its canonical.
    #[error("no id: {0}")]
    Id(#[from] HoleError),
    /// More links than an update may have.
    #[error("the line makes {0} links; at most {RECORD_LINKS_MAX} are allowed")]
    TooManyLinks(usize),
    /// The record breaks a rule. Usually it is too large.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// A line after its map: a canonical and a statement about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    /// The canonical.
    pub canonical: Canonical,
    /// The canonical's DAG-CBOR.
    pub canonical_bytes: Bytes,
    /// The canonical's name.
    pub canonical_id: RecordId,
    /// The name in the update.
    pub name: Option<String>,
    /// The publisher's record, the update's `meta`.
    pub meta: BTreeMap<String, Ipld>,
    /// The links, strictly ascending.
    pub links: Vec<Link>,
}

impl Map {
    /// Reads a map from TOML.
    ///
    /// # Errors
    /// [`MapError`] with the line and the reason. Unknown keys are refused.
    pub fn parse(toml: &str) -> Result<Self, MapError> {
        let map: Self = toml::from_str(toml)
            .map_err(|error| MapError(error.to_string().trim_end().to_owned()))?;
        if map.publisher.trim().is_empty() {
            return Err(MapError(
                "publisher is empty: name one of the client's keys".to_owned(),
            ));
        }
        if !map.id.has_holes() {
            let why = "id has no hole, so that all lines would be about one thing: write \"tate:artwork:{/id}\"";
            return Err(MapError(why.to_owned()));
        }
        Ok(map)
    }

    /// The publisher: the name of one of the client's keys.
    #[must_use]
    pub fn publisher(&self) -> &str {
        &self.publisher
    }

    /// The effect of a record on earlier ones.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Maps one line, without its end.
    ///
    /// The result fits into an update that replaces nothing. [`Mapped::update`] may exceed the limit because of the
    /// names in `previous`.
    ///
    /// # Errors
    /// [`Refusal`] if the line is refused.
    pub fn apply(&self, line: &[u8]) -> Result<Mapped, Refusal> {
        let record = json::parse(line)?;
        if !matches!(record, Ipld::Map(_)) {
            return Err(Refusal::NotAnObject);
        }
        let canonical = Canonical::identified(self.kind.0, self.id.fill(&record)?);
        let canonical_bytes = canonical.encode()?;
        let canonical_id = RecordId::of(&canonical_bytes);
        let name = self
            .name
            .as_ref()
            .and_then(|pointer| name(pointer.find(&record)?));
        let links = self.links(&record)?;
        let Ipld::Map(meta) = record else {
            return Err(Refusal::NotAnObject);
        };
        let update = largest_update(canonical_id, name, meta, links);
        update.encode()?;
        let Update {
            name, meta, links, ..
        } = update;
        Ok(Mapped {
            canonical,
            canonical_bytes,
            canonical_id,
            name,
            meta,
            links,
        })
    }

    fn links(&self, record: &Ipld) -> Result<Vec<Link>, Refusal> {
        let mut links = BTreeSet::new();
        for rule in &self.links {
            for element in rule.elements(record) {
                if let Ok(id) = rule.to.id.fill(element) {
                    let to = Canonical::identified(rule.to.kind.0, id);
                    let to = RecordId::of(&to.encode()?);
                    links.insert(Link {
                        rel: rule.rel.0.clone(),
                        to,
                    });
                }
            }
        }
        if links.len() > RECORD_LINKS_MAX {
            return Err(Refusal::TooManyLinks(links.len()));
        }
        Ok(links.into_iter().collect())
    }
}

impl LinkRule {
    /// The values of which the rule makes one link each: the items of an array, or the single value.
    fn elements<'a>(&self, record: &'a Ipld) -> &'a [Ipld] {
        match self
            .each
            .as_ref()
            .map_or(Some(record), |each| each.find(record))
        {
            Some(Ipld::List(items)) => items,
            Some(value) => std::slice::from_ref(value),
            None => &[],
        }
    }
}

impl Mapped {
    /// The update with this content at `timestamp_ms` (Unix milliseconds), which replaces `previous`.
    #[must_use]
    pub fn update(
        self,
        publisher: PublicKey,
        timestamp_ms: u64,
        previous: Vec<RecordId>,
    ) -> Update {
        Update {
            reference: self.canonical_id,
            publisher,
            timestamp_ms,
            name: self.name,
            meta: self.meta,
            previous,
            links: self.links,
            salt: None,
        }
    }

    /// Whether `update` has the same name, meta and links.
    #[must_use]
    pub fn is_said_by(&self, update: &Update) -> bool {
        self.name == update.name && self.links == update.links && self.meta == update.meta
    }
}

/// The update with this content and the most bytes, as long as it replaces nothing.
const fn largest_update(
    reference: RecordId,
    name: Option<String>,
    meta: BTreeMap<String, Ipld>,
    links: Vec<Link>,
) -> Update {
    let publisher = PublicKey::new([0; 32]);
    let timestamp_ms = u64::MAX;
    Update {
        reference,
        publisher,
        timestamp_ms,
        name,
        meta,
        previous: Vec::new(),
        links,
        salt: None,
    }
}

/// Text or a number, if it can be a name.
fn name(value: &Ipld) -> Option<String> {
    let name = match value {
        Ipld::String(text) => text.clone(),
        Ipld::Integer(_) | Ipld::Float(_) => JsonValue(value).to_string(),
        _ => return None,
    };
    let is_name = !name.trim().is_empty() && name.len() <= RECORD_NAME_BYTES_MAX;
    is_name.then_some(name)
}

impl TryFrom<String> for Kind {
    type Error = CanonicalTypeError;

    fn try_from(text: String) -> Result<Self, CanonicalTypeError> {
        text.parse().map(Self)
    }
}

impl TryFrom<String> for Rel {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        check_rel(&text)?;
        Ok(Self(text))
    }
}

/// Checks that this is a relation that views show.
///
/// # Errors
/// A text that lists all relations.
pub fn check_rel(text: &str) -> Result<(), String> {
    if RELS.contains(&text) {
        Ok(())
    } else {
        Err(format!("{text:?} is not a relation: {}", RELS.join(", ")))
    }
}
