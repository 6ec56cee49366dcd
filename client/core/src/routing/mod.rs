//! Routing one call: which replicas to ask, in which order, how often, and when to stop.
//!
//! A [`Call`] is a small state machine without clock, socket or randomness of its own: the caller passes
//! the time in milliseconds of one monotonic clock, does what [`Call::step`] says, and reports what came of it.
//!
//! ```
//! use kittengrad_client_core::routing::{Call, Patience, Step, Trouble};
//! use kittengrad_proto::id::PublicKey;
//!
//! let [a, b, c] = [1, 2, 3].map(|byte| PublicKey::new([byte; 32]));
//! let mut call = Call::new(Patience::READ, [a, b, c], 1, 0);
//! assert_eq!(call.step(0), Step::Ask(a));
//! call.failed(a, Trouble::Unavailable, 5, 0);
//! assert_eq!(call.step(5), Step::Ask(b));
//! call.answered(b);
//! assert_eq!(call.step(9), Step::Done);
//! ```
//!
//! | trouble | this call | the replica, for later calls |
//! | --- | --- | --- |
//! | `NotResponsible` | learns the ring and goes on | as before |
//! | `Filling`, `Starting`, `Unavailable`, `TimedOut`, `Overloaded` | others first, then again after a back-off | last |
//! | `Unacknowledged` | others first, then again after a back-off | as before |
//! | `Unknown`, `NotFresh` | others, never again | as before |
//! | `Misbehaved` | others, never again | last |
//! | `Refused` | ends: others would refuse it alike | as before |

mod backoff;
mod health;

use std::collections::BTreeMap;

use kittengrad_proto::id::PublicKey;

pub use backoff::Backoff;
pub use health::Health;

/// What went wrong with one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// It does not hold what was asked for: its ring differs from ours.
    NotResponsible,
    /// It does not have everything of its arcs yet.
    Filling,
    /// It may not sign anything yet.
    Starting,
    /// It could not be reached, or the connection was lost.
    Unavailable,
    /// It did not answer in time.
    TimedOut,
    /// It has more to do than it can.
    Overloaded,
    /// It does not know the canonical that an update is about, perhaps not yet.
    Unknown,
    /// By its clock what was sent was not signed lately; another one's may be right.
    NotFresh,
    /// It has the write, but not enough other disks confirmed it in time.
    Unacknowledged,
    /// It answered something that does not verify.
    Misbehaved,
    /// It refuses for a reason that holds at every replica.
    Refused,
}

impl Trouble {
    /// Whether later calls should rather ask somebody else.
    #[must_use]
    pub const fn is_about_the_peer(self) -> bool {
        match self {
            Self::Filling
            | Self::Starting
            | Self::Unavailable
            | Self::TimedOut
            | Self::Overloaded
            | Self::Misbehaved => true,
            Self::NotResponsible
            | Self::Unknown
            | Self::NotFresh
            | Self::Unacknowledged
            | Self::Refused => false,
        }
    }
}

/// How long and how often a call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The call ends so many milliseconds after it began.
    pub call_ms: u64,
    /// How often one replica is asked at most.
    pub attempts_max: u32,
    /// How often the ring is learnt anew at most.
    pub reroutes_max: u32,
    /// The wait before a replica is asked again.
    pub backoff: Backoff,
}

impl Patience {
    /// For reads: some answer soon is better than all answers late.
    pub const READ: Self = Self {
        call_ms: 15_000,
        attempts_max: 3,
        reroutes_max: 3,
        backoff: Backoff {
            base_ms: 50,
            max_ms: 500,
        },
    };

    /// For writes: they are repeated until the time is over.
    pub const WRITE: Self = Self {
        call_ms: 60_000,
        attempts_max: 20,
        reroutes_max: 3,
        backoff: Backoff {
            base_ms: 100,
            max_ms: 3_000,
        },
    };
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Ask this replica, then report [`Call::answered`] or [`Call::failed`].
    Ask(PublicKey),
    /// Nothing to do before this time, unless an answer comes first.
    Wait {
        /// Milliseconds on the caller's clock.
        until_ms: u64,
    },
    /// Learn the ring, best from this peer, then report [`Call::rerouted`].
    Reroute {
        /// Who knows another ring.
        told_by: PublicKey,
    },
    /// Enough replicas answered.
    Done,
    /// It will not get better.
    GiveUp(GiveUp),
}

/// Why a call ends without enough answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// A replica refused for a reason that holds at every replica.
    Refused {
        /// The replica.
        by: PublicKey,
    },
    /// No replica holds it.
    NoHolder,
    /// Every replica was asked as often as it may be.
    Exhausted,
    /// The time is over.
    TimedOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready { from_ms: u64 },
    Asked,
    Answered,
    Out,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    peer: PublicKey,
    state: State,
    attempts: u32,
}

/// One call to some of the replicas of something.
#[derive(Debug, Clone)]
pub struct Call {
    patience: Patience,
    deadline_ms: u64,
    needed: usize,
    /// In order of preference, each peer once.
    candidates: Vec<Candidate>,
    reroutes: u32,
    told_by: Option<PublicKey>,
    refused: Option<PublicKey>,
}

