//! A document: every statement about one canonical, with its publisher and its time.

use std::collections::BTreeSet;

use ipld_core::ipld::Ipld;
use kittengrad_proto::{
    heads::Standing,
    id::{PublicKey, RecordId},
    record::{Canonical, CanonicalType, Link, Retraction, Update},
};

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
    /// Its content.
    pub claim: Claim,
}

/// The content of a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// Describes the canonical.
    Update {
        /// The record.
        update: Update,
        /// Whether it counts today.
        standing: Standing,
    },
    /// Takes an update back.
    Retraction {
        /// The record.
        retraction: Retraction,
        /// Whether its target is a known update of the same publisher. If not, it has no effect: it is the opinion of
        /// somebody else, or came before its target.
        is_effective: bool,
    },
    /// The record is absent.
    Absent,
    /// The record does not decode, or is about another canonical. An honest peer admits neither.
    Unusable,
}

impl Statement {
    /// The update, if it is one.
    #[must_use]
    pub const fn update(&self) -> Option<&Update> {
        match &self.claim {
            Claim::Update { update, .. } => Some(update),
            _ => None,
        }
    }

    /// Whether it is an update that counts today.
    #[must_use]
    pub const fn is_head(&self) -> bool {
        matches!(
            self.claim,
            Claim::Update {
                standing: Standing::Head,
                ..
            }
        )
    }

    /// Its publisher, as far as the record is known.
    #[must_use]
    pub const fn publisher(&self) -> Option<PublicKey> {
        match &self.claim {
            Claim::Update { update, .. } => Some(update.publisher),
            Claim::Retraction { retraction, .. } => Some(retraction.publisher),
            Claim::Absent | Claim::Unusable => None,
        }
    }

    /// The publisher's time, in Unix milliseconds, as far as the record is known.
    #[must_use]
    pub const fn timestamp_ms(&self) -> Option<u64> {
        match &self.claim {
            Claim::Update { update, .. } => Some(update.timestamp_ms),
            Claim::Retraction { retraction, .. } => Some(retraction.timestamp_ms),
            Claim::Absent | Claim::Unusable => None,
        }
    }

    /// `head`, `replaced`, `retracted`, `retraction`, `opinion`, `absent` or `unusable`.
    #[must_use]
    pub const fn standing(&self) -> &'static str {
        match &self.claim {
            Claim::Update { standing, .. } => match standing {
                Standing::Head => "head",
                Standing::Replaced => "replaced",
                Standing::Retracted => "retracted",
            },
            Claim::Retraction {
                is_effective: true, ..
            } => "retraction",
            Claim::Retraction {
                is_effective: false,
                ..
            } => "opinion",
            Claim::Absent => "absent",
            Claim::Unusable => "unusable",
        }
    }
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
        let heads = self.statements.iter().filter(|one| one.is_head());
        heads.filter_map(|one| Some((one.id, one.update()?)))
    }

    /// The name in the newest head that has one.
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

    /// The publishers of the heads.
    #[must_use]
    pub fn publishers(&self) -> BTreeSet<PublicKey> {
        self.heads().map(|(_, update)| update.publisher).collect()
    }

    /// The publishers of all statements, as far as the records are known.
    #[must_use]
    pub fn speakers(&self) -> BTreeSet<PublicKey> {
        let publishers = self.statements.iter().filter_map(Statement::publisher);
        publishers.collect()
    }

    /// The links in the heads.
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
}

/// Names of one document that are listed.
pub const NAMES_MAX: usize = 1_000;
