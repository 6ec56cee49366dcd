//! The time to which each cell of the ring is complete.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::Head,
    checkpoint::{Through, ThroughList},
    id::PublicKey,
};
use kittengrad_ring::KeyRange;

use super::{
    heads::{Asked, Heads},
    vouched::reaches,
};
use crate::{
    io::Now,
    network::{Cell, Cells},
    source::Source,
};

/// Change of the difference between the two clocks that counts as a step of the wall clock, in milliseconds.
const CLOCK_STEP_MS: u64 = 1_000;
/// Time for which a cell may wait for a replica before the status says so, in milliseconds.
const WAIT_MS: u64 = 2_500;

/// How our set contains the journal of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// We read it.
    Read,
    /// These sources vouch for it.
    Vouched(Vec<PublicKey>),
}

/// A replica that is established in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Established {
    /// The replica.
    pub peer: PublicKey,
    /// How our set contains its journal.
    pub how: How,
    /// The head that it was asked for.
    pub head: Head,
    /// The time of the question.
    pub(crate) at: Now,
}

/// The completeness of one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellReport {
    /// Its points.
    pub arc: KeyRange,
    /// Everything that was acknowledged before this Unix time in milliseconds is in the view. `None` if nothing is known.
    pub complete_to_ms: Option<u64>,
    /// The age of that time, in milliseconds.
    pub age_ms: Option<u64>,
    /// Replicas that must be established.
    pub needed: usize,
    /// The replicas that are established, each with its newest head.
    pub established: Vec<Established>,
    /// The replicas that the cell waits for, ascending: the last head of each that is in the view was asked for too long
    /// ago. Empty while enough others are established.
    pub waits_for: Vec<PublicKey>,
}

/// What is known about completeness. Nothing after a start, and after a step of the clock.
#[derive(Debug, Default)]
pub(crate) struct Completeness {
    cells: Option<Cells>,
    /// The numbers of the cells that each member holds.
    held: BTreeMap<PublicKey, Vec<usize>>,
    /// The heads of each replica that wait in each cell. A cell that never gets one must not hold up the others.
    heads: BTreeMap<(usize, PublicKey), Heads>,
    /// The newest head of each replica in each cell that our set contains.
    established: BTreeMap<(usize, PublicKey), Established>,
    /// The positions stated last. What the set contains stays in it, so none of them goes back when a source is left.
    stated: BTreeMap<PublicKey, Head>,
    /// Wall time minus monotonic time, in milliseconds, at the last input.
    offset_ms: Option<i128>,
}

impl Completeness {
    /// Takes the cells of a ring. What is known of other cells is forgotten.
    pub(crate) fn ring(&mut self, cells: Cells) {
        if self.cells.as_ref() == Some(&cells) {
            return;
        }
        self.held.clear();
        for (number, cell) in cells.cells.iter().enumerate() {
            for replica in &cell.replicas {
                self.held.entry(*replica).or_default().push(number);
            }
        }
        self.cells = Some(cells);
        self.heads.clear();
        self.established.clear();
    }

    /// Notes that our set on disk has the journal of a member up to a head.
    pub(crate) fn contains(&mut self, member: PublicKey, head: Head) {
        let stated = self.stated.entry(member).or_insert(head);
        if stated.place() < head.place() {
            *stated = head;
        }
    }

    /// The cells of the ring, once it is known.
    pub(crate) const fn cells(&self) -> Option<&Cells> {
        self.cells.as_ref()
    }

    /// Looks at the clocks. After a step of the wall clock nothing is known, because times of before mean nothing.
    pub(crate) fn look_at_clock(&mut self, now: Now) {
        let offset_ms = i128::from(now.wall_ms) - i128::from(now.monotonic_ms);
        let last = self.offset_ms.replace(offset_ms);
        let is_step = |last: i128| last.abs_diff(offset_ms) > u128::from(CLOCK_STEP_MS);
        if last.is_some_and(is_step) {
            self.heads.clear();
            self.established.clear();
        }
    }