impl Call {
    /// Begins a call at `now_ms` that needs answers of `needed` among `candidates`, the preferred first.
    #[must_use]
    pub fn new(
        patience: Patience,
        candidates: impl IntoIterator<Item = PublicKey>,
        needed: usize,
        now_ms: u64,
    ) -> Self {
        let mut call = Self {
            patience,
            deadline_ms: now_ms.saturating_add(patience.call_ms),
            needed,
            candidates: Vec::new(),
            reroutes: 0,
            told_by: None,
            refused: None,
        };
        call.replace(candidates, now_ms);
        call
    }

    /// What to do at `now_ms`. To be asked again after every report and when a wait is over.
    pub fn step(&mut self, now_ms: u64) -> Step {
        if let Some(by) = self.refused {
            return Step::GiveUp(GiveUp::Refused { by });
        }
        if self.answers() >= self.needed {
            return Step::Done;
        }
        if now_ms >= self.deadline_ms {
            return Step::GiveUp(GiveUp::TimedOut);
        }
        if let Some(told_by) = self.told_by {
            return Step::Reroute { told_by };
        }
        let outstanding = self.count(State::Asked);
        let rest = Step::Wait {
            until_ms: self.deadline_ms,
        };
        if self.answers() + outstanding >= self.needed {
            return rest;
        }
        match self.next_ready(now_ms) {
            Some((index, from_ms)) if from_ms <= now_ms => {
                let candidate = &mut self.candidates[index];
                candidate.state = State::Asked;
                candidate.attempts += 1;
                Step::Ask(candidate.peer)
            }
            Some((_, from_ms)) => Step::Wait {
                until_ms: from_ms.min(self.deadline_ms),
            },
            None if outstanding > 0 => rest,
            None if self.candidates.is_empty() => Step::GiveUp(GiveUp::NoHolder),
            None => Step::GiveUp(GiveUp::Exhausted),
        }
    }

    /// A replica answered well.
    pub fn answered(&mut self, peer: PublicKey) {
        if let Some(candidate) = self.find(peer) {
            candidate.state = State::Answered;
        }
    }

    /// A replica did not answer well. `random` is any number: it spreads repeated attempts.
    pub fn failed(&mut self, peer: PublicKey, trouble: Trouble, now_ms: u64, random: u64) {
        let patience = self.patience;
        let Some(candidate) = self.find(peer) else {
            return;
        };
        let wait_ms = patience.backoff.wait_ms(candidate.attempts, random);
        candidate.state = match trouble {
            Trouble::NotResponsible
            | Trouble::Unknown
            | Trouble::NotFresh
            | Trouble::Misbehaved
            | Trouble::Refused => State::Out,
            _ if candidate.attempts >= patience.attempts_max => State::Out,
            _ => State::Ready {
                from_ms: now_ms.saturating_add(wait_ms),
            },
        };
        match trouble {
            Trouble::NotResponsible if self.reroutes < patience.reroutes_max => {
                self.told_by = Some(peer)
            }
            Trouble::Refused => self.refused = Some(peer),
            _ => {}
        }
    }

    /// The ring was learnt: these are the replicas now, the preferred first. What was asked of those that
    /// stay is remembered.
    pub fn rerouted(&mut self, candidates: impl IntoIterator<Item = PublicKey>, now_ms: u64) {
        self.reroutes += 1;
        self.told_by = None;
        self.replace(candidates, now_ms);
    }

    /// How many of the present replicas answered well.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.count(State::Answered)
    }

    /// When the call ends, in milliseconds on the caller's clock.
    #[must_use]
    pub const fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// Asks for another number of answers, because the number of replicas changed.
    pub const fn need(&mut self, needed: usize) {
        self.needed = needed;
    }

    fn replace(&mut self, candidates: impl IntoIterator<Item = PublicKey>, now_ms: u64) {
        let known: BTreeMap<_, _> = self.candidates.drain(..).map(|c| (c.peer, c)).collect();
        for peer in candidates {
            let fresh = Candidate {
                peer,
                state: State::Ready { from_ms: now_ms },
                attempts: 0,
            };
            if self.candidates.iter().all(|c| c.peer != peer) {
                self.candidates
                    .push(known.get(&peer).copied().unwrap_or(fresh));
            }
        }
    }

    /// The candidate to ask next and from when on: the one that is ready first, and of those that are, the
    /// one asked least often, in order of preference.
    fn next_ready(&self, now_ms: u64) -> Option<(usize, u64)> {
        let ready = self
            .candidates
            .iter()
            .enumerate()
            .filter_map(|(index, candidate)| match candidate.state {
                State::Ready { from_ms } => Some((from_ms.max(now_ms), candidate.attempts, index)),
                _ => None,
            });
        ready.min().map(|(from_ms, _, index)| (index, from_ms))
    }

    fn count(&self, state: State) -> usize {
        self.candidates
            .iter()
            .filter(|candidate| candidate.state == state)
            .count()
    }

    fn find(&mut self, peer: PublicKey) -> Option<&mut Candidate> {
        self.candidates
            .iter_mut()
            .find(|candidate| candidate.peer == peer)
    }
}

#[cfg(test)]
mod tests;
