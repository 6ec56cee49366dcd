//! The tree over all blocks of a journal, along its forks, and the checkpoints that name its root.

use std::sync::Arc;

use kittengrad_journal::{BlockTree, Fork, Journal, MemoryStore, Observed, prove_block};
use kittengrad_proto::{
    block::{Head, Holds, Item},
    checkpoint::{Holdings, Statement, ThroughList},
    id::Id,
    merkle::{Tree, is_included, leaf},
};
use kittengrad_ring::KeyRanges;
use kittengrad_support::journals::{FakeKey, overlay};

/// Blocks of the longest journal: more than two powers of two.
const BLOCKS: usize = 70;

struct Owner {
    store: MemoryStore,
    journal: Journal,
    /// The hashes of all blocks, along the forks.
    hashes: Vec<Id>,
}

impl Owner {
    fn new() -> Self {
        Self {
            store: MemoryStore::default(),
            journal: open(1, None),
            hashes: Vec::new(),
        }
    }

    /// Cuts a block and commits it.
    fn cut(&mut self, wall_ms: u64) -> Head {
        self.journal.note(&Item::Settled(KeyRanges::whole()));
        let mut writes = Vec::new();
        let cut = self.journal.cut(wall_ms, &mut writes).unwrap();
        self.store.commit(writes);
        self.journal.committed();
        self.hashes.push(cut.block.header.hash());
        cut.block.head()
    }

    /// Begins a new incarnation that forks from a block; the later ones are lost.
    fn fork(&mut self, incarnation: u64, from: Head, blocks: usize) {
        let fork = Fork::from(from, &self.store).unwrap();
        self.journal = open(incarnation, Some(fork));
        self.hashes.truncate(blocks);
    }

    fn attest(&mut self) -> Arc<Statement> {
        let observed = Observed {
            ring: Id::ZERO,
            holds: Holdings::new(&KeyRanges::whole(), &KeyRanges::whole()),
            through: ThroughList::default(),
        };
        Arc::clone(self.journal.attest(observed).unwrap())
    }

    fn root(&self, count: usize) -> Id {
        Tree::new(self.hashes[..count].iter().map(|hash| &hash.as_bytes()[..])).root()
    }

    /// Checks the statement about the last block, and what a new process reads.
    fn check(&mut self, head: Head) {
        let statement = self.attest();
        let count = self.hashes.len();
        assert_eq!(statement.checkpoint.blocks, count as u64);
        assert_eq!(statement.checkpoint.blocks_root, self.root(count));
        let read = BlockTree::up_to(head, &self.store).unwrap();
        assert_eq!(
            (read.count(), read.root()),
            (count as u64, self.root(count))
        );
    }

    /// Checks the proof of a block against every count from its own on. `number` counts along the forks.
    fn check_proofs(&self, place: (u64, u64), number: usize) {
        let own = leaf(self.hashes[number].as_bytes());
        for count in 1..=self.hashes.len() {
            let proof = prove_block(place, count as u64, &self.store).unwrap();
            if count <= number {
                assert_eq!(proof, None, "{place:?} is not among {count} blocks");
                continue;
            }
            let (found, path) = proof.unwrap();
            assert_eq!(found, number as u64);
            let root = self.root(count);
            assert!(is_included(&root, own, number, count, &path));
            let elsewhere = (0..count).filter(|other| *other != number);
            for other in elsewhere {
                assert!(!is_included(&root, own, other, count, &path));
            }
        }
    }
}

fn open(incarnation: u64, fork: Option<Fork>) -> Journal {
    let (key, holds) = (Arc::new(FakeKey(1)), Holds::whole());
    Journal::open(overlay(), key, incarnation, fork, holds, &[])
}

#[test]
fn the_root_is_that_of_a_tree_over_all_hashes() {
    assert_eq!(BlockTree::default().root(), Tree::new([]).root());
    let mut owner = Owner::new();
    for number in 0..BLOCKS {
        let head = owner.cut(number as u64);
        owner.check(head);
    }
}

#[test]
fn each_block_is_proved_against_later_roots_and_nowhere_else() {
    let mut owner = Owner::new();
    for number in 0..BLOCKS {
        owner.cut(number as u64);
    }
    for number in 0..BLOCKS {
        owner.check_proofs((1, number as u64), number);
    }
}

#[test]
fn forks_leave_out_lost_blocks() {
    for kept in 1..20 {
        let mut owner = Owner::new();
        let heads: Vec<_> = (0..20).map(|number| owner.cut(number)).collect();
        owner.fork(2, heads[kept - 1], kept);
        for height in 0..21 {
            let head = owner.cut(100 + height);
            owner.check(head);
        }
        // A second fork, from the second incarnation.
        let last = Head {
            incarnation: 2,
            height: 9,
            hash: owner.hashes[kept + 9],
        };
        owner.fork(3, last, kept + 10);
        for height in 0..5 {
            let head = owner.cut(200 + height);
            owner.check(head);
        }
        for number in 0..kept {
            owner.check_proofs((1, number as u64), number);
        }
        for height in 0..10 {
            owner.check_proofs((2, height as u64), kept + height);
        }
        for height in 0..5 {
            owner.check_proofs((3, height as u64), kept + 10 + height);
        }
    }
}

#[test]
fn a_resumed_journal_continues_the_tree() {
    let mut owner = Owner::new();
    for number in 0..BLOCKS {
        owner.cut(number as u64);
        let (key, store) = (Arc::new(FakeKey(1)), &owner.store);
        owner.journal = Journal::resume(overlay(), key, store).unwrap().unwrap();
        let head = owner.journal.tip().unwrap().head;
        owner.check(head);
    }
}

/// The heights in the checkpoints of headers, for cuts at these wall times with a statement after each.
fn signed(times_ms: &[u64]) -> Vec<Option<u64>> {
    let mut owner = Owner::new();
    let cut = |owner: &mut Owner, wall_ms: &u64| {
        let head = owner.cut(*wall_ms);
        owner.attest();
        let stored = kittengrad_journal::BlockStore::block(&owner.store, 1, head.height);
        let header = stored.unwrap().unwrap().block.header;
        let height = header.checkpoint.as_ref().map(|of| of.height);
        assert!(height.is_none_or(|height| height < head.height));
        height
    };
    times_ms
        .iter()
        .map(|wall_ms| cut(&mut owner, wall_ms))
        .collect()
}

#[test]
fn a_header_has_a_checkpoint_once_a_second() {
    assert_eq!(
        signed(&[0, 10, 500, 1_009, 1_010, 1_011, 2_009, 2_010]),
        [None, Some(0), None, None, Some(3), None, None, Some(6)]
    );
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_checkpoints() {
    assert_eq!(
        signed(&[5_000, 5_000, 4_500, 3_999, 4_000, 5_000]),
        [None, Some(0), None, Some(2), None, Some(4)]
    );
}

#[test]
fn without_a_statement_no_header_has_a_checkpoint() {
    let mut owner = Owner::new();
    for wall_ms in [0, 2_000, 4_000] {
        let head = owner.cut(wall_ms);
        let stored = kittengrad_journal::BlockStore::block(&owner.store, 1, head.height);
        assert_eq!(stored.unwrap().unwrap().block.header.checkpoint, None);
    }
}
