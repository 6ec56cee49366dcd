//! The deciding part of the driver: the inputs of a round, and the steps after it.

use std::collections::BTreeSet;

use kittengrad_aggregator_core::{
    Event, Fetch, Input, Now, Output, Plan,
    driver::{Driver, ROUND_MAX, Step, Steps},
};
use kittengrad_journal::{BlockStore, MemoryStore, Tip, Write};
use kittengrad_proto::{
    block::Head,
    id::{Id, PublicKey, RecordId},
};

use crate::{
    peers::{Peers, transact, transact_much},
    process::open_aggregator,
};

/// A driver with its disk.
struct Machine {
    store: MemoryStore,
    driver: Driver,
    now: Now,
}

impl Machine {
    fn start() -> Self {
        let now = Now {
            monotonic_ms: 0,
            wall_ms: 60_000,
        };
        let store = MemoryStore::default();
        Self {
            driver: Driver::new(open_aggregator(&store, now)),
            store,
            now,
        }
    }

    /// Runs a round without its commit.
    fn run(&mut self, inputs: impl IntoIterator<Item = Input>) -> Steps {
        let mut taking = self.driver.begin(self.now, &self.store).unwrap();
        for input in inputs {
            taking.take(input).unwrap();
        }
        taking.end().unwrap()
    }

    /// Runs a round and commits it. Returns its other steps.
    fn round(&mut self, inputs: impl IntoIterator<Item = Input>) -> Vec<Step> {
        let mut steps = self.run(inputs);
        match steps.next() {
            Some(Step::Commit(writes)) => self.store.commit(writes),
            other => panic!("the first step is {other:?}"),
        }
        self.driver.committed();
        steps.collect()
    }

    fn elements(&self) -> usize {
        self.store.elements().len()
    }
}

/// Three peers, and the plan of a driver that follows one of them.
fn planned() -> (Peers, Machine, PublicKey, usize) {
    let peers = Peers::new(3, 3);
    let mut machine = Machine::start();
    machine.round([Input::Plan(peers.plan())]);
    let source = peers.plan().sources[0].source;
    let number = peers.number(source);
    (peers, machine, source, number)
}

fn block(peers: &Peers, source: PublicKey, height: u64) -> Input {
    let peer = peers.by_key(source);
    Input::Block(source, Box::new(peer.frame(peer.block(height))))
}

#[test]
fn a_round_takes_256_inputs() {
    let mut machine = Machine::start();
    let mut taking = machine.driver.begin(machine.now, &machine.store).unwrap();
    for number in 0..256 {
        assert!(taking.has_room(), "input {number}");
        taking.take(Input::Tick).unwrap();
    }
    assert!(!taking.has_room());
    drop(taking.end().unwrap());
    assert!(!machine.driver.is_due(), "no block was full");
    assert_eq!(ROUND_MAX, 256);
}

#[test]
fn a_full_round_is_continued_by_the_next_one_without_inputs() {
    let (mut peers, mut machine, source, number) = planned();
    (0..8).for_each(|nonce| peers.apply(number, &transact_much(nonce)));
    peers.peers[number].cut();
    machine.round([block(&peers, source, 0)]);
    assert!(!machine.driver.is_due());

    let mut taking = machine.driver.begin(machine.now, &machine.store).unwrap();
    taking.take(block(&peers, source, 1)).unwrap();
    assert!(!taking.has_room(), "the block is full");
    let mut steps = taking.end().unwrap();
    if let Some(Step::Commit(writes)) = steps.next() {
        machine.store.commit(writes);
    }
    machine.driver.committed();
    let frees = |step: &Step| matches!(step, Step::Free(..));
    assert!(!steps.any(|step| frees(&step)), "some of the block waits");
    assert!(machine.driver.is_due());
    assert!((1..8).contains(&(machine.elements() / 21)));

    let steps = machine.round([]);
    assert!(steps.iter().any(frees));
    assert!(!machine.driver.is_due());
    assert_eq!(machine.elements(), 8 * 21);
}

/// Lets a minute pass in which all peers answer, and no source sends anything. Returns the sources that were planned.
fn wait_for_blocks(machine: &mut Machine, peers: &Peers) -> BTreeSet<PublicKey> {
    let mut planned = BTreeSet::new();
    for _ in 0..60 {
        machine.now.monotonic_ms += 1_000;
        machine.now.wall_ms += 1_000;
        let at = machine.now;
        let answers = peers.beats(at.wall_ms).into_iter().map(|(member, beat)| {
            let beat = Box::new(beat);
            Input::Asked { member, at, beat }
        });
        machine.round(answers.chain([Input::Tick]));
        let plan = machine.driver.plan().unwrap();
        planned.extend(plan.sources.iter().map(|of| of.source));
    }
    planned
}

#[test]
fn no_source_is_replaced_because_of_our_own_full_disk() {
    let peers = Peers::new(3, 3);
    let mut machine = Machine::start();
    machine.round([Input::Network(peers.network_that_tolerates(0))]);
    machine.round([Input::Short(true)]);
    assert_eq!(wait_for_blocks(&mut machine, &peers).len(), 1);
    machine.round([Input::Short(false)]);
    assert_eq!(wait_for_blocks(&mut machine, &peers).len(), 3);
}