    /// Takes a head that a member signed after it was asked.
    pub(crate) fn asked(&mut self, member: PublicKey, asked: Asked) {
        // A question of before a step of the clock has a time of before.
        let offset_ms = i128::from(asked.at.wall_ms) - i128::from(asked.at.monotonic_ms);
        let is_of_now = |last: i128| last.abs_diff(offset_ms) <= u128::from(CLOCK_STEP_MS);
        if !self.offset_ms.is_some_and(is_of_now) {
            return;
        }
        let asked = Arc::new(asked);
        for number in self.held.get(&member).into_iter().flatten() {
            let heads = self.heads.entry((*number, member)).or_default();
            heads.add(Arc::clone(&asked));
        }
    }

    /// Compares the heads with what our set on disk contains.
    pub(crate) fn prove(&mut self, sources: &BTreeMap<PublicKey, Source>, plants: Plants) {
        let Some(cells) = &self.cells else {
            return;
        };
        let vouchers = cells.tolerate + 1;
        for ((number, replica), heads) in &mut self.heads {
            let cell = &cells.cells[*number];
            let found = heads.newest_first().find_map(|asked| {
                let how = contained(*replica, asked, cell, vouchers, sources, plants)?;
                Some(Established {
                    peer: *replica,
                    how,
                    head: asked.head,
                    at: asked.at,
                })
            });
            if let Some(found) = found {
                // Older heads are of no use any more.
                heads.forget_up_to(found.at.monotonic_ms);
                let slot = self.established.entry((*number, *replica));
                let slot = slot.or_insert_with(|| found.clone());
                // The answer to an older question may come last.
                if slot.at.monotonic_ms < found.at.monotonic_ms {
                    *slot = found;
                }
            }
        }
    }

    /// The completeness of each cell at `now`.
    pub(crate) fn report(&self, now: Now, plants: Plants) -> Vec<CellReport> {
        let cells = self.cells.iter().flat_map(|cells| &cells.cells);
        cells
            .enumerate()
            .map(|(number, cell)| self.report_of(number, cell, now, plants))
            .collect()
    }

    fn report_of(&self, number: usize, cell: &Cell, now: Now, plants: Plants) -> CellReport {
        let replicas = cell.replicas.iter();
        let established = replicas.filter_map(|peer| self.established.get(&(number, *peer)));
        let mut established: Vec<_> = established.cloned().collect();
        established.sort_by_key(|of| std::cmp::Reverse(of.at.monotonic_ms));
        let needed = match plants.has(Plant::OneReplicaSuffices) {
            true => 1,
            false => cell.needed,
        };
        // With the newest heads first, the one that completes the number has the time of all.
        let last = needed.checked_sub(1).and_then(|last| established.get(last));
        let age_ms = |at: Now| now.monotonic_ms.saturating_sub(at.monotonic_ms);
        let is_young = |of: &&Established| age_ms(of.at) < WAIT_MS;
        let young: BTreeSet<_> = established
            .iter()
            .filter(is_young)
            .map(|of| of.peer)
            .collect();
        let mut waits_for = Vec::new();
        if young.len() < needed {
            let missing = cell.replicas.iter().filter(|peer| !young.contains(peer));
            waits_for.extend(missing.copied());
            waits_for.sort_unstable();
        }
        CellReport {
            arc: cell.arc,
            complete_to_ms: last.map(|of| of.at.wall_ms),
            age_ms: last.map(|of| age_ms(of.at)),
            needed: cell.needed,
            established,
            waits_for,
        }
    }

