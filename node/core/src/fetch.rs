//! Transactions that partners' journals list and this peer lacks: each is fetched once, from one holder.
//!
//! Nothing here looks at all of them when one moves: what is ready lies in a queue for each partner that can be
//! asked, in the order in which it was listed, and what waits for a time lies in one list by that time.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_proto::{
    id::{Id, PublicKey},
    limits::FETCH_MAX,
};

/// Transactions that came and are being verified, before no more are fetched.
const DELIVERED_MAX: usize = 4 * FETCH_MAX;

/// One transaction that is missing here.
#[derive(Debug)]
struct Want {
    /// Whose journals list it.
    sources: BTreeSet<PublicKey>,
    /// Those of them that cannot show it.
    unable: BTreeSet<PublicKey>,
    /// The one that was asked in vain, so that others come first.
    slow: Option<PublicKey>,
    /// Its place in the queues.
    number: u64,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not fetched before this (monotonic milliseconds): its push may be on its way.
    Later(u64),
    /// In the queues of those that can be asked.
    Ready,
    /// A partner was asked for it, and is waited for until then.
    Asked(PublicKey, u64),
    /// It came, and is being verified until then.
    Delivered(u64),
}

/// What one partner can be asked for.
#[derive(Debug, Default)]
struct Queue {
    ready: BTreeSet<(u64, Id)>,
    /// What its only unanswered fetch asked for.
    asked: BTreeSet<Id>,
}

/// Everything that is missing here.
#[derive(Debug, Default)]
pub(crate) struct Wants {
    wants: BTreeMap<Id, Want>,
    queues: BTreeMap<PublicKey, Queue>,
    /// By the time at which the stage ends.
    timers: BTreeSet<(u64, Id)>,
    delivered: usize,
    next_number: u64,
}

impl Wants {
    /// How many are missing.
    pub(crate) fn len(&self) -> usize {
        self.wants.len()
    }

    /// A partner's journal lists a transaction that is missing here.
    pub(crate) fn add(&mut self, id: Id, source: PublicKey, not_before_ms: u64) {
        let number = self.next_number;
        self.next_number += 1;
        self.wants.entry(id).or_insert_with(|| Want {
            sources: BTreeSet::new(),
            unable: BTreeSet::new(),
            slow: None,
            number,
            stage: Stage::Later(not_before_ms),
        });
        self.change(&id, |want| {
            want.sources.insert(source);
            if let Stage::Later(ms) = want.stage {
                want.stage = Stage::Later(ms.min(not_before_ms));
            }
        });
    }

    /// It is here now.
    pub(crate) fn resolve(&mut self, id: &Id) {
        self.leave(id);
        self.wants.remove(id);
    }

    /// A partner's journal no longer waits for it.
    pub(crate) fn drop_source(&mut self, id: &Id, source: &PublicKey) {
        let mut is_last = false;
        self.change(id, |want| {
            want.sources.remove(source);
            want.unable.remove(source);
            is_last = want.sources.is_empty();
            if matches!(want.stage, Stage::Asked(of, _) if of == *source) {
                want.stage = Stage::Ready;
            }
        });
        if is_last {
            self.resolve(id);
        }
    }

    /// A partner that lists it cannot show it. Returns whether nobody else can be asked.
    pub(crate) fn is_unable(&mut self, id: &Id, source: &PublicKey) -> bool {
        let mut is_unavailable = false;
        self.change(id, |want| {
            let is_new = want.sources.contains(source) && want.unable.insert(*source);
            is_unavailable = is_new && want.unable.len() == want.sources.len();
            let is_over = match want.stage {
                Stage::Asked(of, _) => of == *source,
                Stage::Delivered(_) => true,
                Stage::Later(_) | Stage::Ready => false,
            };
            if is_over {
                want.stage = Stage::Ready;
            }
        });
        is_unavailable
    }

    /// What came was not all of it: the rest is fetched of those that still list it.
    pub(crate) fn retry(&mut self, id: &Id) {
        self.change(id, |want| {
            if let Stage::Delivered(_) = want.stage {
                want.stage = Stage::Ready;
            }
        });
    }