#[test]
fn an_item_is_looked_at_again_right_after_a_commit() {
    let mut peers = Peers::new(3, 3);
    let mut machine = Machine::start();
    let plan = Plan::of(&peers.network_that_tolerates(1), |_| true);
    let [first, second] = [0, 1].map(|of| plan.sources[of].source);
    machine.round([Input::Plan(plan)]);
    for source in [first, second] {
        let number = peers.number(source);
        peers.apply(number, &transact(0, &[(1, &[1])]));
        peers.peers[number].cut();
    }
    let items = |height| {
        let frame = peers.by_key(second).frame_of_items(height);
        Input::Block(second, Box::new(frame))
    };
    machine.round([items(0), items(1), block(&peers, first, 0)]);
    assert!(!machine.driver.is_due(), "nothing came that it waits for");
    let steps = machine.round([block(&peers, first, 1)]);
    let frees = |step: &Step| matches!(step, Step::Free(of, 1) if *of == second);
    assert!(machine.driver.is_due() && !steps.iter().any(frees));
    let steps = machine.round([]);
    assert!(!machine.driver.is_due() && steps.iter().any(frees));
    assert_eq!(machine.driver.view(machine.now).sources[1].queued, 0);
}

#[test]
fn the_steps_of_a_round_begin_with_the_commit() {
    let (one, two) = (PublicKey::new([1; 32]), PublicKey::new([2; 32]));
    let tip = Tip {
        head: Head {
            incarnation: 1,
            height: 2,
            hash: Id::ZERO,
        },
        time_ms: 3,
        offset: 4,
    };
    let record = |number| RecordId::new([number; 32]);
    let fetch = |number| Fetch {
        canonical: record(0),
        record: record(number),
    };
    let write = |number| Write::Record(record(number), vec![number].into());
    let behind = |source| Event::Behind { source };
    let out = Output {
        writes: vec![write(1), write(2)],
        tip: Some(tip),
        statement: None,
        fetches: vec![fetch(1), fetch(2)],
        done: [(one, 3), (two, 5)].into(),
        events: vec![behind(two), behind(one)],
        is_full: false,
        is_awaited: false,
    };
    let mut steps = Steps::of(out);
    assert_eq!(steps.writes(), [write(1), write(2)]);
    let commit = steps.next();
    assert!(matches!(commit, Some(Step::Commit(writes)) if writes == [write(1), write(2)]));
    assert_eq!(steps.writes(), [], "they are committed");
    let rest: Vec<_> = steps.map(|step| format!("{step:?}")).collect();
    let expected = [
        Step::Publish(tip),
        Step::Fetch(fetch(1)),
        Step::Fetch(fetch(2)),
        Step::Free(one, 3),
        Step::Free(two, 5),
        Step::Tell(behind(two)),
        Step::Tell(behind(one)),
    ];
    assert_eq!(rest, expected.map(|step| format!("{step:?}")));

    let mut steps = Steps::of(Output::default());
    let commit = steps.next();
    assert!(matches!(commit, Some(Step::Commit(writes)) if writes.is_empty()));
    assert!(steps.next().is_none(), "nothing else to do");
}

#[test]
fn an_aggregator_without_a_plan_is_not_complete() {
    let mut machine = Machine::start();
    let no_plan = "no sources are planned yet";
    let no_block = "the journal has no block yet";
    let no_ring = "the cells of the ring are not known yet";
    let view = machine.driver.view(machine.now);
    assert_eq!(
        (view.reasons, view.tip),
        (vec![no_plan.into(), no_block.into(), no_ring.into()], None)
    );
    machine.round([]);
    let view = machine.driver.view(machine.now);
    assert_eq!(view.reasons, [no_plan, no_ring]);
    assert!(!view.is_complete && !view.is_fresh && !view.is_ready);
    assert!(view.tip.is_some() && view.sources.is_empty());
}

#[test]
fn a_status_shows_what_is_on_disk() {
    let (mut peers, mut machine, source, number) = planned();
    machine.round([block(&peers, source, 0)]);
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.peers[number].cut();
    let shown = |machine: &Machine| {
        let view = machine.driver.view(machine.now);
        (view.tip.map(|tip| tip.head), view.sources[0].position)
    };
    let before = shown(&machine);
    let mut taking = machine.driver.begin(machine.now, &machine.store).unwrap();
    taking.take(block(&peers, source, 1)).unwrap();
    let taken = taking.taken(&source).and_then(|taken| taken.head());
    assert_eq!(taken, Some(peers.peers[number].head()));
    let mut steps = taking.end().unwrap();
    assert_eq!(shown(&machine), before, "not committed");
    assert_eq!(machine.driver.taken(&source).unwrap().head(), taken);
    if let Some(Step::Commit(writes)) = steps.next() {
        machine.store.commit(writes);
    }
    let tip = machine.store.head().unwrap();
    assert!(matches!(steps.next(), Some(Step::Publish(of)) if Some(of.head) == tip));
    // The next round notes the commit, even if nobody told it.
    drop(machine.run([Input::Tick]));
    assert_eq!(shown(&machine), (tip, taken));
    assert_ne!(shown(&machine), before);
}
