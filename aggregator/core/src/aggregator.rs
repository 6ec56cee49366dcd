//! The aggregator: takes one input, fills one output.

use std::sync::Arc;

use kittengrad_journal::{Blame, Follower, Journal, Shown, Store, Tip, applied, keep_applied};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    evidence::Evidence,
    id::PublicKey,
    identity::Beat,
    namespace::Overlay,
    signed::{Signer, Verifier},
};
use kittengrad_ring::{KeyRange, KeyRanges};

use crate::{
    absent::{Absent, Found},
    attest::observed,
    begin::{begin, elements},
    complete::{Asked, Completeness},
    emit::{Emitter, Memory},
    io::{Event, Fatal, Heard, Input, Moment, Now, Output, SourceBlock, Timing},
    network::Network,
    plan::{Mode, Plan},
    signals::{Looked, Status, Uncovered},
    source::{Link, Source, Taken},
    sources::Sources,
    waiting::Step,
};

/// Time between two statements about the set, in milliseconds.
const STATEMENT_EVERY_MS: u64 = 500;

/// The settings of an aggregator, fixed while it runs.
pub struct Config {
    /// Network and namespace.
    pub overlay: Overlay,
    /// Signs the journal.
    pub signer: Arc<dyn Signer>,
    /// Checks the signatures of sources' blocks.
    pub verifier: Arc<dyn Verifier>,
    /// Times to wait.
    pub timing: Timing,
}

/// Merges the journals of its sources into its own.
pub struct Aggregator {
    verifier: Arc<dyn Verifier>,
    timing: Timing,
    journal: Journal,
    /// The keys against which there is evidence.
    blame: Blame,
    sources: Sources,
    plan: Option<Plan>,
    /// The parts of the circle for which the plan has no source.
    uncovered: Vec<Uncovered>,
    completeness: Completeness,
    /// Monotonic time in milliseconds at which the next statement about the set is due.
    statement_due_ms: u64,
    memory: Memory,
    /// Positions in the writes of the last output. At the next call they are on disk.
    committing: Vec<(PublicKey, Follower)>,
    /// The last block that is on disk.
    durable_tip: Option<Tip>,
    /// Elements that earlier incarnations added.
    elements_before: u64,
    plants: Plants,
}

impl Aggregator {
    /// Begins a new incarnation after the last block in `store`, numbered by the wall clock.
    ///
    /// An aggregator never continues an incarnation: a store that was restored from an old copy would sign other blocks
    /// for heights that were signed before.
    ///
    /// # Errors
    /// If the store does not answer or is damaged.
    pub fn open(config: Config, store: &dyn Store, now: Now) -> Result<Self, Fatal> {
        Self::planted(config, Plants::NONE, store, now)
    }

    /// Like [`Aggregator::open`], with planted bugs.
    ///
    /// # Errors
    /// If the store does not answer or is damaged.
    pub fn planted(
        config: Config,
        plants: Plants,
        store: &dyn Store,
        now: Now,
    ) -> Result<Self, Fatal> {
        let Config {
            overlay,
            signer,
            verifier,
            timing,
        } = config;
        let journal = begin(overlay, signer, plants, store, now)?.planted(plants);
        Ok(Self {
            blame: Blame::load(store)?,
            verifier,
            timing,
            durable_tip: journal.tip(),
            elements_before: elements(store)?,
            journal,
            sources: Sources::planted(plants),
            plan: None,
            uncovered: Vec::new(),
            completeness: Completeness::default(),
            statement_due_ms: 0,
            memory: Memory::new(Absent::open(store, now.monotonic_ms)?),
            committing: Vec::new(),
            plants,
        })
    }

    /// The planted bugs.
    pub(crate) const fn plants(&self) -> Plants {
        self.plants
    }

    /// Takes one input.
    ///
    /// # Errors
    /// If the store does not answer. The aggregator must not be used after that.
    pub fn handle(
        &mut self,
        now: Now,
        input: Input,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        self.committed();
        self.completeness.look_at_clock(now);
        match input {
            Input::Network(network) => self.network(&network, store)?,
            Input::Asked { member, at, beat } => self.asked(now, member, at, &beat, out),
            Input::Plan(plan) => self.plan(now, plan, store, out)?,
            Input::Block(source, block) => self.block(now, source, *block, out),
            Input::Alive(source, beat) => {
                self.alive(now, source, &beat, out);
            }
            Input::Down(source, why) => self.sources.down(source, why, out),
            Input::Lying(source, why) => self.sources.lying(source, why, out),
            Input::Retry(source) => {
                if let Some(source) = self.sources.get_mut(&source) {
                    source.link = Link::Silent;
                }
            }
            Input::Evidence { by, evidence } => self.convict(now, by, *evidence, out),
            Input::Records(records) => {
                for bytes in records {
                    match self.memory.absent.fetched(&bytes, store)? {
                        Found::Wanted(record) => self.journal.keep_record(record, &bytes),
                        Found::Unfit(record) => out.events.push(Event::Unfit { record }),
                        Found::Unwanted => {}
                    }
                }
            }
            // Only the planner needs it.
            Input::Short(_) => {}
            Input::Tick => {
                self.completeness.prove(self.sources.all(), self.plants);
                let (now_ms, fetches) = (now.monotonic_ms, &mut out.fetches);
                self.memory.absent.due(now_ms, store, fetches)?;
            }
            Input::Flush => {
                self.flush(now, out);
                return Ok(());
            }
        }
        self.drain(now, store, out)
    }

