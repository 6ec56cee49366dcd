//! Exactly once: each element of all journals is emitted once, for any interleaving of sources, crashes and losses.

use std::collections::BTreeSet;

use kittengrad_aggregator_core::Mode;
use kittengrad_journal::RecordStore;
use kittengrad_proto::{block::Head, id::RecordId, transaction::Element};
use proptest::{collection::vec, prelude::*};

use crate::{
    peers::{Peers, transact},
    process::Process,
};

/// One event. Numbers count modulo the number of peers or sources.
#[derive(Debug, Clone)]
enum Happening {
    /// A peer journals a transaction that it has not seen, after skipping `skip` of them.
    Journal { peer: usize, skip: usize },
    /// A peer signs a block.
    Cut { peer: usize },
    /// The aggregator reads the next block of a source.
    Deliver { source: usize },
    /// The aggregator reads the next block of a source, without the records.
    DeliverBare { source: usize },
    /// The aggregator reads the next block of a source without bodies if it wants them, and else with them: the block
    /// was under way when it changed its mind.
    DeliverOther { source: usize },
    /// The holders answer all fetches.
    Answer,
    /// Answers are lost.
    LoseAnswers,
    /// Time passes.
    Pass { ms: u64 },
    /// The aggregator commits.
    Flush,
    /// The aggregator's process ends.
    Crash,
    /// The aggregator's process ends between cutting a block and committing it.
    CrashInFlush,
    /// A peer loses its disk.
    Wipe { peer: usize },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (any::<usize>(), 0..3_usize).prop_map(|(peer, skip)| Happening::Journal { peer, skip }),
        3 => any::<usize>().prop_map(|peer| Happening::Cut { peer }),
        6 => any::<usize>().prop_map(|source| Happening::Deliver { source }),
        2 => any::<usize>().prop_map(|source| Happening::DeliverBare { source }),
        1 => any::<usize>().prop_map(|source| Happening::DeliverOther { source }),
        2 => Just(Happening::Answer),
        1 => Just(Happening::LoseAnswers),
        1 => (1..4_000_u64).prop_map(|ms| Happening::Pass { ms }),
        3 => Just(Happening::Flush),
        1 => Just(Happening::Crash),
        1 => Just(Happening::CrashInFlush),
        1 => any::<usize>().prop_map(|peer| Happening::Wipe { peer }),
    ]
}

/// Transactions: the canonicals of each with updates, by number. The numbers are few, so that transactions repeat each
/// other.
type Transactions = Vec<Vec<(u8, Vec<u8>)>>;

fn transactions() -> impl Strategy<Value = Transactions> {
    vec(vec((0..12_u8, vec(0..4_u8, 0..4)), 1..5), 1..16)
}

/// Peers that journal the transactions in any order.
struct Scene {
    peers: Peers,
    submissions: Vec<kittengrad_proto::submission::Submission>,
    /// For each peer, the transactions that it has not journalled, in their order.
    unheard: Vec<Vec<usize>>,
    incarnation: u64,
}

impl Scene {
    fn new(count: u8, replicas: u8, transactions: &Transactions) -> Self {
        let peers = Peers::new(count, replicas);
        let sign = |(nonce, entries): (usize, &Vec<(u8, Vec<u8>)>)| {
            let entries: Vec<_> = entries
                .iter()
                .map(|(canonical, updates)| (*canonical, &updates[..]))
                .collect();
            transact(nonce as u8, &entries)
        };
        let submissions: Vec<_> = transactions.iter().enumerate().map(sign).collect();
        let unheard = vec![(0..submissions.len()).collect(); peers.peers.len()];
        Self {
            peers,
            submissions,
            unheard,
            incarnation: 10,
        }
    }

    fn journal(&mut self, peer: usize, skip: usize) {
        let peer = peer % self.unheard.len();
        if self.unheard[peer].is_empty() {
            return;
        }
        let at = skip % self.unheard[peer].len();
        let number = self.unheard[peer].remove(at);
        self.peers.apply(peer, &self.submissions[number]);
    }

    fn wipe(&mut self, peer: usize) {
        let peer = peer % self.unheard.len();
        self.incarnation += 1;
        self.peers.wipe(peer, self.incarnation);
        self.unheard[peer] = (0..self.submissions.len()).rev().collect();
    }

    /// Every peer journals all transactions, and signs a block.
    fn settle(&mut self) {
        for peer in 0..self.unheard.len() {
            while !self.unheard[peer].is_empty() {
                self.journal(peer, 0);
            }
            self.peers.peers[peer].cut();
        }
    }

