//! Small values kept beside set and journal: where the owner is in others' journals.
//!
//! ```text
//! key   = kind (1 byte) ‖ key of the journal's owner (32 bytes)
//! value = version (1 byte) ‖ incarnation (8) ‖ height (8) ‖ hash (32) ‖ time_ms (8), integers big-endian
//! ```

use bytes::Bytes;
use kittengrad_proto::{
    block::Head,
    id::{Id, PublicKey},
};
use thiserror::Error;

use crate::{
    follower::Follower,
    store::{Store, StoreError, Write},
};

const VERSION: u8 = 1;
const VALUE_BYTES: usize = 1 + 8 + 8 + 32 + 8;

/// Why a small value cannot be read: the store is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StateError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The value has another form.
    #[error("store is damaged: the position in the journal of {journal} has version {version} and {bytes} bytes")]
    Form {
        /// Whose journal.
        journal: PublicKey,
        /// The version found.
        version: u8,
        /// The length found.
        bytes: usize,
    },
}

/// What a small value is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKey {
    /// The last block of that journal that was wholly applied here.
    Applied(PublicKey),
}

impl StateKey {
    const APPLIED: u8 = 1;

    fn encode(self) -> Bytes {
        let Self::Applied(journal) = self;
        let mut key = vec![Self::APPLIED];
        key.extend_from_slice(journal.as_bytes());
        key.into()
    }

    /// Keeps a follower's position; `None` before its first block, when there is nothing to keep.
    #[must_use]
    pub fn keep(self, follower: &Follower) -> Option<Write> {
        let head = follower.head()?;
        let mut value = Vec::with_capacity(VALUE_BYTES);
        value.push(VERSION);
        value.extend_from_slice(&head.incarnation.to_be_bytes());
        value.extend_from_slice(&head.height.to_be_bytes());
        value.extend_from_slice(head.hash.as_bytes());
        value.extend_from_slice(&follower.time_ms().to_be_bytes());
        Some(Write::State(self.encode(), value.into()))
    }

    /// The position that was kept last.
    ///
    /// # Errors
    /// If the store does not answer or holds something else there.
    pub fn read(self, store: &dyn Store) -> Result<Option<Follower>, StateError> {
        let Self::Applied(journal) = self;
        let Some(value) = store.state(&self.encode())? else { return Ok(None) };
        let version = value.first().copied().unwrap_or_default();
        let form = || StateError::Form { journal, version, bytes: value.len() };
        let value: &[u8; VALUE_BYTES] = value[..].try_into().map_err(|_| form())?;
        if version != VERSION {
            return Err(form());
        }
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&value[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        let mut hash = [0; 32];
        hash.copy_from_slice(&value[17..49]);
        let head = Head { incarnation: number(1), height: number(9), hash: Id::new(hash) };
        Ok(Some(Follower::after(journal, head, number(49))))
    }
}
