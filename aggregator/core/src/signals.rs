//! The status of an aggregator: complete, fresh, and the reasons why not. Never true by default.

use kittengrad_journal::{Follower, Tip};
use kittengrad_proto::{block::Head, id::PublicKey};
use kittengrad_ring::KeyRange;

use crate::{
    io::{Moment, Now, Timing},
    source::{Link, Source},
};

/// The state of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    /// Read to its head.
    Level,
    /// Being read.
    Behind,
    /// It does not answer.
    Waiting,
    /// It sent data that does not verify.
    Lying,
}

impl SourceState {
    /// The word in pages and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Behind => "behind",
            Self::Waiting => "waiting",
            Self::Lying => "lying",
        }
    }
}

/// One source of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceReport {
    /// The owner of the journal.
    pub source: PublicKey,
    /// The part of the circle that it is required for.
    pub arc: KeyRange,
    /// Its state.
    pub state: SourceState,
    /// The last block that is wholly in our set and on disk.
    pub position: Option<Head>,
    /// The newest signed head that we received.
    pub head: Option<Head>,
    /// The time at which it signed `head`, in Unix milliseconds.
    pub head_time_ms: Option<u64>,
    /// Whether it is settled in its part of the circle.
    pub is_settled: bool,
    /// Whether we caught up with it once since it is required for `arc`: everything that it had of its part was on our
    /// disk. Before that, an element that our set lacks may exist at the source.
    pub has_caught_up: bool,
    /// Blocks that wait in memory.
    pub queued: usize,
    /// The reason why it waits, or the rule that it broke.
    pub reason: Option<String>,
}

/// The status of an aggregator.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Whether every required source is settled in its part, our set on disk has its journal up to a head signed less
    /// than [`Timing::fresh_ms`] ago, and no part of the circle is without a source.
    pub is_complete: bool,
    /// Whether every required source signed a head less than [`Timing::fresh_ms`] ago, read or not.
    pub is_fresh: bool,
    /// Whether it is complete and fresh, and every source answers.
    pub is_ready: bool,
    /// The reasons why it is not ready, for people. Empty exactly if it is ready.
    pub reasons: Vec<String>,
    /// The sources of the plan.
    pub sources: Vec<SourceReport>,
    /// Parts of the circle without a source.
    pub uncovered: Vec<KeyRange>,
    /// Our own tip, on disk.
    pub tip: Option<Tip>,
    /// Records that our set on disk names and that are not there. They are fetched until they arrive.
    pub records_absent: usize,
}

/// The inputs of [`Status::of`].
pub(crate) struct Looked<'a> {
    pub(crate) sources: &'a mut dyn Iterator<Item = &'a Source>,
    pub(crate) uncovered: &'a [KeyRange],
    pub(crate) is_planned: bool,
    pub(crate) tip: Option<Tip>,
    pub(crate) records_absent: usize,
}

impl Status {
    pub(crate) fn of(looked: Looked<'_>, now: Now, timing: Timing) -> Self {
        let has_all = looked.is_planned && looked.uncovered.is_empty();
        let mut view = Self {
            uncovered: looked.uncovered.to_vec(),
            tip: looked.tip,
            records_absent: looked.records_absent,
            is_fresh: has_all,
            is_complete: has_all && looked.tip.is_some(),
            ..Self::default()
        };
        if !looked.is_planned {
            view.reasons.push("no sources are planned yet".to_owned());
        }
        if looked.tip.is_none() {
            view.reasons.push("the journal has no block yet".to_owned());
        }
        for arc in looked.uncovered {
            view.reasons
                .push(format!("no source holds the arc {arc:?}"));
        }
        for source in looked.sources {
            if let Some(arc) = source.required {
                view.look_at(source, arc, now, timing);
            }
        }
        view.is_ready = view.reasons.is_empty();
        view
    }

    fn look_at(&mut self, source: &Source, arc: KeyRange, now: Now, timing: Timing) {
        let key = source.key;
        let position = source.durable.as_ref().and_then(Follower::head);
        let head = source.heard.map(|heard| heard.head);
        let is_level = head.is_some() && head == position;
        let is_settled = source.settled.covers(&arc);
        let (state, reason) = match &source.link {
            Link::Lying(why) => (SourceState::Lying, Some(why.clone())),
            Link::Down(why) => (SourceState::Waiting, Some(why.clone())),
            Link::Silent => (SourceState::Waiting, Some("no data yet".to_owned())),
            Link::Up if is_level => (SourceState::Level, None),
            Link::Up => (SourceState::Behind, None),
        };
        let is_young = |at: Option<Moment>| at.is_some_and(|at| at.is_young(now, timing.fresh_ms));
        let (heard, reached) = (source.heard.map(|heard| heard.at), source.reached);
        self.is_fresh &= is_young(heard);
        self.is_complete &= is_settled && is_young(reached);

        let mut note = |text: String| self.reasons.push(format!("source {key:?} {text}"));
        if let Some(why) = &reason {
            note(format!("is {}: {why}", state.as_str()));
        }
        if !is_settled {
            note("is not settled in its part of the circle yet".to_owned());
        }
        let blocks = |head: Option<Head>| head.map_or(0, |head| head.height + 1);
        let (read, all) = (blocks(position), blocks(head));
        match reached.map(|at| at.age_ms(now)) {
            None => note(format!("is read to block {read} of {all}")),
            Some(age_ms) if age_ms >= timing.fresh_ms => {
                note(format!(
                    "is read to its head of {age_ms} ms ago, block {read} of {all}"
                ));
            }
            Some(_) => {}
        }
        let age_ms = heard.map_or(0, |at| at.age_ms(now));
        if age_ms >= timing.fresh_ms {
            note(format!("signed its head {age_ms} ms ago by our clocks"));
        }
        let ahead = [heard, reached].into_iter().flatten();
        let ahead_ms = ahead.map(|at| at.ahead_ms(now)).max().unwrap_or(0);
        if ahead_ms > timing.fresh_ms {
            note(format!("dates its head {ahead_ms} ms ahead of our clock"));
        }
        self.sources.push(SourceReport {
            source: key,
            arc,
            state,
            position,
            head,
            head_time_ms: heard.map(|at| at.signed_ms),
            is_settled,
            has_caught_up: source.has_caught_up,
            queued: source.queued(),
            reason,
        });
    }
}