    fn happen(&mut self, process: &mut Process, happening: &Happening) {
        let sources = process.sources();
        match *happening {
            Happening::Journal { peer, skip } => self.journal(peer, skip),
            Happening::Cut { peer } => {
                let peer = peer % self.peers.peers.len();
                self.peers.peers[peer].cut();
            }
            Happening::Deliver { source } => {
                process.deliver(sources[source % sources.len()], &self.peers);
            }
            Happening::DeliverBare { source } => {
                process.deliver_bare(sources[source % sources.len()], &self.peers);
            }
            Happening::DeliverOther { source } => {
                let source = sources[source % sources.len()];
                let other = match process.mode(source) {
                    Mode::Read => Mode::Items,
                    Mode::Items => Mode::Read,
                };
                process.deliver_as(other, source, &self.peers);
            }
            Happening::Answer => process.answer(&self.peers),
            Happening::LoseAnswers => process.fetches.clear(),
            Happening::Pass { ms } => process.pass(ms),
            Happening::Flush => {
                process.flush();
                check_flushed(process);
            }
            Happening::Crash => {
                process.crash();
                check_flushed(process);
            }
            Happening::CrashInFlush => process.flush_and_crash(),
            Happening::Wipe { peer } => self.wipe(peer),
        }
    }
}

fn check_exactly_once(process: &Process, peers: &Peers) {
    let emitted = process.emitted();
    let mut elements: Vec<Element> = emitted.iter().map(|(_, element)| *element).collect();
    elements.sort();
    assert_eq!(
        elements,
        peers.union(),
        "the elements of all journals, each exactly once"
    );
    let set: Vec<_> = process.store.elements().into_iter().collect();
    assert_eq!(elements, set, "the set is the fold of the journal");
}

/// The position of each source on disk.
fn positions(process: &Process) -> Vec<Option<Head>> {
    process
        .view()
        .sources
        .iter()
        .map(|source| source.position)
        .collect()
}

/// The records that the set names and the store lacks.
fn lacking(process: &Process) -> BTreeSet<RecordId> {
    let elements = process.store.elements().into_iter();
    let names = elements.flat_map(|element| element.update.into_iter().chain([element.canonical]));
    let names: Vec<_> = names.collect::<BTreeSet<_>>().into_iter().collect();
    let found = names.iter().zip(process.store.records(&names).unwrap());
    let lacking = found.filter(|(_, record)| record.is_none());
    lacking.map(|(name, _)| *name).collect()
}

/// Checks the rule of emission, and the number of absent records.
fn check_flushed(process: &Process) {
    process.check_set();
    assert_eq!(process.view().records_absent, lacking(process).len());
}

/// The holders answer until no record is absent.
fn find_all(process: &mut Process, peers: &Peers) {
    for _ in 0..20 {
        process.answer(peers);
        process.flush();
        process.pass(600_000);
    }
    assert_eq!(
        (process.view().records_absent, lacking(process).len()),
        (0, 0)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Keeps S5.
    #[test]
    fn whatever_happens_every_element_is_emitted_exactly_once(
        count in 1..8_u8,
        replicas in prop_oneof![Just(1_u8), Just(3)],
        faulty in 0..2_usize,
        transactions in transactions(),
        happenings in vec(happening(), 0..120),
    ) {
        let mut scene = Scene::new(count, replicas, &transactions);
        let mut process = Process::start_with(&scene.peers, faulty);
        let mut before = positions(&process);
        for happening in &happenings {
            scene.happen(&mut process, happening);
            let after = positions(&process);
            prop_assert!(before.iter().zip(&after).all(|(before, after)| before <= after));
            before = after;
            prop_assert!(!process.view().is_complete, "no source sent a heartbeat");
        }
        scene.settle();
        process.read_all(&scene.peers);
        check_exactly_once(&process, &scene.peers);
        check_flushed(&process);
        find_all(&mut process, &scene.peers);
        process.hear_all(&scene.peers);
        let has_enough = faulty == 0 || replicas == 3 && count > 1;
        let view = process.view();
        prop_assert_eq!(view.is_complete, has_enough, "{:?}", view.reasons);
    }

    /// Keeps S5.
    #[test]
    fn the_order_of_a_source_is_kept(
        transactions in transactions(),
        deliveries in vec(any::<bool>(), 0..40),
    ) {
        let mut scene = Scene::new(3, 3, &transactions);
        let mut process = Process::start(&scene.peers);
        let source = process.sources()[0];
        for is_delivery in deliveries {
            if is_delivery {
                process.deliver(source, &scene.peers);
            } else {
                scene.journal(0, 1);
                scene.journal(1, 0);
                scene.journal(2, 2);
                scene.peers.peers.iter_mut().for_each(|peer| peer.cut());
            }
        }
        scene.settle();
        process.read_all(&scene.peers);
        // With three peers and three replicas one source has everything, so the order is that of its journal.
        let of_source = scene.peers.emitted_by(source);
        let emitted: Vec<_> = process.emitted().into_iter().map(|(_, element)| element).collect();
        prop_assert_eq!(emitted, of_source);
    }
}
