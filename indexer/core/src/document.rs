//! Documents: what is known of one canonical, said by whom and when.

use std::collections::{BTreeMap, BTreeSet};

use ipld_core::ipld::Ipld;
use kittengrad_proto::{
    heads::Standing,
    id::{Id, PublicKey, RecordId},
    record::{Canonical, CanonicalType, Link, Retraction, Update},
};

use crate::{limits::NAMES_MAX, words};

/// The fold of one canonical's set.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The canonical.
    pub canonical: RecordId,
    /// Its record; `None` while it is absent.
    pub record: Option<Canonical>,
    /// Every element of the set, by (timestamp, CID); those whose record is absent come last, by CID.
    pub statements: Vec<Statement>,
}

/// One element of the set.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The record's name.
    pub id: RecordId,
    /// What it says.
    pub said: Said,
}

/// What an element of a set says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Something about the canonical.
    Update {
        /// The record.
        update: Update,
        /// Whether it counts today.
        standing: Standing,
    },
    /// That an update is taken back.
    Retraction {
        /// The record.
        retraction: Retraction,
        /// Whether it withdraws a known update of the same publisher; else it is an opinion, or early.
        is_effective: bool,
    },
    /// Not known yet: the record is absent as of this document's cursor.
    Absent,
    /// Nothing: the record is none, or about something else. No honest peer admits such a thing.
    Unusable,
}

impl Document {
    /// Type of the canonical; `None` while its record is absent.
    #[must_use]
    pub fn kind(&self) -> Option<CanonicalType> {
        self.record.as_ref().map(|record| record.kind)
    }

    /// The identifier that the canonical's record carries, `tate:artwork:1035`, if it has one.
    #[must_use]
    pub fn identifier(&self) -> Option<&str> {
        match self.record.as_ref()?.meta.get("id")? {
            Ipld::String(id) => Some(id),
            _ => None,
        }
    }

    /// The updates that count today, by (timestamp, CID): the newest last.
    pub fn heads(&self) -> impl DoubleEndedIterator<Item = (RecordId, &Update)> + '_ {
        self.statements
            .iter()
            .filter_map(|statement| match &statement.said {
                Said::Update {
                    update,
                    standing: Standing::Head,
                } => Some((statement.id, update)),
                _ => None,
            })
    }

    /// What to call the canonical: the name in its newest head that has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.names().next()
    }

    /// The names in all heads, each once, the newest first; at most [`NAMES_MAX`].
    pub fn names(&self) -> impl Iterator<Item = &str> + '_ {
        let mut seen = BTreeSet::new();
        self.heads()
            .rev()
            .filter_map(|(_, update)| update.name.as_deref())
            .filter(|name| !name.trim().is_empty())
            .filter(move |name| seen.insert(*name))
            .take(NAMES_MAX)
    }

    /// Who says something about the canonical today.
    #[must_use]
    pub fn publishers(&self) -> BTreeSet<PublicKey> {
        self.heads().map(|(_, update)| update.publisher).collect()
    }

    /// Everybody who ever said something about it, as far as the records are known.
    #[must_use]
    pub fn speakers(&self) -> BTreeSet<PublicKey> {
        let speaker = |statement: &Statement| match &statement.said {
            Said::Update { update, .. } => Some(update.publisher),
            Said::Retraction { retraction, .. } => Some(retraction.publisher),
            Said::Absent | Said::Unusable => None,
        };
        self.statements.iter().filter_map(speaker).collect()
    }

    /// How the canonical relates to others, by its heads.
    #[must_use]
    pub fn links(&self) -> BTreeSet<&Link> {
        self.heads().flat_map(|(_, update)| &update.links).collect()
    }

    /// The publishers' time of the newest head, in Unix milliseconds.
    #[must_use]
    pub fn updated_ms(&self) -> Option<u64> {
        self.heads()
            .next_back()
            .map(|(_, update)| update.timestamp_ms)
    }

    /// All text that is searched: names, and every string in the canonical and in its heads, the newest first.
    #[must_use]
    pub fn text(&self) -> String {
        let nothing = BTreeMap::new();
        let canonical = self.record.as_ref().map_or(&nothing, |record| &record.meta);
        let metas = self.heads().rev().map(|(_, update)| &update.meta);
        words::text(self.names(), metas.chain([canonical]))
    }

    /// A line that tells documents of the same name apart: short strings of the newest head.
    #[must_use]
    pub fn summary(&self) -> String {
        let known = [self.name(), self.identifier()];
        self.heads()
            .next_back()
            .map(|(_, update)| words::summary(&update.meta, &known))
            .unwrap_or_default()
    }

    /// Names the document's content: equal documents have equal hashes, different ones different hashes.
    ///
    /// Records are named by their hashes already, so that it is enough to say which there are, in which
    /// order, and how each stands.
    #[must_use]
    pub fn hash(&self) -> Id {
        let mut bytes = Vec::with_capacity(33 + self.statements.len() * 33);
        bytes.extend_from_slice(self.canonical.as_bytes());
        bytes.push(u8::from(self.record.is_some()));
        for statement in &self.statements {
            bytes.extend_from_slice(statement.id.as_bytes());
            bytes.push(match statement.said {
                Said::Update {
                    standing: Standing::Head,
                    ..
                } => 1,
                Said::Update {
                    standing: Standing::Replaced,
                    ..
                } => 2,
                Said::Update {
                    standing: Standing::Retracted,
                    ..
                } => 3,
                Said::Retraction {
                    is_effective: true, ..
                } => 4,
                Said::Retraction {
                    is_effective: false,
                    ..
                } => 5,
                Said::Absent => 6,
                Said::Unusable => 7,
            });
        }
        Id::of(&[DOMAIN, &bytes])
    }
}

const DOMAIN: &[u8] = b"kittengrad/index/document/1\0";