    /// The last block taken in from the journal of a source, after which to go on. `None` before the first.
    #[must_use]
    pub fn taken(&self, source: &PublicKey) -> Option<Follower> {
        self.sources.all().get(source)?.taken().cloned()
    }

    /// How the next subscription to a source reads its journal.
    #[must_use]
    pub fn mode(&self, source: &PublicKey) -> Mode {
        let source = self.sources.all().get(source);
        source.map(|source| source.mode).unwrap_or_default()
    }

    /// The status at `now`.
    #[must_use]
    pub fn view(&self, now: Now) -> Status {
        let plan = self.plan.as_ref();
        let looked = Looked {
            sources: &mut self.sources.all().values(),
            uncovered: &self.uncovered,
            ring: self
                .completeness
                .cells()
                .map(|cells| (cells.ring, cells.tolerate)),
            is_planned: plan.is_some(),
            cells: self.completeness.report(now, self.plants),
            elements_before: self.elements_before,
            tip: self.durable_tip,
            records_absent: self.memory.absent.count_on_disk(),
        };
        Status::of(looked, now, self.timing)
    }

    /// Notes that the writes of the last output are on disk. [`Aggregator::handle`] does so too; a driver that shows a
    /// [`Status`] before the next input calls this itself.
    pub fn committed(&mut self) {
        self.journal.committed();
        self.memory.absent.committed();
        self.durable_tip = self.journal.tip();
        for (source, follower) in self.committing.drain(..) {
            if let Some(source) = self.sources.get_mut(&source) {
                source.synced(follower);
            }
        }
    }

    /// Takes a heartbeat of a source, with its checkpoint.
    fn alive(&mut self, now: Now, source: PublicKey, beat: &Beat, out: &mut Output) {
        let heartbeat = &beat.heartbeat;
        let heard = Heard {
            head: heartbeat.head,
            at: Moment {
                signed_ms: heartbeat.time_ms,
                heard_ms: now.monotonic_ms,
            },
        };
        if let Some(source) = self.sources.up(source, out) {
            source.heard(heard);
            if let Some(checkpoint) = &heartbeat.checkpoint {
                source.vouched(heartbeat.head.incarnation, checkpoint, &beat.through);
            }
        }
    }

    /// Takes the answer of a member to a question that was sent at `at`.
    fn asked(&mut self, now: Now, member: PublicKey, at: Now, beat: &Beat, out: &mut Output) {
        let at = match self.plants.has(Plant::HeadBeforeQuestion) {
            true => now,
            false => at,
        };
        let is_source = self.sources.all().get(&member);
        let taken = is_source.and_then(Source::taken);
        if let Some(evidence) = taken.and_then(|taken| taken.accuse_of_heartbeat(&beat.heartbeat)) {
            self.convict(now, member, evidence, out);
        }
        let is_source = self.sources.all().get(&member);
        if is_source.is_some_and(|source| source.required.is_some() && source.link == Link::Up) {
            self.alive(now, member, beat, out);
        }
        self.completeness
            .asked(member, Asked::new(at, &beat.heartbeat));
    }

    /// Makes a statement about the set as of the last block, if one is due.
    fn attest(&mut self, now: Now) {
        if now.monotonic_ms < self.statement_due_ms {
            return;
        }
        let (sources, plants) = (self.sources.all(), self.plants);
        let observed = observed(&mut self.completeness, sources, now, plants);
        if observed.is_some_and(|observed| self.journal.attest(observed).is_some()) {
            self.statement_due_ms = now.monotonic_ms + STATEMENT_EVERY_MS;
        }
    }

    /// Takes the ring. The set has the journals of all members up to the positions on disk, whether or not they are read
    /// now.
    fn network(&mut self, network: &Network, store: &dyn Store) -> Result<(), Fatal> {
        self.completeness.ring(network.cells().clone());
        for member in network.members() {
            let head = applied(store, member)?.and_then(|applied| applied.follower.head());
            if let Some(head) = head {
                self.completeness.contains(member, head);
            }
        }
        Ok(())
    }

