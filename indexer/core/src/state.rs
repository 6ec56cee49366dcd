//! State: the cursors, counts and digest that are committed together with the documents.

use kittengrad_proto::{
    block::Head,
    cursor::{Cursor, CursorError},
    id::{Id, IdError},
    namespace::{Namespace, NamespaceError, Overlay},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    cursors::{Cursors, Last},
    digest::{Digest, DigestError},
};

/// The version of [`State::encode`].
const VERSION: u32 = 2;
/// The version before. Its cursors have no hash, so they cannot show whether a journal is still the same.
const VERSION_WITHOUT_HASHES: u32 = 1;

/// Why stored text is not a state. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StateError {
    /// The text has another form.
    #[error("stored state is malformed: {0}")]
    Malformed(String),
    /// Written by another version of this program.
    #[error("stored state has version {0}; this program knows {VERSION}")]
    Version(u32),
    /// The network is not an id.
    #[error("stored state: {0}")]
    Network(#[from] IdError),
    /// The namespace is not a name.
    #[error("stored state: {0}")]
    Namespace(#[from] NamespaceError),
    /// A cursor has another form.
    #[error("stored state: {0}")]
    Cursor(#[from] CursorError),
    /// The digest has another form.
    #[error("stored state: {0}")]
    Digest(#[from] DigestError),
}

/// The sizes of an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Canonicals that any element names.
    pub documents: u64,
    /// Updates and retractions, over all documents.
    pub updates: u64,
    /// Records that are absent, over all documents.
    pub absent: u64,
}

/// The journals whose fold the committed documents are, with the last block of each, and the sums over all documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Network and namespace of all documents.
    pub overlay: Overlay,
    /// The last processed block of each journal.
    pub cursors: Cursors,
    /// Numbers of documents, updates and absent records.
    pub counts: Counts,
    /// The digest of all documents.
    pub digest: Digest,
}

impl State {
    /// The state of an empty index.
    #[must_use]
    pub fn new(overlay: Overlay) -> Self {
        Self {
            overlay,
            cursors: Cursors::default(),
            counts: Counts::default(),
            digest: Digest::default(),
        }
    }

    /// Encodes the state as JSON, about 4 KiB.
    #[must_use]
    pub fn encode(&self) -> String {
        let stored = Stored {
            version: VERSION,
            network: self.overlay.network.to_string(),
            namespace: self.overlay.namespace.to_string(),
            cursors: self.cursors.all().map(StoredLast::of).collect(),
            counts: self.counts,
            digest: self.digest.encode(),
        };
        serde_json::to_string(&stored).expect("strings and numbers are always JSON")
    }

    /// Reads the text that [`State::encode`] wrote, in this version or the one before. From the version before, cursors
    /// are dropped: the journals are read again, which adds nothing twice.
    ///
    /// # Errors
    /// If the text has another form or version.
    pub fn decode(text: &str) -> Result<Self, StateError> {
        let malformed = |error: serde_json::Error| StateError::Malformed(error.to_string());
        let version: Version = serde_json::from_str(text).map_err(malformed)?;
        let mut value: serde_json::Value = serde_json::from_str(text).map_err(malformed)?;
        match version.version {
            VERSION => {}
            VERSION_WITHOUT_HASHES => {
                if let Some(cursors) = value.get_mut("cursors") {
                    *cursors = serde_json::Value::Array(Vec::new());
                }
            }
            other => return Err(StateError::Version(other)),
        }
        let stored: Stored = serde_json::from_value(value).map_err(malformed)?;
        let mut cursors = Cursors::default();
        for last in &stored.cursors {
            cursors.advance(&last.read()?);
        }
        Ok(Self {
            overlay: Overlay {
                network: stored.network.parse::<Id>()?,
                namespace: stored.namespace.parse::<Namespace>()?,
            },
            cursors,
            counts: stored.counts,
            digest: Digest::decode(&stored.digest)?,
        })
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    network: String,
    namespace: String,
    /// The journal that is followed now comes last.
    cursors: Vec<StoredLast>,
    counts: Counts,
    digest: String,
}

#[derive(Serialize, Deserialize)]
struct StoredLast {
    cursor: String,
    hash: String,
    time_ms: u64,
}

impl StoredLast {
    fn of(last: Last) -> Self {
        Self {
            cursor: last.cursor().to_string(),
            hash: last.head.hash.to_string(),
            time_ms: last.time_ms,
        }
    }

    fn read(&self) -> Result<Last, StateError> {
        let cursor: Cursor = self.cursor.parse()?;
        let before_first = || StateError::Malformed(format!("cursor {cursor} names no block"));
        Ok(Last {
            journal: cursor.journal,
            head: Head {
                incarnation: cursor.incarnation,
                height: cursor.height.ok_or_else(before_first)?,
                hash: self.hash.parse()?,
            },
            time_ms: self.time_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::id::PublicKey;

    use super::*;

    #[test]
    fn a_state_is_stored_and_read_back() {
        let overlay = Overlay {
            network: Id::of(&[b"root"]),
            namespace: "demo".parse().unwrap(),
        };
        let mut state = State::new(overlay);
        assert_eq!(State::decode(&state.encode()), Ok(state.clone()));
        for (journal, incarnation, height) in [(2, 7, 9), (1, 3, 0)] {
            state.cursors.advance(&Last {
                journal: PublicKey::new([journal; 32]),
                head: Head {
                    incarnation,
                    height,
                    hash: Id::of(&[&[journal]]),
                },
                time_ms: 5,
            });
        }
        state.counts = Counts {
            documents: 1,
            updates: 2,
            absent: 3,
        };
        state.digest.add(&Id::of(&[b"document"]));
        assert_eq!(State::decode(&state.encode()), Ok(state));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", "{}", "[1]", r#"{"version":1}"#, r#"{"version":2}"#] {
            assert!(
                matches!(State::decode(bad), Err(StateError::Malformed(_))),
                "{bad}"
            );
        }
        assert_eq!(
            State::decode(r#"{"version":3,"future":true}"#),
            Err(StateError::Version(3))
        );
    }

    #[test]
    fn the_damaged_part_of_a_state_is_named() {
        let mut state = State::new(Overlay {
            network: Id::of(&[b"root"]),
            namespace: "demo".parse().unwrap(),
        });
        let hash = Id::of(&[b"block"]);
        state.cursors.advance(&Last {
            journal: PublicKey::new([1; 32]),
            head: Head {
                incarnation: 7,
                height: 9,
                hash,
            },
            time_ms: 5,
        });
        let text = state.encode();
        let damaged = |part: &str, by: &str| {
            assert!(text.contains(part), "{part}");
            State::decode(&text.replace(part, by)).unwrap_err()
        };
        let network = damaged(&state.overlay.network.to_string(), "ab");
        assert!(matches!(network, StateError::Network(_)), "{network}");
        let hash = damaged(&hash.to_string(), "ab");
        assert!(matches!(hash, StateError::Network(_)), "{hash}");
        let namespace = damaged("demo", "De mo");
        assert!(matches!(namespace, StateError::Namespace(_)), "{namespace}");
        let cursor = damaged("/7/9", "/7");
        assert!(matches!(cursor, StateError::Cursor(_)), "{cursor}");
        let genesis = damaged("/7/9", "/7/genesis");
        assert!(matches!(genesis, StateError::Malformed(_)), "{genesis}");
        let digest = damaged(&state.digest.encode(), "00");
        assert!(matches!(digest, StateError::Digest(_)), "{digest}");
    }

    #[test]
    fn a_state_of_the_previous_version_is_read() {
        let text = format!(
            r#"{{"version":1,"network":"{}","namespace":"demo","cursors":["{}/7/9"],"counts":{{"documents":1,"updates":2,"absent":3}},"digest":"{}"}}"#,
            Id::of(&[b"root"]),
            "ab".repeat(32),
            Digest::default().encode(),
        );
        let state = State::decode(&text).unwrap();
        assert_eq!((state.counts.updates, state.cursors.all().count()), (2, 0));
    }
}
