//! Following one source: decides where to begin in its journal, and how to go on when a subscription ends.

use kittengrad_journal::{Follower, ReadFrom};
use kittengrad_proto::{cursor::Cursor, id::PublicKey};

use crate::io::Input;

/// Pause before a subscription that was refused or closed is tried again, in milliseconds.
pub const WAITING_MS: u64 = 5_000;
/// Pause before a source that sent unverifiable data is tried again, in milliseconds.
pub const LYING_MS: u64 = 30_000;

/// How a subscription ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The source cannot be read from the cursor, or refuses.
    Refused {
        /// The beginning of its journal, if the source gave one.
        start: Option<Cursor>,
        /// Its error.
        why: String,
    },
    /// The source sent data that does not verify, for this reason.
    Tampered(String),
    /// The aggregator found a lie in a block ([`Event::Lied`](crate::Event::Lied)).
    Lied,
    /// The source must be read from another position ([`Event::Behind`](crate::Event::Behind)).
    Behind,
    /// The source must be read in another mode ([`Event::Mode`](crate::Event::Mode)).
    Mode,
    /// The subscription ended without an error.
    Closed,
}

/// Actions after an end, in this order.
#[derive(Debug, Clone)]
pub struct Next {
    /// Input for the aggregator, at once.
    pub tell: Option<Input>,
    /// Pause before the next subscription, in milliseconds.
    pub pause_ms: u64,
    /// Input for the aggregator, after the pause.
    pub then: Option<Input>,
}

/// A source that is followed.
#[derive(Debug, Clone)]
pub struct Following {
    source: PublicKey,
    /// The beginning that the source gave, if the next subscription starts there.
    redirected: Option<Cursor>,
}

impl Following {
    /// Follows a source from the aggregator's position.
    #[must_use]
    pub const fn new(source: PublicKey) -> Self {
        Self {
            source,
            redirected: None,
        }
    }

    /// Returns the start of the next subscription. `taken` is the last block that the aggregator took in.
    #[must_use]
    pub fn start(&self, taken: Option<&Follower>) -> ReadFrom {
        if let Some(cursor) = self.redirected {
            return ReadFrom::At(cursor);
        }
        let after = taken.and_then(|taken| {
            Some(ReadFrom::After {
                head: taken.head()?,
                time_ms: taken.time_ms(),
                holds: taken.holds().cloned(),
            })
        });
        after.unwrap_or(ReadFrom::Genesis)
    }

    /// Decides how to go on after the end of a subscription that began with `taken`.
    ///
    /// If the source gave its beginning, it is followed from there at once. This must skip nothing ([`redirect`]), and
    /// must not happen twice in a row.
    pub fn ended(&mut self, end: End, taken: Option<&Follower>) -> Next {
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
            End::Behind | End::Mode => after(0, None, None),
            End::Closed => after(WAITING_MS, None, None),
        }
    }
}

/// Decides whether to begin at `start`, which a source gave instead of our cursor. Returns `start` only if its
/// incarnation is newer than that of `taken`, the last block taken in.
///
/// Example: a source lost blocks that we have. Our cursor is then in the future of that incarnation, and `start` is the
/// beginning of the next one. A `start` in the same incarnation is of no use: our blocks are on disk, and the
/// aggregator waits for the source.
#[must_use]
pub fn redirect(start: Cursor, taken: Option<&Follower>) -> Option<Cursor> {
    let is_newer = taken.is_none_or(|taken| start.incarnation > taken.cursor().incarnation);
    is_newer.then_some(start)
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::{
        block::{Head, Holds},
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
        let taken = Follower::after(journal, head, 1);
        let taken = Some(&taken);
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
        // The aggregator found this lie itself, so it needs no input.
        let next = Following::new(source).ended(End::Lied, None);
        assert!(next.tell.is_none() && matches!(next.then, Some(Input::Retry(_))));
    }

    const SOURCE: PublicKey = PublicKey::new([1; 32]);

    fn follower(incarnation: u64) -> Option<Follower> {
        let head = Head {
            incarnation,
            height: 9,
            hash: Id::ZERO,
        };
        Some(Follower::after(SOURCE, head, 17))
    }

    fn cursor(incarnation: u64) -> Cursor {
        Cursor {
            journal: SOURCE,
            incarnation,
            height: None,
        }
    }

    #[test]
    fn a_source_is_read_after_the_last_block_taken_in() {
        let following = Following::new(SOURCE);
        let head = follower(5).and_then(|taken| taken.head()).unwrap();
        let after = |holds| ReadFrom::After {
            head,
            time_ms: 17,
            holds,
        };
        let taken = follower(5).unwrap();
        assert_eq!(following.start(Some(&taken)), after(None));
        let holds = Some(Holds::whole());
        let taken = taken.holding(holds.clone());
        assert_eq!(following.start(Some(&taken)), after(holds));
        let before_the_first = Follower::new(SOURCE, 5);
        assert_eq!(following.start(Some(&before_the_first)), ReadFrom::Genesis);
    }

    /// Actions after an end: the word of the input told at once, the pause, and whether the source is tried again by
    /// an input.
    fn actions(next: &Next) -> (&'static str, u64, bool) {
        let tell = match &next.tell {
            None => "nothing",
            Some(Input::Down(SOURCE, why)) if why == "why" => "down",
            Some(Input::Lying(SOURCE, why)) if why == "why" => "lying",
            Some(_) => "something else",
        };
        let is_retried = matches!(next.then, Some(Input::Retry(SOURCE)));
        assert_eq!(next.then.is_some(), is_retried);
        (tell, next.pause_ms, is_retried)
    }

    #[test]
    fn each_end_has_its_pause_and_its_inputs() {
        let why = || "why".to_owned();
        let refused = |start| End::Refused { start, why: why() };
        let newer = Some(cursor(6));
        for (end, expected) in [
            (refused(None), ("down", 5_000, false)),
            (refused(Some(cursor(5))), ("down", 5_000, false)),
            (refused(newer), ("nothing", 0, false)),
            (End::Tampered(why()), ("lying", 30_000, true)),
            (End::Lied, ("nothing", 30_000, true)),
            (End::Behind, ("nothing", 0, false)),
            (End::Mode, ("nothing", 0, false)),
            (End::Closed, ("nothing", 5_000, false)),
        ] {
            let next = Following::new(SOURCE).ended(end.clone(), follower(5).as_ref());
            assert_eq!(actions(&next), expected, "{end:?}");
        }
    }

    #[test]
    fn a_redirection_counts_for_one_subscription() {
        let mut following = Following::new(SOURCE);
        let refused = || End::Refused {
            start: Some(cursor(6)),
            why: "why".to_owned(),
        };
        let redirected = ReadFrom::At(cursor(6));
        let taken = follower(5);
        let taken = taken.as_ref();
        for end in [End::Closed, End::Behind, End::Mode, End::Lied, refused()] {
            assert_eq!(following.ended(refused(), taken).pause_ms, 0);
            assert_eq!(following.start(taken), redirected, "before {end:?}");
            following.ended(end.clone(), taken);
            assert_ne!(following.start(taken), redirected, "after {end:?}");
        }
    }
}
