//! Runs one seed from start to end: a world is drawn, troubled and healed, and must converge within the promised time.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use kittengrad_node_core::Timing;
use kittengrad_overlay::quorum::Ack;
use kittengrad_plants::Plants;

use crate::{
    asks::Purpose,
    client::Load,
    faults::{Kind, Trouble},
    host::Node,
    invariants::{
        Violation, differences, progress,
        quiet::{Moment, is_quiet},
    },
    keys::Scheme,
    peer::Weather,
    publisher::About,
    random::Random,
    world::{Shape, World},
};

/// The time within which replicas are equal again, in milliseconds.
const REPLICAS_MS: u64 = 30_000;
/// The time within which view and index are complete again, in milliseconds.
pub(crate) const VIEW_MS: u64 = 60_000;
/// The time within which new writes to every cell succeed again, in milliseconds.
const WRITES_MS: u64 = 10_000;
/// The shortest simulation of a world, in milliseconds.
const RUN_MS_MIN: u64 = 60_000;
/// The time in which nothing happens without writes, in milliseconds.
const QUIET_MS: u64 = 5_000;
/// The time between two checks whether the world converged, in milliseconds.
const LOOK_MS: u64 = 500;

/// The inputs of one run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed of all random numbers.
    pub seed: u64,
    /// The size and the settings of the world.
    pub shape: Shape,
    /// The faults, and for how long they strike.
    pub trouble: Trouble,
}

/// The result of one run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The broken promise, if any.
    pub violation: Option<Violation>,
    /// The reason if the run proves nothing.
    pub invalid: Option<String>,
    /// The simulated time, in virtual milliseconds.
    pub simulated_ms: u64,
    /// Finished transactions with `Ack::Quorum` or `Ack::All`.
    pub asked: usize,
    /// The acknowledged ones among `asked`.
    pub acked: usize,
    /// The number of strikes of each kind of fault.
    pub faults: BTreeMap<Kind, u64>,
    /// A digest of all events.
    pub digest: u64,
    /// The virtual milliseconds from calm until writes succeed, until replicas agree, and until view and index are
    /// complete.
    pub healed_ms: [u64; 3],
}

impl Plan {
    /// Draws the plan of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::branch(seed, 0x5eed);
        let shape = shape(&mut random);
        let ms = random.within(40..=50) * 1_000;
        let mut trouble = Trouble::draw(&mut random, ms);
        if shape.replicas < 3 {
            trouble.kinds.retain(|(kind, _)| *kind != Kind::Wipe);
        }
        let mut shape = shape;
        if shape.replicas >= 3 {
            shape.tolerate = usize::from(Random::branch(seed, 0xf).permille(300));
        }
        if shape.tolerate == 1 && Random::branch(seed, 0x11e).permille(500) {
            trouble.kinds.push((Kind::FalseWord, ms));
        }
        let mut plan = Self {
            seed,
            shape,
            trouble,
        };
        plan.fit();
        plan
    }

    /// Replaces the kinds of faults.
    pub fn only(&mut self, kinds: &[Kind]) {
        let kinds = kinds
            .iter()
            .map(|kind| (*kind, kind.pause_ms_min() * 3 / 2));
        self.trouble.kinds = kinds.collect();
        self.fit();
    }

    /// Adjusts the shape to the faults: disks remember if a fault needs old copies, clocks drift if drift is a fault, and
    /// the aggregator tolerates a liar if there is one.
    pub fn fit(&mut self) {
        let has = |kind| self.trouble.kinds.iter().any(|(of, _)| *of == kind);
        let remembers = [
            Kind::Restore,
            Kind::Lie,
            Kind::Rot,
            Kind::AggregatorRot,
            Kind::AggregatorRestore,
        ];
        self.shape.remembers = remembers.into_iter().any(has);
        self.shape.drift_ppm = if has(Kind::Drift) { 20_000 } else { 0 };
        if has(Kind::FalseWord) {
            self.shape.tolerate = 1;
        }
    }

    /// Switches planted bugs on.
    #[must_use]
    pub fn planted(mut self, plants: Plants) -> Self {
        self.shape.plants = plants;
        self
    }

    /// Describes the plan in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        let Shape {
            peers,
            replicas,
            tolerate,
            load,
            scheme,
            ..
        } = &self.shape;
        let kinds = self.trouble.kinds.iter();
        let kinds: Vec<_> = kinds.map(|(kind, ms)| format!("{kind}/{ms}ms")).collect();
        format!(
            "{peers} peers, R={replicas}, {tolerate} tolerated, {} clients every {} ms, {scheme:?} keys, {} s of {}",
            load.clients,
            load.pause_us / 1_000,
            self.trouble.ms / 1_000,
            kinds.join(" ")
        )
    }

    /// Runs the plan. A panic counts as a broken promise.
    #[must_use]
    pub fn run(&self) -> Report {
        let run = || self.run_world(false).0;
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let message = text.unwrap_or_default();
            Report {
                violation: Some(Violation::new("no-panic", "S8, S11", message)),
                ..Report::default()
            }
        })
    }

    /// Runs the plan and writes a trace.
    #[must_use]
    pub fn run_traced(&self) -> (Report, String) {
        let (report, world) = self.run_world(true);
        (report, world.trace.text().to_owned())
    }

    fn run_world(&self, is_traced: bool) -> (Report, World) {
        let mut world = World::new(self.seed, self.shape.clone());
        if is_traced {
            world.trace.write_down();
        }
        let mut report = Report::default();
        world.run(&self.trouble, &mut report);
        report.violation = world.violation.clone();
        report.simulated_ms = world.now_ms();
        (report.asked, report.acked) = (world.tally.asked, world.tally.acked);
        report.faults = world.fired_faults();
        report.digest = world.trace.digest();
        if report.violation.is_none() {
            report.invalid = world.why_invalid();
        }
        (report, world)
    }
}

