//! The state of one canonical while the lines of a batch are decided, and the changes of each line.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use kittengrad_client::submit::Draft;
use kittengrad_client_core::{
    ingest::{Decision, decide},
    map::{Mapped, Mode},
};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::{Record, Summary, check},
};

use super::{batch::Fate, sets::Known};

/// The publisher of the lines, the mode and the time of the decisions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Speaker {
    pub(super) publisher: PublicKey,
    pub(super) mode: Mode,
    /// Whether only canonicals without a statement of this publisher are loaded.
    pub(super) is_first_word: bool,
    /// Unix milliseconds.
    pub(super) now_ms: u64,
}

/// The input of `decide`: statements of the one publisher, or `None` if the canonical does not exist.
pub(super) type Set = Option<Vec<(RecordId, Record)>>;

/// The state of a canonical, including earlier lines of this batch.
pub(super) enum State {
    Known {
        set: Set,
        /// Timestamp of the last update of this batch.
        said_ms: Option<u64>,
    },
    Unreachable(Arc<str>),
}

impl State {
    pub(super) fn new(speaker: &Speaker, known: Known) -> Self {
        match known {
            Known::Absent => Self::Known {
                set: None,
                said_ms: None,
            },
            Known::Set(statements) => {
                let own = statements
                    .into_iter()
                    .filter_map(|(id, bytes)| own(speaker, id, &bytes));
                Self::Known {
                    set: Some(own.collect()),
                    said_ms: None,
                }
            }
            Known::Unreachable(why) => Self::Unreachable(why),
        }
    }

    /// Decides one line, and adds its update to the state for later lines.
    pub(super) fn take(&mut self, speaker: &Speaker, mapped: Mapped) -> Taken {
        let (set, said_ms) = match self {
            Self::Known { set, said_ms } => (set, said_ms),
            Self::Unreachable(why) => {
                return Taken::without_draft(Fate::Refused(why.to_string()));
            }
        };
        if speaker.is_first_word
            && let Some(said) = set.as_ref().filter(|set| !set.is_empty())
        {
            return Taken {
                on: said.iter().map(|(id, _)| *id).collect(),
                ..Taken::without_draft(Fate::Unchanged)
            };
        }
        let (fate, previous, insert) =
            match decide(speaker.mode, &speaker.publisher, &mapped, set.as_deref()) {
                Decision::Unchanged => {
                    let on = equal(&mapped, set.as_deref().unwrap_or_default());
                    return Taken {
                        on,
                        ..Taken::without_draft(Fate::Unchanged)
                    };
                }
                Decision::Insert => (
                    Fate::Inserted,
                    Vec::new(),
                    Some(mapped.canonical_bytes.clone()),
                ),
                Decision::Update { previous } => (Fate::Updated, previous, None),
            };
        let canonical = mapped.canonical_id;
        // Later lines about a canonical get later timestamps.
        let timestamp_ms = said_ms.map_or(speaker.now_ms, |last| {
            speaker.now_ms.max(last.saturating_add(1))
        });
        let update = mapped.update(speaker.publisher, timestamp_ms, previous);
        let bytes = match update.encode() {
            Ok(bytes) => bytes,
            Err(error) => return Taken::without_draft(Fate::Refused(error.to_string())),
        };
        let (id, on) = (RecordId::of(&bytes), update.previous.clone());
        *said_ms = Some(timestamp_ms);
        set.get_or_insert_default()
            .push((id, Record::Update(update)));
        let draft = Draft {
            canonical,
            insert,
            updates: vec![bytes],
        };
        Taken {
            fate,
            draft: Some((id, draft)),
            on,
        }
    }

    /// Removes updates that were not acknowledged.
    pub(super) fn forget(&mut self, refused: &HashMap<RecordId, String>) {
        if let Self::Known { set: Some(set), .. } = self {
            set.retain(|(id, _)| !refused.contains_key(id));
        }
    }
}

/// The decision about a line.
pub(super) struct Taken {
    pub(super) fate: Fate,
    /// Its update, if it makes one.
    pub(super) draft: Option<(RecordId, Draft)>,
    /// Earlier updates that it replaces, or that say the same.
    pub(super) on: Vec<RecordId>,
}

impl Taken {
    fn without_draft(fate: Fate) -> Self {
        Self {
            fate,
            draft: None,
            on: Vec::new(),
        }
    }
}

/// The last update with the same content. A line that changes nothing depends on it.
fn equal(mapped: &Mapped, set: &[(RecordId, Record)]) -> Vec<RecordId> {
    let same = set
        .iter()
        .rfind(|(_, record)| matches!(record, Record::Update(update) if mapped.is_said_by(update)));
    same.map(|(id, _)| *id).into_iter().collect()
}

/// The record, if it is by the publisher of the lines. Other records do not matter here.
fn own(speaker: &Speaker, id: RecordId, bytes: &Bytes) -> Option<(RecordId, Record)> {
    match check(bytes) {
        Ok(Summary::Statement { publisher, .. }) if publisher == speaker.publisher => {
            Record::decode(bytes).ok().map(|record| (id, record))
        }
        _ => None,
    }
}
