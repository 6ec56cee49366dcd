//! Planning: which journals to follow, as members come and go.
//!
//! Every member is asked for its head about once a second. A member that does not answer for [`SILENT_MS`], or for
//! [`BROKEN_MS`] as a source whose connection failed, lags behind its own head for [`LAGS_MS`] or sends data that does not verify is passed over. The plan changes only if a source of
//! it is passed over, or if it leaves arcs without a source that others hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::id::PublicKey;

use crate::{
    network::Network,
    plan::Plan,
    signals::{SourceState, Status},
};

/// Time without an answer after which a member is down, in milliseconds.
pub const SILENT_MS: u64 = 5_000;
/// The same for a source whose connection failed, in milliseconds.
pub const BROKEN_MS: u64 = 2_500;
/// Time for which a source may be behind its head, in milliseconds.
pub const LAGS_MS: u64 = 10_000;
/// Time for which a source that lagged or lied is passed over, in milliseconds.
pub const PASSED_OVER_MS: u64 = 60_000;

/// Decides which journals to follow.
#[derive(Debug, Default)]
pub struct Planner {
    network: Option<Arc<Network>>,
    plan: Option<Plan>,
    /// Monotonic time in milliseconds of the last answer of each member. Before the first answer, the time at which it
    /// was seen first.
    answered: BTreeMap<PublicKey, u64>,
    /// Monotonic time in milliseconds since which each source is behind.
    behind: BTreeMap<PublicKey, u64>,
    /// Sources whose connection failed.
    broken: BTreeSet<PublicKey>,
    /// Monotonic time in milliseconds until which a member is passed over.
    passed_over: BTreeMap<PublicKey, u64>,
    plants: Plants,
}

impl Planner {
    /// Plants bugs in the planner, for the simulator.
    #[must_use]
    pub fn planted(plants: Plants) -> Self {
        Self {
            plants,
            ..Self::default()
        }
    }

    /// Takes a newer ring.
    pub fn network(&mut self, network: Arc<Network>, now_ms: u64) {
        let members = network.members();
        self.answered.retain(|member, _| members.contains(member));
        for member in members {
            self.answered.entry(member).or_insert(now_ms);
        }
        self.network = Some(network);
        self.plan = None;
    }

    /// Notes an answer of a member.
    pub fn answered(&mut self, member: PublicKey, now_ms: u64) {
        if let Some(last) = self.answered.get_mut(&member) {
            *last = now_ms.max(*last);
        }
    }

    /// The plan in force.
    #[must_use]
    pub const fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// Looks at the members, and returns a new plan if one is due.
    pub fn look(&mut self, status: &Status, now_ms: u64) -> Option<Plan> {
        self.watch(status, now_ms);
        let network = Arc::clone(self.network.as_ref()?);
        let is_due = self.plan.as_ref().is_none_or(|plan| {
            let has_gap = !plan.uncovered.is_empty();
            let mut sources = plan.sources.iter();
            let is_down = sources.any(|of| !self.is_up(&of.source, now_ms));
            has_gap && !self.plants.has(Plant::UncoveredForgotten) || is_down
        });
        if !is_due {
            return None;
        }
        let plan = Plan::of(&network, |member| self.is_up(member, now_ms));
        if self.plan.as_ref() == Some(&plan) {
            return None;
        }
        self.plan = Some(plan.clone());
        Some(plan)
    }

    /// Notes which sources lag or lie.
    fn watch(&mut self, status: &Status, now_ms: u64) {
        let mut behind = BTreeMap::new();
        self.broken.clear();
        for source in &status.sources {
            let key = source.source;
            match source.state {
                SourceState::Lying => {
                    self.passed_over.insert(key, now_ms + PASSED_OVER_MS);
                }
                SourceState::Level => {}
                state => {
                    if state == SourceState::Waiting && source.reason.is_some() {
                        self.broken.insert(key);
                    }
                    let since = self.behind.get(&key).copied().unwrap_or(now_ms);
                    behind.insert(key, since);
                    if now_ms.saturating_sub(since) >= LAGS_MS {
                        self.passed_over.insert(key, now_ms + PASSED_OVER_MS);
                    }
                }
            }
        }
        self.behind = behind;
        self.passed_over.retain(|_, until| *until > now_ms);
    }

    fn is_up(&self, member: &PublicKey, now_ms: u64) -> bool {
        let silent_ms = match self.broken.contains(member) {
            true => BROKEN_MS,
            false => SILENT_MS,
        };
        let answered = self.answered.get(member);
        answered.is_some_and(|last| now_ms.saturating_sub(*last) < silent_ms)
            && !self.passed_over.contains_key(member)
    }
}
