//! The tally of a run: strikes and their effects.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    history::History,
    plan::{Blow, Loss},
};

/// The counts of one run.
pub(super) struct Tally {
    begun: Instant,
    wanted: (u64, u64),
    pub(super) blows: u64,
    pub(super) flips: u64,
    struck: BTreeMap<Blow, u64>,
    lost: BTreeMap<Loss, u64>,
    /// Processes that ended by themselves, and those of them that ended for lack of disk space.
    pub(super) ends: u64,
    pub(super) ends_for_room: u64,
    /// Indexes that were moved away because they could not be read.
    pub(super) moved_away: u64,
    /// Stores that their owners put aside.
    quarantined: u64,
    /// Flips without any visible effect.
    harmless: u64,
}

impl Tally {
    pub(super) fn new(blows: u64, flips: u64) -> Self {
        Self {
            begun: Instant::now(),
            wanted: (blows, flips),
            blows: 0,
            flips: 0,
            struck: BTreeMap::new(),
            lost: BTreeMap::new(),
            ends: 0,
            ends_for_room: 0,
            moved_away: 0,
            quarantined: 0,
            harmless: 0,
        }
    }

    pub(super) fn strikes(&mut self, blow: Blow) {
        self.blows += 1;
        *self.struck.entry(blow).or_default() += 1;
    }

    pub(super) fn loses(&mut self, loss: Loss, line: &str) {
        self.flips += u64::from(loss.is_flip());
        *self.lost.entry(loss).or_default() += 1;
        self.print(line);
    }

    /// Counts a process that is whole again after a loss.
    pub(super) fn heals(&mut self, loss: Loss, aside: u64, ends: u32) {
        self.quarantined += aside;
        self.harmless += u64::from(loss.is_flip() && aside == 0 && ends == 0);
    }

    /// Prints a line with the time of the run.
    pub(super) fn print(&self, line: &str) {
        let seconds = self.begun.elapsed().as_secs();
        eprintln!("{seconds:>5} s  {line}");
    }

    /// Prints the progress.
    pub(super) fn word(&self, history: &History, about: &str) {
        let (blows, flips) = self.wanted;
        let counts = history.counts(|counts| {
            format!(
                "{} acknowledged of {} asked, {} lookups",
                counts.acknowledged, counts.asked, counts.lookups
            )
        });
        self.print(&format!(
            "{} of {blows} blows, {} of {flips} flips; {counts}; healing: {about}",
            self.blows, self.flips
        ));
    }

    /// The summary at the end of the run.
    pub(super) fn summary(&self, history: &History) -> String {
        let mut lines = Vec::new();
        let struck = self
            .struck
            .iter()
            .map(|(of, count)| (format!("{of:?}"), *count));
        let lost = self
            .lost
            .iter()
            .map(|(of, count)| (format!("{of:?}"), *count));
        lines.extend(
            struck
                .chain(lost)
                .map(|(of, count)| format!("  {of}: {count}")),
        );
        let (ends, room) = (self.ends, self.ends_for_room);
        lines.push(format!(
            "  ended by themselves or refused to start: {ends}, for lack of disk space: {room}"
        ));
        let (aside, moved) = (self.quarantined, self.moved_away);
        lines.push(format!(
            "  stores put aside: {aside}, indexes moved away: {moved}"
        ));
        lines.push(format!("  flips that did no harm: {}", self.harmless));
        lines.push(history.counts(|counts| {
            format!(
                "  asked: {}, acknowledged: {}, unknown: {}\n  lookups: {}, complete: {}; blocks seen: {}",
                counts.asked,
                counts.acknowledged,
                counts.unknown,
                counts.lookups,
                counts.complete,
                counts.blocks
            )
        }));
        let duration = Duration::from_secs(self.begun.elapsed().as_secs());
        lines.push(format!("  it took {duration:?}"));
        lines.join("\n")
    }
}