fn shape(random: &mut Random) -> Shape {
    let (peers, replicas) = random.pick(&[
        (3, 3),
        (3, 3),
        (3, 3),
        (4, 3),
        (5, 3),
        (5, 3),
        (6, 3),
        (7, 3),
        (5, 5),
        (7, 5),
        (9, 3),
        (8, 7),
        (12, 3),
        (16, 5),
        (25, 3),
    ]);
    let mut shape = Shape::new(peers, replicas);
    shape.is_whole = true;
    shape.weather = weather(random, peers);
    shape.scheme = if random.permille(20) {
        Scheme::Real
    } else {
        Scheme::Fast
    };
    shape.timing = Timing {
        ack_ms: random.within(1_000..=5_000),
        suspicion_ms: random.within(500..=3_000),
        push_grace_ms: random.within(10..=500),
        fetch_ms: random.within(500..=5_000),
    };
    shape.window = random.within(1..=32) as usize;
    shape.attempt_us = random.within(2..=10) * 1_000_000;
    let clients = random.within(1..=4);
    shape.load = Load {
        clients: clients as usize,
        pause_us: clients * random.pick(&[30_000, 60_000, 100_000, 200_000]),
        names: random.within(2..=12) as usize,
        lookup_permille: random.within(100..=500),
        again_permille: random.within(0..=200),
    };
    shape
}

fn weather(random: &mut Random, peers: usize) -> Weather {
    let slowest_us = random.pick(&[500, 5_000, 50_000]);
    Weather {
        delay_us: 50..=slowest_us,
        commit_us: 100..=random.pick(&[1_000, 10_000, 50_000]),
        verify_us: 10..=random.pick(&[200, 2_000, 50_000]),
        is_unordered: random.permille(200),
        twice_permille: random.pick(&[0, 0, 0, 30]),
        is_encoded: random.permille(100),
        tick_us: if peers > 9 {
            1_000_000
        } else {
            random.pick(&[200_000, 500_000, 1_000_000])
        },
    }
}

impl World {
    /// Runs from the first start to the last check.
    fn run(&mut self, trouble: &Trouble, report: &mut Report) {
        self.start_everything();
        if !self.becomes("replicas agree", REPLICAS_MS, Self::replicas_differ) {
            return;
        }
        for owner in self.members() {
            let names = (0..self.shape.load.names).map(|_| self.name_in(owner));
            let names = names.collect();
            self.names_of.push(names);
        }
        self.is_speaking = true;
        for client in 0..self.clients.len() {
            self.start_client(client);
        }
        self.begin_trouble(trouble.clone());
        self.pass(trouble.ms);
        self.prolong();
        self.is_speaking = false;
        self.calm();
        self.converges(report);
        if self.violation.is_none() {
            let left_ms = RUN_MS_MIN.saturating_sub(self.now_ms());
            self.pass(left_ms);
            // Clients may still be asking, so newly acknowledged elements may not have reached all replicas.
            if self.becomes("replicas agree", REPLICAS_MS, Self::replicas_differ)
                && self.becomes("view and index are complete", VIEW_MS, Self::readers_lack)
            {
                let checked = self.check_all();
                self.judge(checked);
                self.stays_quiet();
            }
        }
    }

