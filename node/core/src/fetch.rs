//! Transactions that a partner's journal lists and this peer lacks: each is fetched once, from one holder.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_proto::{
    id::{Id, PublicKey},
    limits::FETCH_MAX,
};

/// One transaction that is missing here.
#[derive(Debug)]
struct Want {
    /// Whose journals list it.
    sources: BTreeSet<PublicKey>,
    /// Not fetched before this (monotonic milliseconds): its push may be on its way.
    not_before_ms: u64,
    asked: Option<Asked>,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    of: PublicKey,
    at_ms: u64,
    /// It came and is being verified.
    is_delivered: bool,
}

/// Everything that is missing here.
#[derive(Debug, Default)]
pub(crate) struct Wants {
    wants: BTreeMap<Id, Want>,
    /// Partners with a fetch that they have not answered.
    busy: BTreeSet<PublicKey>,
}

impl Wants {
    /// A partner's journal lists a transaction that is missing here.
    pub(crate) fn add(&mut self, id: Id, source: PublicKey, not_before_ms: u64) {
        let fresh = || Want {
            sources: BTreeSet::new(),
            not_before_ms,
            asked: None,
        };
        let want = self.wants.entry(id).or_insert_with(fresh);
        want.sources.insert(source);
        want.not_before_ms = want.not_before_ms.min(not_before_ms);
    }

    /// It is here now, or never will be.
    pub(crate) fn resolve(&mut self, id: &Id) {
        self.wants.remove(id);
    }

    /// A partner answered a fetch. Returns what nobody is left to ask for.
    pub(crate) fn answered(
        &mut self,
        from: PublicKey,
        delivered: &[Id],
        missing: &[Id],
        now_ms: u64,
    ) -> Vec<Id> {
        self.busy.remove(&from);
        self.forget_asked(from);
        for id in delivered {
            if let Some(want) = self.wants.get_mut(id) {
                want.asked = Some(Asked {
                    of: from,
                    at_ms: now_ms,
                    is_delivered: true,
                });
            }
        }
        let mut unavailable = Vec::new();
        for id in missing {
            if let Some(want) = self.wants.get_mut(id) {
                want.sources.remove(&from);
                if want.sources.is_empty() {
                    unavailable.push(*id);
                }
            }
        }
        unavailable
    }

    /// A partner's link went down: what it was asked for is asked of others.
    pub(crate) fn lost(&mut self, partner: PublicKey) {
        self.busy.remove(&partner);
        self.forget_asked(partner);
        for want in self.wants.values_mut() {
            want.sources.remove(&partner);
        }
        self.wants.retain(|_, want| !want.sources.is_empty());
    }

    fn forget_asked(&mut self, partner: PublicKey) {
        for want in self.wants.values_mut() {
            want.asked = want
                .asked
                .filter(|asked| asked.of != partner || asked.is_delivered);
        }
    }

    /// The fetches to make now: at most one message for each partner that is not busy.
    pub(crate) fn due(&mut self, now_ms: u64, patience_ms: u64) -> Vec<(PublicKey, Vec<Id>)> {
        let mut fetches: BTreeMap<PublicKey, Vec<Id>> = BTreeMap::new();
        for (id, want) in &mut self.wants {
            if want
                .asked
                .is_some_and(|asked| now_ms.saturating_sub(asked.at_ms) < patience_ms)
            {
                continue;
            }
            if want.asked.take().is_some_and(|asked| !asked.is_delivered) {
                // It was asked for in vain: its source may be busy with something large, so others come first.
                want.not_before_ms = now_ms;
            }
            if want.not_before_ms > now_ms {
                continue;
            }
            let free = want.sources.iter().find(|source| {
                !self.busy.contains(source)
                    && fetches.get(source).is_none_or(|ids| ids.len() < FETCH_MAX)
            });
            if let Some(source) = free.copied() {
                want.asked = Some(Asked {
                    of: source,
                    at_ms: now_ms,
                    is_delivered: false,
                });
                fetches.entry(source).or_default().push(*id);
            }
        }
        self.busy.extend(fetches.keys());
        fetches.into_iter().collect()
    }

    /// Whether a fetch of this partner is unanswered for longer than it is waited for.
    pub(crate) fn release(&mut self, now_ms: u64, patience_ms: u64) {
        let asked: BTreeSet<_> = self
            .wants
            .values()
            .filter_map(|want| want.asked)
            .filter(|asked| !asked.is_delivered && now_ms.saturating_sub(asked.at_ms) < patience_ms)
            .map(|asked| asked.of)
            .collect();
        self.busy.retain(|partner| asked.contains(partner));
    }

    /// How many are missing.
    pub(crate) fn len(&self) -> usize {
        self.wants.len()
    }
}
