//! Pages: a search goes on where it was, in the same snapshot if it is still kept.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use data_encoding::BASE64URL_NOPAD;
use kittengrad_proto::id::Id;

use super::{rank::Rank, request::Search};
use crate::index::Snapshot;

/// Snapshots that searches may go on in. More than these are forgotten, the longest unused first; a search
/// whose snapshot is forgotten goes on in the newest one, after the last hit that it saw.
const SNAPSHOTS_MAX: usize = 16;
/// A snapshot that no search went on in for so long is forgotten too.
const UNUSED_MAX: Duration = Duration::from_secs(300);

/// The snapshots that were handed out in `next`.
#[derive(Debug, Default)]
pub struct Pages {
    /// Short critical sections only: nothing is searched under this lock.
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    generation: u64,
    snapshot: Arc<Snapshot>,
    used: Instant,
}

impl Pages {
    /// Forgets snapshots that no search went on in for five minutes: each holds files on the disk.
    pub fn expire(&self, now: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| now.saturating_duration_since(kept.used) < UNUSED_MAX);
    }

    /// Keeps the snapshot, and says how to go on after `after`.
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

    /// The snapshot that the token was handed out with, if it is still kept.
    pub(super) fn find(&self, token: &Token) -> Option<Arc<Snapshot>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = kept.iter_mut();
        let found = kept.find(|kept| kept.generation == token.generation)?;
        found.used = Instant::now();
        Some(Arc::clone(&found.snapshot))
    }
}

/// What `next` says.
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

    /// `None` if it is nothing that [`Pages::keep`] said about the same search.
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

/// Tells searches apart, so that `next` of one is not taken for another: by what was asked, and not by what that
/// means today, for a publisher of that name may be heard between two pages.
fn fingerprint(search: &Search) -> [u8; 4] {
    let Search {
        words,
        kind,
        publisher,
        publishers: _,
        links_to,
    } = search;
    let asked = (words, kind, publisher, links_to);
    let hash = Id::of(&[format!("{asked:?}").as_bytes()]);
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
