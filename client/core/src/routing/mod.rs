//! Routing one call: which replicas to ask, in which order, how often, and when to stop.
//!
//! A [`Call`] is a state machine without clock, socket or randomness. The caller passes the time in milliseconds of one
//! monotonic clock, performs the step that [`Call::step`] returns, and reports the result.
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

/// A failure of one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// It does not hold the canonical: its ring differs from ours.
    NotResponsible,
    /// It does not have everything of its arc yet.
    Filling,
    /// It does not sign yet.
    Starting,
    /// It could not be reached, or the connection was lost.
    Unavailable,
    /// It did not answer in time.
    TimedOut,
    /// It is overloaded.
    Overloaded,
    /// It does not know the canonical that an update is about, perhaps not yet.
    Unknown,
    /// By its clock, the transaction is too old. The clock of another replica may be right.
    NotFresh,
    /// It has the write, but not enough other disks confirmed it in time.
    Unacknowledged,
    /// Its answer does not verify.
    Misbehaved,
    /// It refuses for a reason that holds at every replica.
    Refused,
}

impl Trouble {
    /// Whether later calls should prefer other replicas.
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

/// Limits of time and attempts of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The call ends this many milliseconds after its start.
    pub call_ms: u64,
    /// Attempts at one replica, at most.
    pub attempts_max: u32,
    /// Number of times that the ring is learnt again, at most.
    pub reroutes_max: u32,
    /// The wait before a replica is asked again.
    pub backoff: Backoff,
}

impl Patience {
    /// For reads: one early answer is better than all answers late.
    pub const READ: Self = Self {
        call_ms: 15_000,
        attempts_max: 3,
        reroutes_max: 3,
        backoff: Backoff {
            base_ms: 50,
            max_ms: 500,
        },
    };

    /// For writes: attempts are repeated until the time ends.
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

/// The next step of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Ask this replica, then report [`Call::answered`] or [`Call::failed`].
    Ask(PublicKey),
    /// Wait until this time, unless an answer comes first.
    Wait {
        /// Milliseconds on the caller's clock.
        until_ms: u64,
    },
    /// Learn the ring, preferably from this peer, then report [`Call::rerouted`].
    Reroute {
        /// The peer that knows another ring.
        told_by: PublicKey,
    },
    /// Enough replicas answered.
    Done,
    /// The call has failed.
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
    /// No replica holds the canonical.
    NoHolder,
    /// Every replica had its number of attempts.
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

/// One call to some of the replicas of a canonical.
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
    /// Starts a call at `now_ms` that needs answers of `needed` among `candidates`, the preferred first.
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

    /// The step at `now_ms`. Call it after every report and when a wait is over.
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

    /// Reports a good answer of a replica.
    pub fn answered(&mut self, peer: PublicKey) {
        if let Some(candidate) = self.find(peer) {
            candidate.state = State::Answered;
        }
    }

    /// Reports a failure of a replica. `random` is any number; it spreads repeated attempts.
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

    /// Reports the new ring: these are the replicas now, the preferred first. Attempts at replicas that stay are
    /// remembered.
    pub fn rerouted(&mut self, candidates: impl IntoIterator<Item = PublicKey>, now_ms: u64) {
        self.reroutes += 1;
        self.told_by = None;
        self.replace(candidates, now_ms);
    }

    /// The number of present replicas that gave a good answer.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.count(State::Answered)
    }

    /// The end of the call, in milliseconds on the caller's clock.
    #[must_use]
    pub const fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// Changes the number of answers needed, because the number of replicas changed.
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

    /// The candidate to ask next and the earliest time: the one that is ready first, then the one with the fewest
    /// attempts, then the preferred one.
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
