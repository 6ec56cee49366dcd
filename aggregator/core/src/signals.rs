//! What an aggregator says of itself: complete, fresh, and why not. Never by default.

use kittengrad_journal::Tip;
use kittengrad_proto::{block::Head, id::PublicKey};
use kittengrad_ring::KeyRange;

use crate::{
    io::{Moment, Now, Timing},
    source::{Link, Source},
};

/// How a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    /// Read to its head.
    Level,
    /// Being read.
    Behind,
    /// A transaction of it waits for records that others have.
    Fetching,
    /// It does not answer.
    Waiting,
    /// It showed something that does not verify.
    Lying,
}

impl SourceState {
    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Behind => "behind",
            Self::Fetching => "fetching",
            Self::Waiting => "waiting",
            Self::Lying => "lying",
        }
    }
}

/// One source of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceReport {
    /// Whose journal.
    pub source: PublicKey,
    /// The part of the circle that it is required for.
    pub arc: KeyRange,
    /// How it is.
    pub state: SourceState,
    /// The last block that is wholly in our set, on disk.
    pub position: Option<Head>,
    /// The last head that it signed, as far as we heard.
    pub head: Option<Head>,
    /// When it signed that, in Unix milliseconds.
    pub head_time_ms: Option<u64>,
    /// Whether it says that it has everything of its part.
    pub is_settled: bool,
    /// Whether everything that it had of its part was on our disk once since the start: until then, what is not
    /// in our set may well be in its.
    pub has_caught_up: bool,
    /// Blocks that wait in memory.
    pub queued: usize,
    /// Why it does not answer, or what it did.
    pub reason: Option<String>,
}

/// Everything that an aggregator says of itself.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Every required source is settled in its part and is in our set, on disk, up to a head that it signed
    /// less than [`Timing::fresh_ms`] ago, and no part of the circle is without a source.
    pub is_complete: bool,
    /// Every required source signed a head less than [`Timing::fresh_ms`] ago, whether we have it or not.
    pub is_fresh: bool,
    /// Complete, fresh, and every source answers.
    pub is_ready: bool,
    /// Why not, for people; empty exactly if it is ready.
    pub reasons: Vec<String>,
    /// The sources of the plan.
    pub sources: Vec<SourceReport>,
    /// Parts of the circle without a source.
    pub uncovered: Vec<KeyRange>,
    /// Our own head, on disk.
    pub tip: Option<Tip>,
    /// Records that transactions wait for.
    pub records_wanted: usize,
}

/// What [`Status::of`] looks at.
pub(crate) struct Looked<'a> {
    pub(crate) sources: &'a mut dyn Iterator<Item = &'a Source>,
    pub(crate) uncovered: &'a [KeyRange],
    pub(crate) is_planned: bool,
    pub(crate) tip: Option<Tip>,
    pub(crate) records_wanted: usize,
}

impl Status {
    pub(crate) fn of(looked: Looked<'_>, now: Now, timing: Timing) -> Self {
        let has_all = looked.is_planned && looked.uncovered.is_empty();
        let mut view = Self {
            uncovered: looked.uncovered.to_vec(),
            tip: looked.tip,
            records_wanted: looked.records_wanted,
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
        let position = source.durable.and_then(|follower| follower.head());
        let head = source.heard.map(|heard| heard.head);
        let is_level = head.is_some() && head == position;
        let is_settled = source.settled.covers(&arc);
        let (state, reason) = match &source.link {
            Link::Lying(why) => (SourceState::Lying, Some(why.clone())),
            Link::Down(why) => (SourceState::Waiting, Some(why.clone())),
            Link::Silent => (SourceState::Waiting, Some("nothing heard yet".to_owned())),
            Link::Up if source.blocked().is_some() => (SourceState::Fetching, None),
            Link::Up if is_level => (SourceState::Level, None),
            Link::Up => (SourceState::Behind, None),
        };
        let is_young = |at: Option<Moment>| at.is_some_and(|at| at.is_young(now, timing.fresh_ms));
        let (heard, reached) = (source.heard.map(|heard| heard.at), source.reached);
        self.is_fresh &= is_young(heard);
        self.is_complete &= is_settled && is_young(reached);

        let mut say = |what: String| self.reasons.push(format!("source {key:?} {what}"));
        if let Some(why) = &reason {
            say(format!("is {}: {why}", state.as_str()));
        }
        if !is_settled {
            say("does not have everything of its part of the circle yet".to_owned());
        }
        let blocks = |head: Option<Head>| head.map_or(0, |head| head.height + 1);
        let (read, all) = (blocks(position), blocks(head));
        match reached.map(|at| at.age_ms(now)) {
            None => say(format!("is read to block {read} of {all}")),
            Some(age_ms) if age_ms >= timing.fresh_ms => {
                say(format!(
                    "is read to where it was {age_ms} ms ago, block {read} of {all}"
                ));
            }
            Some(_) => {}
        }
        let age_ms = heard.map_or(0, |at| at.age_ms(now));
        if age_ms >= timing.fresh_ms {
            say(format!("signed its head {age_ms} ms ago by our clocks"));
        }
        let ahead = [heard, reached].into_iter().flatten();
        let ahead_ms = ahead.map(|at| at.ahead_ms(now)).max().unwrap_or(0);
        if ahead_ms > timing.fresh_ms {
            say(format!("dates its head {ahead_ms} ms ahead of our clock"));
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
