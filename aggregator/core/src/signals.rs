//! The status of an aggregator: complete, fresh, and the reasons why not. Never true by default.

use kittengrad_journal::{Follower, Tip};
use kittengrad_proto::{
    block::Head,
    id::{Id, PublicKey},
};
use kittengrad_ring::KeyRange;

use crate::{
    complete::CellReport,
    io::{Now, Timing},
    plan::Mode,
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
    /// How its journal is read.
    pub mode: Mode,
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
    /// Age of the last signed head that is wholly in our set, in milliseconds. `None` before the first.
    pub lag_ms: Option<u64>,
    /// Blocks that wait in memory.
    pub queued: usize,
    /// The reason why it waits, or the rule that it broke.
    pub reason: Option<String>,
}

/// The status of an aggregator.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Whether every cell has a time to which it is complete, and no part of the circle is without a source.
    pub is_complete: bool,
    /// Whether none of these times is [`Timing::fresh_ms`] old.
    pub is_fresh: bool,
    /// Whether it is complete and fresh.
    pub is_ready: bool,
    /// The reasons why it is not ready, for people. Empty exactly if it is ready.
    pub reasons: Vec<String>,
    /// The sources of the plan.
    pub sources: Vec<SourceReport>,
    /// Id of the ring, once it is known.
    pub ring: Option<Id>,
    /// The least time to which a cell is complete, in Unix milliseconds. `None` if a cell has none.
    pub complete_to_ms: Option<u64>,
    /// Faulty replicas of a cell that are tolerated.
    pub tolerates: usize,
    /// The completeness of each cell, clockwise.
    pub cells: Vec<CellReport>,
    /// Parts of the circle without a source.
    pub uncovered: Vec<Uncovered>,
    /// Elements in our set on disk.
    pub elements: u64,
    /// Our own tip, on disk.
    pub tip: Option<Tip>,
    /// Records that our set on disk names and that are not there. They are fetched until they arrive.
    pub records_absent: usize,
}

/// A part of the circle without a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uncovered {
    /// The part.
    pub arc: KeyRange,
    /// Unix time in milliseconds since which it has none.
    pub since_ms: u64,
}

/// The inputs of [`Status::of`].
pub(crate) struct Looked<'a> {
    pub(crate) sources: &'a mut dyn Iterator<Item = &'a Source>,
    pub(crate) uncovered: &'a [Uncovered],
    pub(crate) ring: Option<(Id, usize)>,
    pub(crate) is_planned: bool,
    pub(crate) cells: Vec<CellReport>,
    pub(crate) elements_before: u64,
    pub(crate) tip: Option<Tip>,
    pub(crate) records_absent: usize,
}

impl Status {
    pub(crate) fn of(looked: Looked<'_>, now: Now, timing: Timing) -> Self {
        let is_young = |cell: &CellReport| cell.age_ms.is_some_and(|age| age < timing.fresh_ms);
        let has_all = looked.is_planned && looked.uncovered.is_empty() && looked.tip.is_some();
        let is_complete = has_all
            && !looked.cells.is_empty()
            && looked
                .cells
                .iter()
                .all(|cell| cell.complete_to_ms.is_some());
        let is_fresh = is_complete && looked.cells.iter().all(is_young);
        let mut view = Self {
            uncovered: looked.uncovered.to_vec(),
            tip: looked.tip,
            elements: looked.elements_before + looked.tip.map_or(0, |tip| tip.offset),
            records_absent: looked.records_absent,
            is_complete,
            is_fresh,
            is_ready: is_complete && is_fresh,
            ring: looked.ring.map(|(ring, _)| ring),
            tolerates: looked.ring.map_or(0, |(_, tolerates)| tolerates),
            complete_to_ms: looked
                .cells
                .iter()
                .map(|cell| cell.complete_to_ms)
                .min()
                .flatten(),
            ..Self::default()
        };
        for source in looked.sources {
            if let Some(arc) = source.required {
                view.look_at(source, arc, now, timing);
            }
        }
        if view.is_ready {
            view.reasons.clear();
        } else {
            view.explain(looked.is_planned, looked.uncovered, &looked.cells, timing);
        }
        view.cells = looked.cells;
        view
    }

    /// Adds the reasons why it is not ready: first what is missing everywhere, then cell by cell.
    fn explain(
        &mut self,
        is_planned: bool,
        uncovered: &[Uncovered],
        cells: &[CellReport],
        timing: Timing,
    ) {
        let mut reasons = Vec::new();
        if !is_planned {
            reasons.push("no sources are planned yet".to_owned());
        }
        if self.tip.is_none() {
            reasons.push("the journal has no block yet".to_owned());
        }
        for Uncovered { arc, .. } in uncovered {
            reasons.push(format!("no peer that is up holds the arc {arc:?}"));
        }
        if cells.is_empty() {
            reasons.push("the cells of the ring are not known yet".to_owned());
        }
        for cell in cells {
            let (arc, waits) = (cell.arc, waits_for(cell));
            match cell.age_ms {
                None => reasons.push(format!("cell {arc:?} is not complete yet: {waits}")),
                Some(age_ms) if age_ms >= timing.fresh_ms => {
                    reasons.push(format!(
                        "cell {arc:?} is complete only to {age_ms} ms ago: {waits}"
                    ));
                }
                Some(_) => {}
            }
        }
        self.reasons.splice(0..0, reasons);
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
        let (heard, reached) = (source.heard.map(|heard| heard.at), source.reached);

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
            mode: source.mode,
            state,
            position,
            head,
            head_time_ms: heard.map(|at| at.signed_ms),
            is_settled,
            lag_ms: reached.map(|at| at.age_ms(now)),
            queued: source.queued(),
            reason,
        });
    }
}

/// The replicas that a cell waits for, for people.
fn waits_for(cell: &CellReport) -> String {
    let waits: Vec<_> = cell
        .waits_for
        .iter()
        .map(|peer| format!("{peer:?}"))
        .collect();
    let (found, needed) = (cell.established.len(), cell.needed);
    match waits.is_empty() {
        true => format!("{found} of {needed} replicas were established"),
        false => format!(
            "{needed} replicas are needed, and it waits for {}",
            waits.join(", ")
        ),
    }
}