    /// A partner answered a fetch; what it delivered is verified until `until_ms`.
    ///
    /// Returns what nobody else can be asked for.
    pub(crate) fn answered(
        &mut self,
        from: PublicKey,
        delivered: &[Id],
        missing: &[Id],
        until_ms: u64,
    ) -> Vec<Id> {
        let Some(queue) = self.queues.get_mut(&from) else {
            return Vec::new();
        };
        let asked = std::mem::take(&mut queue.asked);
        let delivered: BTreeSet<_> = delivered.iter().collect();
        let missing: BTreeSet<_> = missing.iter().collect();
        let answers = |id: &Id| delivered.contains(id) || missing.contains(id);
        // What did not fit the answer is asked for again; whoever answers with nothing at all is given time.
        let rest = if asked.iter().any(answers) {
            Stage::Ready
        } else {
            Stage::Later(until_ms)
        };
        let mut unavailable = Vec::new();
        for id in &asked {
            if delivered.contains(id) {
                self.change(id, |want| want.stage = Stage::Delivered(until_ms));
            } else if missing.contains(id) {
                unavailable.extend(self.is_unable(id, &from).then_some(*id));
            } else {
                self.change(id, |want| want.stage = rest);
            }
        }
        unavailable
    }

    /// A partner's link went down: what it was asked for is asked of others.
    pub(crate) fn lost(&mut self, partner: PublicKey) {
        let of_partner = self
            .wants
            .iter()
            .filter(|(_, want)| want.sources.contains(&partner));
        let ids: Vec<_> = of_partner.map(|(id, _)| *id).collect();
        for id in ids {
            self.drop_source(&id, &partner);
        }
        self.queues.remove(&partner);
    }

    /// The fetches to make now: at most one message for each partner that is not busy.
    pub(crate) fn due(&mut self, now_ms: u64, patience_ms: u64) -> Vec<(PublicKey, Vec<Id>)> {
        self.wake(now_ms);
        let until_ms = now_ms.saturating_add(patience_ms);
        let mut fetches = Vec::new();
        let partners: Vec<_> = self.queues.keys().copied().collect();
        for partner in partners {
            let Some(queue) = self.queues.get(&partner) else {
                continue;
            };
            if !queue.asked.is_empty() || self.delivered >= DELIVERED_MAX {
                continue;
            }
            let ready = queue.ready.iter().take(FETCH_MAX);
            let ids: Vec<_> = ready.map(|(_, id)| *id).collect();
            for id in &ids {
                self.change(id, |want| want.stage = Stage::Asked(partner, until_ms));
            }
            if !ids.is_empty() {
                fetches.push((partner, ids));
            }
        }
        fetches
    }

    /// Ends the stages whose time has come.
    fn wake(&mut self, now_ms: u64) {
        while let Some(&(until_ms, id)) = self.timers.first() {
            if until_ms > now_ms {
                break;
            }
            self.change(&id, |want| {
                if let Stage::Asked(of, _) = want.stage {
                    // It may be busy with something large.
                    want.slow = Some(of);
                }
                want.stage = Stage::Ready;
            });
        }
    }

    /// Changes a want, and with it its places in queues and timers.
    fn change(&mut self, id: &Id, change: impl FnOnce(&mut Want)) {
        self.leave(id);
        if let Some(want) = self.wants.get_mut(id) {
            change(want);
            self.enter(id);
        }
    }

    fn enter(&mut self, id: &Id) {
        let Some(want) = self.wants.get(id) else {
            return;
        };
        match want.stage {
            Stage::Later(until_ms) => drop(self.timers.insert((until_ms, *id))),
            Stage::Delivered(until_ms) => {
                self.timers.insert((until_ms, *id));
                self.delivered += 1;
            }
            Stage::Asked(of, until_ms) => {
                self.timers.insert((until_ms, *id));
                self.queues.entry(of).or_default().asked.insert(*id);
            }
            Stage::Ready => {
                for partner in want.askable() {
                    let queue = self.queues.entry(partner).or_default();
                    queue.ready.insert((want.number, *id));
                }
            }
        }
    }

    fn leave(&mut self, id: &Id) {
        let Some(want) = self.wants.get(id) else {
            return;
        };
        match want.stage {
            Stage::Later(until_ms) => drop(self.timers.remove(&(until_ms, *id))),
            Stage::Delivered(until_ms) => {
                self.timers.remove(&(until_ms, *id));
                self.delivered -= 1;
            }
            Stage::Asked(of, until_ms) => {
                self.timers.remove(&(until_ms, *id));
                if let Some(queue) = self.queues.get_mut(&of) {
                    queue.asked.remove(id);
                }
            }
            Stage::Ready => {
                for partner in want.askable() {
                    if let Some(queue) = self.queues.get_mut(&partner) {
                        queue.ready.remove(&(want.number, *id));
                    }
                }
            }
        }
    }
}

impl Want {
    /// Whom to ask: all that may have it, but not the slow one while there are others.
    fn askable(&self) -> Vec<PublicKey> {
        let able = self.sources.difference(&self.unable).copied();
        let mut able: Vec<_> = able.collect();
        if able.len() > 1 {
            able.retain(|partner| self.slow != Some(*partner));
        }
        able
    }
}
