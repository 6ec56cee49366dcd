//! Pages: tokens that continue a search after a hit, in the same snapshot if that is still in memory.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use data_encoding::BASE64URL_NOPAD;
use kittengrad_proto::id::Id;

use super::{rank::Rank, request::Search};
use crate::index::Snapshot;

/// Most snapshots in memory. The snapshot of the oldest token is dropped first. A search whose snapshot was dropped
/// continues in the newest one, after its last hit.
const SNAPSHOTS_MAX: usize = 16;
/// Time after which a snapshot is dropped that no search continued in.
const UNUSED_MAX: Duration = Duration::from_secs(300);

/// The snapshots of the last tokens.
#[derive(Debug, Default)]
pub struct Pages {
    /// The newest token's snapshot first. Locked shortly: no search runs under this lock.
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    generation: u64,
    snapshot: Arc<Snapshot>,
    used: Instant,
}

impl Pages {
    /// Drops snapshots that no search continued in for five minutes: each keeps files on the disk.
    pub fn expire(&self, now: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| now.saturating_duration_since(kept.used) < UNUSED_MAX);
    }

    /// Keeps the snapshot, and returns the token of the page after the hit with rank `after`.
    pub(super) fn keep(&self, snapshot: &Arc<Snapshot>, search: &Search, after: Rank) -> String {
        let generation = snapshot.searcher.generation().generation_id();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.generation != generation);
        kept.push_front(Kept {
            generation,
            snapshot: Arc::clone(snapshot),
            used: Instant::now(),
        });
        kept.truncate(SNAPSHOTS_MAX);
        Token { generation, after }.encode(search)
    }

    /// The snapshot of a token, if it is still in memory.
    pub(super) fn find(&self, token: &Token) -> Option<Arc<Snapshot>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = kept.iter_mut();
        let found = kept.find(|kept| kept.generation == token.generation)?;
        found.used = Instant::now();
        Some(Arc::clone(&found.snapshot))
    }
}

/// The content of `next`: the snapshot, and the rank of the last hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    generation: u64,
    pub(super) after: Rank,
}

impl Token {
    fn encode(self, search: &Search) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&fingerprint(search));
        for number in [self.generation, self.after.main, self.after.order] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// Reads a token; `None` if [`Pages::keep`] did not make it for the same search.
    pub(super) fn decode(text: &str, search: &Search) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let numbers = bytes
            .strip_prefix(&[VERSION])?
            .strip_prefix(&fingerprint(search))?;
        let numbers: &[u8; 24] = numbers.try_into().ok()?;
        let mut numbers = numbers
            .chunks_exact(8)
            .map(|chunk| chunk.try_into().map(u64::from_be_bytes));
        let mut next = || numbers.next()?.ok();
        Some(Self {
            generation: next()?,
            after: Rank {
                main: next()?,
                order: next()?,
            },
        })
    }
}

/// Hashes a search, so that `next` of another search is refused. The keys of the publishers are left out: between two
/// pages the journal may bring another publisher of the same name.
fn fingerprint(search: &Search) -> [u8; 4] {
    let Search {
        words,
        kind,
        publisher,
        publishers: _,
        links_to,
    } = search;
    let typed = (words, kind, publisher, links_to);
    let hash = Id::of(&[format!("{typed:?}").as_bytes()]);
    let [a, b, c, d, ..] = *hash.as_bytes();
    [a, b, c, d]
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use kittengrad_proto::id::PublicKey;

    use super::*;

    #[test]
    fn a_token_belongs_to_its_search_and_to_no_other() {
        let search = Search {
            words: "turner".to_owned(),
            ..Search::default()
        };
        let other = Search {
            words: "venice".to_owned(),
            ..Search::default()
        };
        let token = Token {
            generation: 3,
            after: Rank {
                main: 7,
                order: u64::MAX,
            },
        };
        let text = token.encode(&search);
        assert_eq!(Token::decode(&text, &search), Some(token));
        assert_eq!(Token::decode(&text, &other), None);
        let known_by_now = Search {
            publishers: Some(vec![PublicKey::new([1; 32])]),
            ..search.clone()
        };
        assert_eq!(Token::decode(&text, &known_by_now), Some(token));
        for bad in [
            "",
            "AQ",
            "%%%",
            &text[1..],
            &format!("{text}AA"),
            &"A".repeat(100_000),
        ] {
            assert_eq!(Token::decode(bad, &search), None, "{bad}");
        }
    }
}