    /// The blocks of all journals up to which our set on disk contains everything.
    ///
    /// For a journal that we read, the position in it. For one that sources vouch for, the least of their words over the
    /// cells that its owner holds, because a source speaks only for the cells that it shares.
    pub(crate) fn through(
        &mut self,
        sources: &BTreeMap<PublicKey, Source>,
        plants: Plants,
    ) -> ThroughList {
        let Some(cells) = &self.cells else {
            return ThroughList::default();
        };
        let heads = self.held.keys().filter_map(|member| {
            let stated = self.stated.get(member).copied();
            let read = sources.get(member).and_then(Source::contained);
            let word = self.word(member, cells, sources, plants);
            let heads = stated.into_iter().chain(word).chain(read);
            Some((*member, heads.max_by_key(Head::place)?))
        });
        self.stated = heads.collect();
        let through = |(member, head): (&PublicKey, &Head)| {
            let head = *head;
            (*member, Through { head, arcs: None })
        };
        self.stated.iter().map(through).collect()
    }

    /// The least word of sources for a journal over the cells that its owner holds. `None` while they name blocks of
    /// different incarnations.
    ///
    /// In each cell it is the newest block that f+1 sources name, or the newest head that the owner signed and that f+1
    /// sources reach. That f+1 of them reach a block that only one names is not enough: a liar may name one that does
    /// not exist.
    fn word(
        &self,
        member: &PublicKey,
        cells: &Cells,
        sources: &BTreeMap<PublicKey, Source>,
        plants: Plants,
    ) -> Option<Head> {
        let held = self.held.get(member).into_iter().flatten();
        let words = held.map(|number| {
            let cell = &cells.cells[*number];
            let words = vouching(*member, cell, sources, plants);
            let words: Vec<_> = words.map(|(_, through)| through.head).collect();
            let times = |head: &Head| words.iter().filter(|word| *word == head).count();
            let named = words.iter().filter(|head| times(head) > cells.tolerate);
            let signed = self.established.get(&(*number, *member));
            let signed = signed.map(|established| &established.head);
            named.chain(signed).max_by_key(|head| head.place()).copied()
        });
        if plants.has(Plant::BestWordCounts) {
            return words.flatten().max_by_key(Head::place);
        }
        let words = words.collect::<Option<Vec<_>>>()?;
        let least = words.iter().copied().min_by_key(Head::place)?;
        // A disk that lost blocks continues from an earlier one. Sources that read the new incarnation never saw the
        // lost blocks, so they do not contain what a word of the old incarnation names.
        let is_of_least = |word: &Head| word.incarnation == least.incarnation;
        words.iter().all(is_of_least).then_some(least)
    }
}

/// The words of trusted sources for the journal of `member` in `cell`.
///
/// Only replicas of the cell have one. f is the number of faulty ones among these, so a liar elsewhere, which may say
/// that it holds the cell, would be one more.
fn vouching<'a>(
    member: PublicKey,
    cell: &'a Cell,
    sources: &'a BTreeMap<PublicKey, Source>,
    plants: Plants,
) -> impl Iterator<Item = (PublicKey, &'a Through)> {
    let replicas = cell.replicas.iter();
    let replicas = replicas.filter_map(|replica| sources.get(replica));
    let others = replicas.filter(move |source| source.key != member);
    let trusted = others.filter(|source| source.is_trusted());
    trusted.filter_map(move |source| {
        let vouched = source.vouches.contained()?;
        Some((source.key, vouched.in_cell(&member, cell.arc, plants)?))
    })
}

/// How our set on disk contains the journal of `replica` in `cell` up to a head, if it does.
fn contained(
    replica: PublicKey,
    asked: &Asked,
    cell: &Cell,
    needed: usize,
    sources: &BTreeMap<PublicKey, Source>,
    plants: Plants,
) -> Option<How> {
    if !asked.is_settled_in(cell.arc) && !plants.has(Plant::FillingVouches) {
        return None;
    }
    let own = sources.get(&replica).filter(|source| source.is_trusted());
    let read = own.and_then(Source::contained);
    if read.is_some_and(|read| reaches(read, asked.head, plants)) {
        return Some(How::Read);
    }
    let vouching = vouching(replica, cell, sources, plants);
    let vouching = vouching.filter(|(_, through)| reaches(through.head, asked.head, plants));
    let by: Vec<_> = vouching.map(|(source, _)| source).take(needed).collect();
    (by.len() >= needed).then_some(How::Vouched(by))
}
