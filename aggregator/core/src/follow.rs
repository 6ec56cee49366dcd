//! Following one source: where to begin in its journal, and what to do when a subscription ends.

use kittengrad_journal::{Follower, ReadFrom};
use kittengrad_proto::{cursor::Cursor, id::PublicKey};

use crate::io::Input;

/// Pause before a source is tried again that cannot be followed from here, in milliseconds.
pub const WAITING_MS: u64 = 5_000;
/// Pause before a source is tried again that showed what does not verify, in milliseconds.
pub const LYING_MS: u64 = 30_000;

/// How a subscription ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The source cannot be read from there, or refuses.
    Refused {
        /// Where the source says that it begins, if it does.
        start: Option<Cursor>,
        /// Its error.
        why: String,
    },
    /// It showed what does not verify.
    Tampered(String),
    /// The aggregator found a lie in what it showed ([`Event::Lied`](crate::Event::Lied)).
    Lied,
    /// It is to be read from another place ([`Event::Behind`](crate::Event::Behind)).
    Behind,
    /// It ended without an error.
    Closed,
}

/// What follows from an end, in this order.
#[derive(Debug, Clone)]
pub struct Next {
    /// Handed to the aggregator at once.
    pub tell: Option<Input>,
    /// Wait so long before the next subscription.
    pub pause_ms: u64,
    /// Handed to the aggregator after the pause.
    pub then: Option<Input>,
}

/// A source that is followed.
#[derive(Debug, Clone)]
pub struct Following {
    source: PublicKey,
    /// Where the source said that it begins, if the next subscription is to begin there.
    redirected: Option<Cursor>,
}

impl Following {
    /// A source that is followed from where the aggregator is.
    #[must_use]
    pub const fn new(source: PublicKey) -> Self {
        Self {
            source,
            redirected: None,
        }
    }

    /// Where to begin, if the aggregator took the journal in up to `taken`.
    #[must_use]
    pub fn start(&self, taken: Option<Follower>) -> ReadFrom {
        if let Some(cursor) = self.redirected {
            return ReadFrom::At(cursor);
        }
        let after = taken.and_then(|taken| {
            let (head, time_ms) = (taken.head()?, taken.time_ms());
            Some(ReadFrom::After { head, time_ms })
        });
        after.unwrap_or(ReadFrom::Genesis)
    }

    /// What to do after an end of the subscription that began with `taken`.
    ///
    /// A source that says where it begins is followed from there at once, but only if that skips nothing
    /// ([`redirect`]), and not twice in a row.
    pub fn ended(&mut self, end: End, taken: Option<Follower>) -> Next {
        let was_redirected = self.redirected.take().is_some();
        let after = |pause_ms, tell, then| Next {
            tell,
            pause_ms,
            then,
        };
        let retry = Some(Input::Retry(self.source));
        match end {
            End::Refused { start, why } => {
                let start = start.filter(|_| !was_redirected);
                self.redirected = start.and_then(|start| redirect(start, taken));
                if self.redirected.is_some() {
                    return after(0, None, None);
                }
                after(WAITING_MS, Some(Input::Down(self.source, why)), None)
            }
            End::Tampered(why) => after(LYING_MS, Some(Input::Lying(self.source, why)), retry),
            End::Lied => after(LYING_MS, None, retry),
            End::Behind => after(0, None, None),
            End::Closed => after(WAITING_MS, None, None),
        }
    }
}

/// A source answers our cursor with another `start`. Whether to begin there: only in a newer journal of the source
/// than the one that was `taken` in last.
///
/// That is also how a source goes on that lost blocks which we have: it says that our cursor is in the future of the
/// incarnation that it lost them of, and where the next one begins. Within an incarnation there is nothing to begin
/// with; what we have is on disk, and the source is waited for.
#[must_use]
pub fn redirect(start: Cursor, taken: Option<Follower>) -> Option<Cursor> {
    let is_newer = taken.is_none_or(|taken| start.incarnation > taken.cursor().incarnation);
    is_newer.then_some(start)
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::{
        block::Head,
        id::{Id, PublicKey},
    };

    use super::*;

    #[test]
    fn only_a_newer_journal_is_begun() {
        let journal = PublicKey::new([1; 32]);
        let start = |incarnation| Cursor {
            journal,
            incarnation,
            height: None,
        };
        let head = Head {
            incarnation: 5,
            height: 9,
            hash: Id::ZERO,
        };
        let taken = Some(Follower::after(journal, head, 1));
        assert_eq!(redirect(start(6), taken), Some(start(6)));
        assert_eq!(redirect(start(5), taken), None);
        assert_eq!(redirect(start(4), taken), None);
        assert_eq!(redirect(start(4), None), Some(start(4)));
    }

    fn refused(start: Cursor) -> End {
        End::Refused {
            start: Some(start),
            why: "too old".to_owned(),
        }
    }

    #[test]
    fn a_source_that_redirects_again_and_again_is_left_for_a_while() {
        let source = PublicKey::new([1; 32]);
        let start = |incarnation| Cursor {
            journal: source,
            incarnation,
            height: None,
        };
        let mut following = Following::new(source);
        assert_eq!(following.start(None), ReadFrom::Genesis);
        let next = following.ended(refused(start(4)), None);
        assert!(next.pause_ms == 0 && next.tell.is_none());
        assert_eq!(following.start(None), ReadFrom::At(start(4)));
        let next = following.ended(refused(start(5)), None);
        assert_eq!(next.pause_ms, WAITING_MS);
        assert!(matches!(next.tell, Some(Input::Down(..))));
        assert_eq!(following.start(None), ReadFrom::Genesis);
    }

    #[test]
    fn a_source_that_lied_is_tried_again_after_a_pause() {
        let source = PublicKey::new([1; 32]);
        let next = Following::new(source).ended(End::Tampered("forged".to_owned()), None);
        assert_eq!(next.pause_ms, LYING_MS);
        assert!(matches!(next.tell, Some(Input::Lying(..))));
        assert!(matches!(next.then, Some(Input::Retry(of)) if of == source));
        // The aggregator knows of what it found itself.
        let next = Following::new(source).ended(End::Lied, None);
        assert!(next.tell.is_none() && matches!(next.then, Some(Input::Retry(_))));
    }
}