    fn plan(
        &mut self,
        now: Now,
        plan: Plan,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let before = std::mem::take(&mut self.uncovered);
        let since_ms = |arc: &KeyRange| {
            let same = before.iter().find(|was| was.arc == *arc);
            same.map_or(now.wall_ms, |was| was.since_ms)
        };
        let uncovered = plan.uncovered.iter().map(|arc| Uncovered {
            arc: *arc,
            since_ms: since_ms(arc),
        });
        self.uncovered = uncovered.collect();
        self.sources
            .plan(&plan, self.journal.overlay(), store, out)?;
        self.plan = Some(plan);
        Ok(())
    }

    /// Keeps evidence that `by` showed, if it convicts the accused. A reader that began in the middle of a journal lacks
    /// the last `hold`, and the position in the journal has it.
    fn convict(&mut self, now: Now, by: PublicKey, evidence: Evidence, out: &mut Output) {
        let accused = self.sources.all().get(&evidence.accused());
        let evidence = match accused.and_then(Source::taken) {
            Some(taken) => taken.complete(evidence),
            None => evidence,
        };
        let shown = Shown {
            evidence,
            by,
            at_ms: now.wall_ms,
        };
        if let Ok(Some((rule, write))) = self.blame.add(&shown, &*self.verifier) {
            self.journal.keep(write);
            let shown = Box::new(shown);
            out.events.push(Event::Convicted { shown, rule });
        }
    }

    fn block(&mut self, now: Now, key: PublicKey, block: SourceBlock, out: &mut Output) {
        let verifier = Arc::clone(&self.verifier);
        let mut events = Vec::new();
        let taken = match self.sources.up(key, out) {
            Some(source) => source.take(block, now, &*verifier, &mut events),
            None => Ok(Taken::Known),
        };
        out.events.append(&mut events);
        match taken {
            Ok(Taken::Next) => {}
            Ok(Taken::Known) => *out.done.entry(key).or_default() += 1,
            Ok(Taken::Behind) => {
                *out.done.entry(key).or_default() += 1;
                out.events.push(Event::Behind { source: key });
            }
            Err(error) => {
                *out.done.entry(key).or_default() += 1;
                self.sources.lying(key, error.to_string(), out);
                let source = self.sources.get_mut(&key);
                if let Some(evidence) = source.and_then(|source| source.evidence.take()) {
                    self.convict(now, key, evidence, out);
                }
            }
        }
    }

    /// Emits items, one of each source in turn, until all sources are empty or the block is full.
    fn drain(&mut self, now: Now, store: &dyn Store, out: &mut Output) -> Result<(), Fatal> {
        let mut idle = 0;
        while idle < self.sources.all().len() {
            let Some(key) = self.sources.next_turn() else {
                break;
            };
            idle = match self.step(key, now, store, out)? {
                Some(Step::Done) => 0,
                Some(Step::Full) => {
                    out.is_full = true;
                    return Ok(());
                }
                _ => idle + 1,
            };
            self.sources.had_turn(key);
        }
        Ok(())
    }

    /// Tries to emit the next item of a source. `None` if it has none.
    fn step(
        &mut self,
        key: PublicKey,
        now: Now,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<Option<Step>, Fatal> {
        let Some(source) = self.sources.get_mut(&key) else {
            return Ok(None);
        };
        while source.finish_block() {
            *out.done.entry(key).or_default() += 1;
        }
        let Some(waiting) = source.next() else {
            return Ok(None);
        };
        let mut emitter = Emitter {
            journal: &mut self.journal,
            memory: &mut self.memory,
            now,
            store,
            plants: self.plants,
        };
        let step = emitter.step(waiting, out)?;
        if step == Step::Done {
            source.pop();
        }
        while source.finish_block() {
            *out.done.entry(key).or_default() += 1;
        }
        match &step {
            Step::Overdue => self.sources.read_with_bodies(key, out),
            Step::Lie(error) => self.sources.lying(key, error.to_string(), out),
            Step::Done | Step::Full | Step::Waits => {}
        }
        Ok(Some(step))
    }

    /// Cuts a block of the added elements, and writes the new positions and settled arcs with it.
    fn flush(&mut self, now: Now, out: &mut Output) {
        let mut is_waiting = false;
        for source in self.sources.values_mut() {
            let key = source.key;
            is_waiting |= source.end_round();
            let (position, settled) = source.unkept();
            if let Some(settled) = settled {
                self.journal.keep(settled.keep(key));
            }
            if let Some(follower) = position {
                keep_applied(&follower, &KeyRanges::whole())
                    .into_iter()
                    .chain(source.unkept_hold())
                    .for_each(|write| self.journal.keep(write));
                self.committing.push((key, follower));
            }
        }
        let changes = self.memory.absent.cut();
        if !self.plants.has(Plant::AggregatorForgetsAbsent) {
            changes
                .into_iter()
                .for_each(|write| self.journal.keep(write));
        }
        let cut = self.journal.cut(now.wall_ms, &mut out.writes);
        out.is_awaited = is_waiting && cut.is_some();
        self.attest(now);
        out.tip = self.journal.tip();
        out.statement = self.journal.statement().cloned();
    }
}
