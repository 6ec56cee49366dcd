//! Sources that are read as headers and items only, because others bring the elements.

use kittengrad_aggregator_core::{Event, Input, Mode, Plan, SourceState};
use kittengrad_proto::{
    block::{Bitmap, Cells, Holds, Item},
    id::{PublicKey, RecordId},
};
use kittengrad_ring::{KeyRange, Point};

use crate::{
    peers::{Peers, canonical, transact},
    process::Process,
};

/// Three peers that hold everything, and an aggregator that tolerates a faulty one.
struct Scene {
    peers: Peers,
    process: Process,
    /// The source whose bodies are read.
    first: PublicKey,
    /// The source whose items are read.
    second: PublicKey,
}

impl Scene {
    fn new() -> Self {
        let peers = Peers::new(3, 3);
        let mut process = Process::start_with(&peers, 1);
        process.read_all(&peers);
        let sources = process.view().sources.into_iter();
        let modes: Vec<_> = sources.map(|of| (of.source, of.mode)).collect();
        assert_eq!(modes.len(), 2);
        let source = |mode| modes.iter().find(|(_, of)| *of == mode).unwrap().0;
        Self {
            first: source(Mode::Read),
            second: source(Mode::Items),
            peers,
            process,
        }
    }

    /// A source signs a block of this transaction: canonicals, each with some updates, by their numbers.
    fn sign(&mut self, source: PublicKey, nonce: u8, entries: &[(u8, &[u8])]) {
        let number = self.peers.number(source);
        self.peers.apply(number, &transact(nonce, entries));
        self.peers.peers[number].cut();
    }

    /// The aggregator reads a source to its head, and commits.
    fn read(&mut self, source: PublicKey) {
        while self.process.deliver(source, &self.peers) {}
        self.process.flush();
    }

    /// Time passes, and the aggregator commits.
    fn pass(&mut self, ms: u64) {
        self.process.pass(ms);
        self.process.flush();
    }

    /// The number of elements in the view, and whether each source is read to its head.
    fn found(&self) -> (usize, [bool; 2]) {
        let sources = self.process.view().sources;
        let is_level = |key| {
            let mut of = sources.iter().filter(|source| source.source == key);
            of.next().unwrap().state == SourceState::Level
        };
        let level = [self.first, self.second].map(is_level);
        (self.process.emitted().len(), level)
    }

    /// The new modes that were reported of the second source.
    fn switches(&mut self) -> Vec<Mode> {
        let events = std::mem::take(&mut self.process.events).into_iter();
        let mode = |event| match event {
            Event::Mode { source, mode } => {
                assert_eq!(source, self.second);
                Some(mode)
            }
            _ => None,
        };
        events.filter_map(mode).collect()
    }

    /// The second source signs an update that the first one does not list, and it is read with bodies.
    fn with_a_silent_first() -> Self {
        let mut scene = Self::new();
        scene.sign(scene.second, 1, &[(1, &[1])]);
        scene.read(scene.second);
        scene.pass(0);
        scene.pass(2_000);
        scene
    }
}

/// Keeps S5.
#[test]
fn a_source_read_as_items_emits_nothing_itself() {
    let mut scene = Scene::new();
    for (nonce, source) in [(1, scene.second), (1, scene.first)] {
        scene.sign(source, nonce, &[(1, &[1, 2])]);
    }
    scene.read(scene.second);
    scene.pass(1_000);
    assert_eq!(scene.found(), (0, [true, false]));
    scene.read(scene.first);
    assert_eq!(scene.found(), (2, [true, false]), "the look is due");
    scene.pass(1);
    assert_eq!(scene.found(), (2, [true, true]));
    scene.process.check_set();
    scene.process.crash();
    assert_eq!(scene.process.mode(scene.second), Mode::Items);
    scene.sign(scene.first, 2, &[(1, &[3])]);
    scene.sign(scene.second, 2, &[(1, &[3])]);
    scene.read(scene.first);
    scene.read(scene.second);
    assert_eq!(scene.found(), (3, [true, true]));
    assert_eq!(scene.switches(), []);
}

