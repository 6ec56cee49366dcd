//! Transactions that partners' journals list and this peer lacks. Each is fetched from one partner at a time.
//!
//! A change of one transaction never walks over all of them. A ready transaction is in the queue of each partner that
//! can send it, in the order of the listings. A transaction that waits for a time is in one list, ordered by that time.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_proto::{
    id::{Id, PublicKey},
    limits::FETCH_MAX,
};

/// Fetched transactions that are being verified, at most. Above it, no more are fetched.
const DELIVERED_MAX: usize = 4 * FETCH_MAX;

/// One missing transaction.
#[derive(Debug)]
struct Want {
    /// The partners whose journals list it.
    sources: BTreeSet<PublicKey>,
    /// The sources that cannot send it.
    unable: BTreeSet<PublicKey>,
    /// The source that did not answer in time, so that others are asked first.
    slow: Option<PublicKey>,
    /// Its place in the queues, by the order of listing.
    number: u64,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not fetched before this time (monotonic milliseconds): its push may be on its way, or an answer was empty.
    Later(u64),
    /// In the queues of all partners that can be asked.
    Ready,
    /// Fetched from this partner, which has time to answer until then.
    Asked(PublicKey, u64),
    /// Delivered, and being verified until then at most.
    Delivered(u64),
}

/// The transactions that one partner can be asked for.
#[derive(Debug, Default)]
struct Queue {
    ready: BTreeSet<(u64, Id)>,
    /// The transactions of its unanswered fetch. A partner has at most one.
    asked: BTreeSet<Id>,
}

/// All missing transactions.
#[derive(Debug, Default)]
pub(crate) struct Wants {
    wants: BTreeMap<Id, Want>,
    queues: BTreeMap<PublicKey, Queue>,
    /// Transactions whose stage ends at a time, by that time.
    timers: BTreeSet<(u64, Id)>,
    /// The number of transactions in [`Stage::Delivered`].
    delivered: usize,
    next_number: u64,
}

impl Wants {
    /// The number of missing transactions.
    pub(crate) fn len(&self) -> usize {
        self.wants.len()
    }

    /// Adds a missing transaction that a partner's journal lists.
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

    /// Drops a transaction that is whole now.
    pub(crate) fn resolve(&mut self, id: &Id) {
        self.leave(id);
        self.wants.remove(id);
    }

    /// Drops a source of a transaction. Without a source left, drops the transaction too.
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

