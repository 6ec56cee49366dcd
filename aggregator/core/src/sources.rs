//! All sources of an aggregator: their links, their modes, and whose turn it is.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    ops::Bound::{Excluded, Unbounded},
};

use kittengrad_journal::Store;
use kittengrad_plants::Plants;
use kittengrad_proto::{id::PublicKey, namespace::Overlay};

use crate::{
    io::{Event, Fatal, Output},
    plan::{Mode, Plan},
    source::{Link, Source},
};

/// The sources of the plan, and those of earlier plans.
pub(crate) struct Sources {
    by_key: BTreeMap<PublicKey, Source>,
    /// The source that had the last turn. The next one has the next turn, so that no source waits for the others' ends.
    turn: Option<PublicKey>,
    plants: Plants,
}

impl Sources {
    /// Starts without sources, with planted bugs.
    pub(crate) const fn planted(plants: Plants) -> Self {
        Self {
            by_key: BTreeMap::new(),
            turn: None,
            plants,
        }
    }

    /// All of them, by key.
    pub(crate) const fn all(&self) -> &BTreeMap<PublicKey, Source> {
        &self.by_key
    }

    /// All of them, to change.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Source> {
        self.by_key.values_mut()
    }

    /// A source, to change.
    pub(crate) fn get_mut(&mut self, source: &PublicKey) -> Option<&mut Source> {
        self.by_key.get_mut(source)
    }

    /// The source that has the next turn.
    pub(crate) fn next_turn(&self) -> Option<PublicKey> {
        let after = self
            .turn
            .map(|key| self.by_key.range((Excluded(key), Unbounded)).next());
        let next = after.flatten().or_else(|| self.by_key.iter().next());
        next.map(|(key, _)| *key)
    }

    /// Notes that a source had its turn.
    pub(crate) const fn had_turn(&mut self, source: PublicKey) {
        self.turn = Some(source);
    }

    /// Requires exactly the sources of a plan. Sources that are new are loaded from the store.
    pub(crate) fn plan(
        &mut self,
        plan: &Plan,
        overlay: &Overlay,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let planned_before: BTreeSet<_> = self
            .by_key
            .values_mut()
            .filter_map(|source| source.required.take().map(|_| source.key))
            .collect();
        let mut switched = Vec::new();
        for planned in &plan.sources {
            let source = match self.by_key.entry(planned.source) {
                Entry::Occupied(known) => {
                    let known = known.into_mut();
                    // Also if it was not in the last plan: its follower may not have seen that one.
                    if known.mode != planned.mode {
                        switched.push(known.key);
                    }
                    known
                }
                Entry::Vacant(new) => {
                    new.insert(Source::load(planned.source, overlay, self.plants, store)?)
                }
            };
            source.require(planned);
            // Its follower of before, which would have tried it again, ended with the last plan.
            if matches!(source.link, Link::Lying(_)) && !planned_before.contains(&source.key) {
                source.link = Link::Silent;
            }
        }
        for source in switched {
            self.switched(source, out);
        }
        let sources = self.by_key.values();
        let unplanned = sources.filter(|source| source.required.is_none());
        let unplanned: Vec<_> = unplanned.map(|source| source.key).collect();
        unplanned
            .into_iter()
            .for_each(|source| self.forget_waiting(source, out));
        Ok(())
    }

    /// Reads a source with bodies from its position on, until the next plan.
    pub(crate) fn read_with_bodies(&mut self, key: PublicKey, out: &mut Output) {
        if let Some(source) = self.by_key.get_mut(&key) {
            source.mode = Mode::Read;
            self.switched(key, out);
        }
    }

    /// Reports the new mode of a source. Blocks that came without bodies before are read again with them.
    fn switched(&mut self, key: PublicKey, out: &mut Output) {
        let Some(mode) = self.by_key.get(&key).map(|source| source.mode) else {
            return;
        };
        if mode == Mode::Read {
            self.forget_waiting(key, out);
        }
        out.events.push(Event::Mode { source: key, mode });
    }

    /// Returns a source from which an input arrived, and marks it as up. `None` if it lies or is not planned.
    pub(crate) fn up(&mut self, source: PublicKey, out: &mut Output) -> Option<&mut Source> {
        let source = self
            .by_key
            .get_mut(&source)
            .filter(|source| source.required.is_some())?;
        match source.link {
            Link::Lying(_) => return None,
            Link::Up => {}
            Link::Silent | Link::Down(_) => {
                source.link = Link::Up;
                out.events.push(Event::Source {
                    source: source.key,
                    waiting: None,
                });
            }
        }
        Some(source)
    }

    /// Notes that a source cannot be followed at the moment.
    pub(crate) fn down(&mut self, key: PublicKey, why: String, out: &mut Output) {
        let Some(source) = self.by_key.get_mut(&key) else {
            return;
        };
        if matches!(source.link, Link::Lying(_)) || source.link == Link::Down(why.clone()) {
            return;
        }
        source.link = Link::Down(why.clone());
        out.events.push(Event::Source {
            source: key,
            waiting: Some(why),
        });
    }

    /// Notes that a source sent data that does not verify. Nothing of it is emitted that still waits.
    pub(crate) fn lying(&mut self, key: PublicKey, why: String, out: &mut Output) {
        let Some(source) = self.by_key.get_mut(&key) else {
            return;
        };
        source.link = Link::Lying(why.clone());
        out.events.push(Event::Lied { source: key, why });
        self.forget_waiting(key, out);
    }

    /// Drops the waiting blocks of a source. They are read again if the source is followed again.
    fn forget_waiting(&mut self, key: PublicKey, out: &mut Output) {
        let Some(source) = self.by_key.get_mut(&key) else {
            return;
        };
        let blocks = source.clear();
        if blocks > 0 {
            *out.done.entry(key).or_default() += blocks;
        }
    }
}