/// Keeps S5.
#[test]
fn an_element_that_nobody_else_lists_is_read_after_two_seconds() {
    let mut scene = Scene::new();
    scene.sign(scene.second, 1, &[(1, &[1])]);
    scene.read(scene.second);
    scene.pass(1_999);
    assert_eq!(scene.switches(), []);
    assert_eq!(scene.process.mode(scene.second), Mode::Items);
    scene.process.now.monotonic_ms += 1;
    let out = scene.process.handled(Input::Tick);
    assert_eq!(out.done.get(&scene.second), Some(&1), "its memory is free");
    assert_eq!(scene.switches(), [Mode::Read]);
    assert_eq!(scene.found(), (0, [true, false]));
    scene.read(scene.second);
    assert_eq!(scene.found(), (1, [true, true]));
    scene.process.check_set();
}

#[test]
fn a_source_is_read_with_bodies_until_the_next_plan() {
    let mut scene = Scene::with_a_silent_first();
    assert_eq!(scene.switches(), [Mode::Read]);
    scene.sign(scene.second, 2, &[(2, &[1])]);
    scene.read(scene.second);
    scene.pass(60_000);
    assert_eq!(scene.found(), (2, [true, true]));
    let modes = |scene: &Scene| {
        let sources = scene.process.view().sources;
        let mut modes: Vec<_> = sources.iter().map(|of| of.mode.as_str()).collect();
        modes.sort_unstable();
        modes
    };
    assert_eq!((scene.switches(), modes(&scene)), (vec![], vec!["read"; 2]));
    let plan = Plan::of(&scene.peers.network_that_tolerates(1), |_| true);
    scene.process.follow(plan);
    assert_eq!(scene.switches(), [Mode::Items]);
    assert_eq!(modes(&scene), ["items", "read"]);
}

#[test]
fn an_element_of_another_transaction_is_read_after_two_seconds() {
    let mut scene = Scene::new();
    // Both name one update. The first source got one of the transactions first, and the second the other.
    scene.sign(scene.first, 1, &[(1, &[1])]);
    scene.sign(scene.second, 2, &[(1, &[1])]);
    scene.read(scene.first);
    scene.read(scene.second);
    assert_eq!(scene.found(), (1, [true, false]), "the transaction is new");
    scene.pass(2_000);
    scene.read(scene.second);
    assert_eq!(scene.found(), (1, [true, true]));
}

#[test]
fn a_source_that_waits_holds_up_nobody() {
    let mut scene = Scene::new();
    scene.sign(scene.second, 1, &[(1, &[1])]);
    scene.read(scene.second);
    for nonce in 2..10 {
        scene.sign(scene.first, nonce, &[(nonce, &[1])]);
        scene.read(scene.first);
        let (elements, level) = scene.found();
        assert_eq!((elements, level), (usize::from(nonce) - 1, [true, false]));
    }
    // What follows the waiting item waits too.
    scene.sign(scene.second, 2, &[(2, &[1])]);
    scene.read(scene.second);
    scene.pass(1_000);
    let queued = scene.process.view().sources.into_iter();
    let queued: usize = queued.map(|source| source.queued).sum();
    assert_eq!(queued, 2);
}

#[test]
fn an_item_waits_for_each_of_its_elements() {
    let peers = Peers::new(5, 3);
    let mut process = Process::start_with(&peers, 1);
    process.read_all(&peers);
    let planned = process.view().sources;
    let holders = |of: u8| peers.holders(RecordId::of(&canonical(of)));
    let works = 0..=255_u8;
    // Two canonicals of the second source, each with another source that is read with bodies.
    let number = |mode| {
        let of_mode = planned.iter().filter(move |of| of.mode == mode);
        of_mode.map(|of| peers.number(of.source))
    };
    let found = number(Mode::Items).find_map(|second| {
        let of = |first| {
            let mut works = works.clone().filter(|of| holders(*of).contains(&second));
            works.find(|of| {
                number(Mode::Read)
                    .filter(|n| holders(*of).contains(n))
                    .eq([first])
            })
        };
        let mut firsts = number(Mode::Read).filter_map(|first| Some((first, of(first)?)));
        Some((second, firsts.next()?, firsts.next()?))
    });
    let (second, (one, here), (other, there)) = found.unwrap();
    let mut scene = Scene {
        first: peers.peers[one].key(),
        second: peers.peers[second].key(),
        peers,
        process,
    };
    let other = scene.peers.peers[other].key();
    for source in [scene.first, scene.second, other] {
        scene.sign(source, 1, &[(here, &[1]), (there, &[1])]);
    }
    scene.read(scene.first);
    scene.read(scene.second);
    assert_eq!(scene.found(), (1, [true, false]), "the transaction is here");
    scene.read(other);
    scene.pass(1);
    assert_eq!(scene.found(), (2, [true, true]));
    assert_eq!(scene.switches(), []);
}