    /// Notes that a source cannot send a transaction. Returns whether no other source is left to ask.
    pub(crate) fn mark_unable(&mut self, id: &Id, source: &PublicKey) -> bool {
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

    /// Makes a transaction ready again after a delivery without all its entries.
    pub(crate) fn retry(&mut self, id: &Id) {
        self.change(id, |want| {
            if let Stage::Delivered(_) = want.stage {
                want.stage = Stage::Ready;
            }
        });
    }

    /// Takes a partner's answer to a fetch. The delivered transactions have time until `until_ms` to be verified.
    ///
    /// Returns the missing ones for which no other source is left to ask.
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
        // Transactions that did not fit the answer are asked for again. An empty answer defers them to `until_ms`.
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
                unavailable.extend(self.mark_unable(id, &from).then_some(*id));
            } else {
                self.change(id, |want| want.stage = rest);
            }
        }
        unavailable
    }

    /// Drops a partner as a source, when its link goes down. Its open fetches become ready for other sources.
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

    /// Makes the fetches that are due: at most one message to each partner without an unanswered one.
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

    /// Ends the stages whose time is over.
    fn wake(&mut self, now_ms: u64) {
        while let Some(&(until_ms, id)) = self.timers.first() {
            if until_ms > now_ms {
                break;
            }
            self.change(&id, |want| {
                if let Stage::Asked(of, _) = want.stage {
                    // The partner may be busy with a large answer.
                    want.slow = Some(of);
                }
                want.stage = Stage::Ready;
            });
        }
    }

    /// Changes a want, together with its places in queues and timers.
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
    /// The sources to ask: all that may have it, without the slow one while there are others.
    fn askable(&self) -> Vec<PublicKey> {
        let able = self.sources.difference(&self.unable).copied();
        let mut able: Vec<_> = able.collect();
        if able.len() > 1 {
            able.retain(|partner| self.slow != Some(*partner));
        }
        able
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE_MS: u64 = 100;

    #[test]
    fn only_the_partner_that_was_asked_ends_the_request() {
        let (id, partners) = (
            Id::of(&[b"x"]),
            [1, 2].map(|byte| PublicKey::new([byte; 32])),
        );
        let mut wants = Wants::default();
        for partner in partners {
            wants.add(id, partner, 0);
        }
        let asked = wants.due(0, PATIENCE_MS);
        let [(asked, _)] = &asked[..] else {
            panic!("{asked:?}")
        };
        let other = partners.iter().find(|partner| *partner != asked).unwrap();
        assert!(!wants.mark_unable(&id, other));
        assert!(wants.due(0, PATIENCE_MS).is_empty());
        assert!(wants.mark_unable(&id, asked));
    }

    /// One step of a test with 12 transactions and 4 partners.
    #[derive(Debug, Clone)]
    enum Step {
        Add(u8, u8, u64),
        Answered(u8, Vec<u8>, Vec<u8>),
        Resolve(u8),
        Drop(u8, u8),
        Lost(u8),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let (id, partner) = (0..12_u8, 0..4_u8);
        let ids = || prop::collection::vec(0..12_u8, 0..6);
        prop_oneof![
            3 => (id.clone(), partner.clone(), 0..50_u64).prop_map(|(i, p, ms)| Step::Add(i, p, ms)),
            3 => (partner.clone(), ids(), ids()).prop_map(|(p, d, m)| Step::Answered(p, d, m)),
            1 => id.clone().prop_map(Step::Resolve),
            1 => (id, partner.clone()).prop_map(|(i, p)| Step::Drop(i, p)),
            1 => partner.prop_map(Step::Lost),
            3 => (0..150_u64).prop_map(Step::Wait),
        ]
    }

    fn id(number: u8) -> Id {
        Id::new([number; 32])
    }

    fn key(number: u8) -> PublicKey {
        PublicKey::new([number; 32])
    }

    fn ids(numbers: &[u8]) -> Vec<Id> {
        numbers.iter().copied().map(id).collect()
    }

    /// Checks that every want is in exactly the queues and timers of its stage.
    fn check(wants: &Wants) {
        let mut rebuilt = Wants::default();
        for (id, want) in &wants.wants {
            let copy = Want {
                sources: want.sources.clone(),
                unable: want.unable.clone(),
                ..*want
            };
            rebuilt.wants.insert(*id, copy);
            rebuilt.enter(id);
        }
        assert_eq!(rebuilt.timers, wants.timers);
        assert_eq!(rebuilt.delivered, wants.delivered);
        for (partner, queue) in &wants.queues {
            let other = rebuilt.queues.remove(partner).unwrap_or_default();
            assert_eq!((&other.ready, &other.asked), (&queue.ready, &queue.asked));
        }
        assert!(rebuilt.queues.is_empty());
    }

    proptest! {
        #[test]
        fn wants_are_asked_of_every_holder_and_of_one_at_a_time(
            steps in prop::collection::vec(step(), 1..60),
        ) {
            let mut wants = Wants::default();
            let mut now_ms = 0;
            for step in steps {
                match step {
                    Step::Add(i, p, ms) => wants.add(id(i), key(p), now_ms + ms),
                    Step::Answered(p, delivered, missing) => {
                        let until_ms = now_ms + PATIENCE_MS;
                        wants.answered(key(p), &ids(&delivered), &ids(&missing), until_ms);
                    }
                    Step::Resolve(i) => wants.resolve(&id(i)),
                    Step::Drop(i, p) => wants.drop_source(&id(i), &key(p)),
                    Step::Lost(p) => wants.lost(key(p)),
                    Step::Wait(ms) => now_ms += ms,
                }
                check(&wants);
                for (_, asked) in wants.due(now_ms, PATIENCE_MS) {
                    prop_assert!(asked.len() <= FETCH_MAX);
                }
                let asked: Vec<_> = wants.queues.values().flat_map(|q| q.asked.clone()).collect();
                let distinct: BTreeSet<_> = asked.iter().collect();
                prop_assert_eq!(asked.len(), distinct.len());
                check(&wants);
            }
            // No partner answers any more. Every want that a source may have is fetched again and again.
            let mut asked = BTreeSet::new();
            for _ in 0..4 {
                now_ms += 2 * PATIENCE_MS;
                asked.extend(wants.due(now_ms, PATIENCE_MS).into_iter().flat_map(|(_, ids)| ids));
            }
            for (id, want) in &wants.wants {
                prop_assert_eq!(asked.contains(id), want.unable.len() < want.sources.len());
            }
        }
    }
}
