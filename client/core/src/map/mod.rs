//! Maps: how a publisher's records become canonicals, updates and links.
//!
//! ```toml
//! publisher = "tate"                  # whose words these are: the name of one of the client's keys
//! type = "artefact"                   # or "entity"
//! id = "tate:artwork:{/id}"           # the canonical is {type, meta: {id}}
//! name = "/title"                     # what to call it; optional
//! mode = "replace"                    # or "accumulate"; "replace" if left out
//!
//! [[link]]                            # any number of them
//! rel = "createdBy"
//! each = "/contributors"              # an array, or one value; optional: the record itself
//! to = { type = "entity", id = "tate:artist:{/id}" }   # pointers are relative to each element
//! ```
//!
//! The record itself goes into the update's `meta`, unreshaped. What is missing in `id` refuses the line;
//! what is missing in a link, or no identifier there, makes no link. A name is text or a number; any other
//! value, blank text and text beyond [`RECORD_NAME_BYTES_MAX`] make no name: nothing is cut short, and the
//! whole of it is in `meta`.

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
use crate::json::{self, JsonError, Shown};

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

/// What a record that differs from those known does to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It replaces them: one record is the publisher's whole word on its canonical.
    #[default]
    Replace,
    /// It joins them: several records speak of one canonical.
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

/// Why a text is no map, with the place where the text says so. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct MapError(String);

/// Why a line is not taken. Nothing changed, and other lines are not affected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The line is not JSON that a record can hold.
    #[error("not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// Longer than any line that is looked at.
    #[error("the line has more than {bytes_max} bytes, and is read only that far")]
    LineTooLong {
        /// Bytes of the longest line that is looked at.
        bytes_max: usize,
    },
    /// A record must be an object.
    #[error("the line is not a JSON object")]
    NotAnObject,
    /// The record does not say what it is about.
    #[error("no id: {0}")]
    Id(#[from] HoleError),
    /// More links than an update may have.
    #[error("it makes {0} links, at most {RECORD_LINKS_MAX} are allowed")]
    TooManyLinks(usize),
    /// What was made of it is no record, most often because it is too large.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// A line as its map understands it: a canonical, and what this publisher says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    /// What it is about.
    pub canonical: Canonical,
    /// The canonical's DAG-CBOR.
    pub canonical_bytes: Bytes,
    /// The canonical's name.
    pub canonical_id: RecordId,
    /// What to call it.
    pub name: Option<String>,
    /// The publisher's record.
    pub meta: BTreeMap<String, Ipld>,
    /// How it relates to others, strictly ascending.
    pub links: Vec<Link>,
}

impl Map {
    /// Reads a map from TOML.
    ///
    /// # Errors
    /// [`MapError`] names the line and what is wrong with it; unknown keys are refused.
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

    /// Whose words the records are: the name of one of the client's keys.
    #[must_use]
    pub fn publisher(&self) -> &str {
        &self.publisher
    }

    /// What a record that differs from those known does to them.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Says what one line means, without its end of line.
    ///
    /// What it gives fits into an update as long as nothing is replaced; [`Mapped::update`] may still grow
    /// beyond the limit by what it names in `previous`.
    ///
    /// # Errors
    /// [`Refusal`] says why, for people.
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
    /// What the rule makes a link of, each: the items of an array, or the one value that is there.
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
    /// The update that says this, at `timestamp_ms` (Unix milliseconds) and instead of `previous`.
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

    /// Whether `update` says the same: name, meta and links.
    #[must_use]
    pub fn is_said_by(&self, update: &Update) -> bool {
        self.name == update.name && self.links == update.links && self.meta == update.meta
    }
}

/// The update of the most bytes that says this without replacing anything.
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

/// Text or a number that can be a name.
fn name(value: &Ipld) -> Option<String> {
    let name = match value {
        Ipld::String(text) => text.clone(),
        Ipld::Integer(_) | Ipld::Float(_) => Shown(value).to_string(),
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

/// Whether this is one of the relations that views know how to show.
///
/// # Errors
/// A text that names them all, if it is none.
pub fn check_rel(text: &str) -> Result<(), String> {
    if RELS.contains(&text) {
        Ok(())
    } else {
        Err(format!("{text:?} is not a relation: {}", RELS.join(", ")))
    }
}