#[test]
fn an_item_that_does_not_fit_is_a_lie_once_its_body_is_here() {
    let point = RecordId::of(&canonical(1)).point();
    let before = Point::new(point.as_bytes().map(|byte| byte / 2));
    let halves = [(before, point), (point, before)].map(|(a, b)| KeyRange::new(a, b));
    for (case, bits, cells) in [
        ("bits", vec![true; 9], vec![true, false]),
        ("cells", vec![true], vec![false, true]),
    ] {
        let mut scene = Scene::new();
        let number = scene.peers.number(scene.second);
        let peer = &mut scene.peers.peers[number];
        let held = Holds::new(halves.to_vec()).unwrap();
        peer.journal.hold(&held, 1, &mut Vec::new());
        peer.journal.note(&Item::Transaction {
            id: transact(1, &[(1, &[1])]).transaction.id(),
            bitmap: Bitmap::new(bits),
            cells: Cells::new(cells),
        });
        peer.cut();
        let frame = peer.frame_of_items(peer.head().height);
        scene
            .process
            .handle(Input::Block(scene.second, Box::new(frame)));
        scene.process.flush();
        let lied = |scene: &Scene| {
            let events = scene.process.events.iter();
            let of_lie = |event: &&Event| matches!(event, Event::Lied { .. });
            events.filter(of_lie).count()
        };
        assert_eq!(lied(&scene), 0, "{case}");
        scene.sign(scene.first, 1, &[(1, &[1])]);
        scene.read(scene.first);
        scene.pass(1);
        assert_eq!(lied(&scene), 1, "{case}");
        assert_eq!(scene.found(), (1, [true, false]), "{case}");
    }
}

#[test]
fn blocks_under_way_count_as_what_they_are() {
    // With bodies, although items suffice.
    let mut scene = Scene::new();
    scene.sign(scene.second, 1, &[(1, &[1])]);
    let second = scene.second;
    scene.process.deliver_as(Mode::Read, second, &scene.peers);
    scene.process.flush();
    assert_eq!(scene.found(), (1, [true, true]));
    // Without bodies, although they are needed.
    let mut scene = Scene::with_a_silent_first();
    assert_eq!(scene.switches(), [Mode::Read]);
    let second = scene.second;
    scene.process.deliver_as(Mode::Items, second, &scene.peers);
    scene.process.flush();
    scene.pass(2_000);
    assert_eq!(scene.switches(), [Mode::Read], "once more");
    scene.read(scene.second);
    assert_eq!(scene.found(), (1, [true, true]));
}

#[test]
fn a_plan_that_reads_a_source_reads_its_waiting_items_again() {
    let mut scene = Scene::new();
    scene.sign(scene.second, 1, &[(1, &[1])]);
    scene.read(scene.second);
    let mut plan = Plan::of(&scene.peers.network_that_tolerates(1), |_| true);
    plan.sources.iter_mut().for_each(|of| of.mode = Mode::Read);
    let out = scene.process.handled(Input::Plan(plan));
    assert_eq!(out.done.get(&scene.second), Some(&1));
    assert_eq!(scene.switches(), [Mode::Read]);
    scene.read(scene.second);
    assert_eq!(scene.found(), (1, [true, true]));
}
