//! Fetches records that a source lacks from the peers that hold them, one holder after another.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kittengrad_aggregator_core::Input;
use kittengrad_proto::id::RecordId;

use super::reading::Fetching;
use crate::{
    calls::{Answer, By, Question},
    host::Node,
    world::World,
};

/// The longest wait for one peer, in microseconds.
const ANSWER_US: u64 = 2_000_000;

impl World {
    /// Fetches the wanted records, if no fetch is running.
    pub(super) fn fetch(&mut self) {
        let Some(process) = self.aggregator.as_mut().and_then(|m| m.process.as_mut()) else {
            return;
        };
        if process.fetching.is_some() || process.wanted.is_empty() {
            return;
        }
        process.fetching = Some(Fetching {
            wanted: std::mem::take(&mut process.wanted),
            turn: 0,
            asked: BTreeSet::new(),
            found: Vec::new(),
        });
        self.ask_holders();
    }

    fn ask_holders(&mut self) {
        let view = Arc::clone(&self.machines[0].view);
        let Some(process) = self.aggregator.as_mut().and_then(|m| m.process.as_mut()) else {
            return;
        };
        let Some(fetching) = &mut process.fetching else {
            return;
        };
        let mut asks: BTreeMap<usize, Vec<RecordId>> = BTreeMap::new();
        for fetch in &fetching.wanted {
            if let Some(holder) = view.keys_holding(&fetch.canonical).get(fetching.turn) {
                asks.entry(self.numbers[holder])
                    .or_default()
                    .push(fetch.record);
            }
        }
        fetching.turn += 1;
        if asks.is_empty() {
            let found = std::mem::take(&mut fetching.found);
            process.fetching = None;
            if !found.is_empty() {
                self.hand_aggregator(Input::Records(found));
            }
            return self.fetch();
        }
        for (holder, ids) in asks {
            let (from, to) = (Node::Aggregator, Node::Peer(holder));
            let call = self.call(from, to, Question::Records(ids), By::Fetch, ANSWER_US);
            if let Some(fetching) = self.fetching() {
                fetching.asked.insert(call);
            }
        }
    }

    fn fetching(&mut self) -> Option<&mut Fetching> {
        let process = self.aggregator.as_mut()?.process.as_mut()?;
        process.fetching.as_mut()
    }

    /// Handles the answer of a holder, or its timeout.
    pub(crate) fn fetched(&mut self, call: u64, answer: Answer) {
        let Some(fetching) = self.fetching() else {
            return;
        };
        if !fetching.asked.remove(&call) {
            return;
        }
        if let Answer::Records(records) = answer {
            let names: BTreeSet<_> = records.iter().map(|bytes| RecordId::of(bytes)).collect();
            fetching
                .wanted
                .retain(|fetch| !names.contains(&fetch.record));
            fetching.found.extend(records);
        }
        if fetching.asked.is_empty() {
            self.ask_holders();
        }
    }
}