    /// Checks that nothing happens without writes.
    fn stays_quiet(&mut self) {
        if !self.becomes("clients have their answers", QUIET_MS, Self::clients_wait) {
            return;
        }
        let mut moments = [(); 3].map(|()| Moment::default());
        self.pass(QUIET_MS);
        for moment in &mut moments {
            self.pass(QUIET_MS);
            *moment = self.moment();
        }
        if self.violation.is_none() {
            self.judge(is_quiet(&moments));
        }
    }

    fn clients_wait(&self) -> Option<String> {
        let waiting = self.asks.asks.values();
        let waiting = waiting
            .filter(|ask| matches!(ask.node, Node::Client(_)))
            .count();
        (waiting > 0).then(|| format!("{waiting} requests of clients wait"))
    }

    /// The heads of all journals, and the messages so far.
    fn moment(&self) -> Moment {
        let owners = self.members().into_iter().map(Node::Peer);
        let owners = owners.chain(self.aggregator.is_some().then_some(Node::Aggregator));
        let heads = owners.filter_map(|owner| Some((self.key_of(owner), self.tip(owner)?.head)));
        Moment {
            heads: heads.collect(),
            messages: self.messages,
        }
    }

    /// Returns why a run without a broken promise proves nothing.
    fn why_invalid(&self) -> Option<String> {
        let idle = self.idle_faults();
        if !idle.is_empty() {
            return Some(format!("never struck: {idle:?}"));
        }
        let (acked, asked) = (self.tally.acked, self.tally.asked);
        if acked * 2 < asked {
            return Some(format!("only {acked} of {asked} were acknowledged"));
        }
        (self.tally.overlapped == 0).then(|| "nothing happened during a fault".to_owned())
    }

    fn start_everything(&mut self) {
        self.start_all();
        self.start_aggregator();
        self.start_indexer();
    }

    /// Checks that writes succeed, replicas agree, and view and index are complete, each within its time.
    fn converges(&mut self, report: &mut Report) {
        let from_ms = self.now_ms();
        self.probe();
        if !self.becomes("a write to every cell", WRITES_MS, Self::writes_wait) {
            return;
        }
        report.healed_ms[0] = self.now_ms() - from_ms;
        let left_ms = (from_ms + REPLICAS_MS).saturating_sub(self.now_ms());
        if !self.becomes("replicas agree", left_ms, Self::replicas_differ) {
            return;
        }
        report.healed_ms[1] = self.now_ms() - from_ms;
        let left_ms = (from_ms + VIEW_MS).saturating_sub(self.now_ms());
        if !self.becomes("view and index are complete", left_ms, Self::readers_lack) {
            return;
        }
        report.healed_ms[2] = self.now_ms() - from_ms;
    }

    /// Runs until `why_not` returns `None`. Reports a violation if that takes longer than `within_ms`.
    pub(crate) fn becomes(
        &mut self,
        goal: &str,
        within_ms: u64,
        why_not: impl Fn(&Self) -> Option<String>,
    ) -> bool {
        let end_ms = self.now_ms() + within_ms;
        while let Some(why) = why_not(self) {
            if self.violation.is_none() && self.now_ms() >= end_ms {
                self.breaks_promise(progress::late(goal, within_ms, &why));
            }
            if self.violation.is_some() {
                return false;
            }
            self.pass(LOOK_MS);
        }
        self.violation.is_none()
    }

    /// Lets a client write something new to every cell.
    fn probe(&mut self) {
        for owner in self.members() {
            let name = self.name_in(owner);
            let about = About {
                updates: vec![format!("{name} is new")],
                name,
                inserts: true,
            };
            let client = owner % self.clients.len();
            let publication = self.clients[client].publisher.say(vec![about]);
            self.invariants.says(&publication);
            self.probes.insert(publication.id());
            let ack = Ack::Quorum;
            self.ask(Node::Client(client), Purpose::Put { publication, ack });
        }
    }

    /// Removes an acknowledged write from the probes.
    pub(crate) fn probed(&mut self, id: kittengrad_proto::id::Id) {
        self.probes.remove(&id);
    }

    fn writes_wait(&self) -> Option<String> {
        let count = self.probes.len();
        (count > 0).then(|| format!("{count} writes wait; {:?}", differences(&self.machines)))
    }

    fn replicas_differ(&self) -> Option<String> {
        let found = differences(&self.machines);
        (!found.is_empty()).then(|| format!("{found:#?}"))
    }

    pub(crate) fn readers_lack(&self) -> Option<String> {
        self.view_lacks().or_else(|| self.index_lacks())
    }
}
