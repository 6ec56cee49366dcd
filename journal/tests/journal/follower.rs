//! A follower accepts exactly the journal: no block that is skipped, altered, forged, dated back or repeated.

use std::sync::Arc;

use kittengrad_journal::{
    Applied, FollowError, Follower, Journal, MemoryStore, Step, applied, keep_applied,
};
use kittengrad_proto::{
    block::{Block, BlockError, Head, Header, HeaderError, HeaderFields, Holds, Item},
    checkpoint::{Checkpoint, CheckpointError, Holdings, ThroughList},
    id::{Id, PublicKey},
    merkle::Tree,
    signed::{Ed25519, SIGNATURE_BYTES, SignedError, Signer, SigningKey, Verifier},
};
use kittengrad_ring::{KeyRange, KeyRanges, Point};
use kittengrad_support::journals::{Fake, FakeKey, Stepping as _, overlay, submission};

const OWNER: FakeKey = FakeKey(1);

/// Makes a journal of `count` blocks with one transaction each.
pub(crate) fn journal(signer: Arc<dyn Signer>, incarnation: u64, count: u64) -> Vec<Block> {
    let mut journal = Journal::open(overlay(), signer, incarnation, None, Holds::whole(), &[]);
    let mut store = MemoryStore::default();
    let mut blocks = Vec::new();
    for n in 0..count {
        let submission = submission(1, &[(n, true, vec![100 + n])]);
        journal.add(&submission, |_| true, &store).unwrap();
        let mut writes = Vec::new();
        blocks.push(journal.cut(1_000 + n, &mut writes).unwrap().block);
        store.commit(writes);
        journal.committed();
    }
    blocks
}

pub(crate) fn owners_journal() -> Vec<Block> {
    journal(Arc::new(OWNER), 7, 4)
}

/// Makes a follower that has accepted these blocks, from the first on.
pub(crate) fn following(accepted: &[Block]) -> Follower {
    let mut follower = Follower::new(OWNER.public(), 7);
    for block in accepted {
        assert_eq!(follower.step(block, &Fake), Ok(Step::Next));
    }
    follower
}

/// Signs a copy of a block with some header fields changed.
pub(crate) fn resigned(
    block: &Block,
    signer: &dyn Signer,
    change: impl Fn(&mut HeaderFields),
) -> Block {
    let header = &block.header;
    let mut fields = HeaderFields {
        incarnation: header.incarnation,
        height: header.height,
        previous: header.previous,
        time_ms: header.time_ms,
        items_root: header.items_root,
        item_count: header.item_count,
        fork: header.fork,
        checkpoint: header.checkpoint.as_deref().cloned(),
        hold: header.hold,
    };
    change(&mut fields);
    Block {
        header: Header::sign(&overlay(), &fields, signer),
        items: block.items.clone(),
        through: block.through.clone(),
    }
}

/// Checks that a follower of three blocks refuses `block` with an expected error, and is unchanged.
fn check_refused(
    block: &Block,
    verifier: &dyn Verifier,
    is_expected: impl Fn(&FollowError) -> bool,
) {
    let blocks = owners_journal();
    let mut follower = following(&blocks[..3]);
    let before = follower.clone();
    let refused = follower.step(block, verifier).unwrap_err();
    assert!(is_expected(&refused), "{refused:?}");
    assert_eq!(follower, before);
    assert_eq!(
        follower.step(&blocks[3], verifier),
        Ok(Step::Next),
        "the follower continues"
    );
}

/// Keeps S4.
#[test]
fn a_follower_accepts_the_whole_journal_with_real_signatures() {
    let key = SigningKey::from_seed(&[9; 32]);
    let mut follower = Follower::new(key.public(), 7);
    for block in journal(Arc::new(key), 7, 4) {
        assert_eq!(follower.step(&block, &Ed25519), Ok(Step::Next));
        assert_eq!(follower.head(), Some(block.head()));
        assert_eq!(follower.next_height(), block.header.height + 1);
        assert_eq!(follower.time_ms(), block.header.time_ms);
    }
    assert_eq!(follower.cursor().height, Some(3));
}

#[test]
fn a_block_that_was_processed_before_is_known() {
    let blocks = owners_journal();
    let mut follower = following(&blocks);
    let before = follower.clone();
    for block in &blocks {
        assert_eq!(follower.step(block, &Fake), Ok(Step::Known));
    }
    assert_eq!(follower, before);
}

/// Keeps S12.
#[test]
fn a_skipped_block_is_missed() {
    let mut follower = following(&owners_journal()[..2]);
    let refused = follower.step(&owners_journal()[3], &Fake);
    assert_eq!(
        refused,
        Err(FollowError::Skipped {
            incarnation: 7,
            expected: 2,
            found: 3
        })
    );
}

#[test]
fn a_block_of_another_journal_is_refused() {
    let foreign = &journal(Arc::new(FakeKey(2)), 7, 4)[3];
    let expected = FollowError::OtherJournal {
        height: 3,
        expected: OWNER.public(),
        found: FakeKey(2).public(),
    };
    check_refused(foreign, &Fake, |e| *e == expected);
}

#[test]
fn block_with_other_items_than_its_header_signs_is_refused() {
    let block = &owners_journal()[3];
    let header = || Some(block.header.signed().to_wire());
    let hold = Item::Hold(Holds::whole()).encode();
    let altered = Block::from_wire(header(), vec![hold.clone()], Vec::new(), &overlay());
    assert_eq!(altered, Err(BlockError::Root { height: 3 }));
    let longer = Block::from_wire(
        header(),
        vec![block.items[0].clone(), hold],
        Vec::new(),
        &overlay(),
    );
    assert_eq!(
        longer,
        Err(BlockError::Count {
            height: 3,
            found: 2,
            said: 1
        })
    );
}

#[test]
fn a_forged_block_is_refused() {
    /// A signer with the owner's key and invalid signatures.
    struct Forger;
    impl Signer for Forger {
        fn public(&self) -> PublicKey {
            OWNER.public()
        }
        fn sign(&self, _: &[u8]) -> [u8; SIGNATURE_BYTES] {
            [7; SIGNATURE_BYTES]
        }
    }
    let forged = resigned(&owners_journal()[3], &Forger, |_| {});
    let is_forged = |e: &FollowError| {
        let FollowError::Block(BlockError::Header(HeaderError::Signed(e))) = e else {
            return false;
        };
        matches!(e, SignedError::Forged { .. })
    };
    check_refused(&forged, &Fake, is_forged);
    let known = resigned(&owners_journal()[2], &Forger, |_| {});
    check_refused(&known, &Fake, is_forged);
}

/// Keeps S4.
#[test]
fn a_block_that_links_elsewhere_is_refused() {
    let relinked = resigned(&owners_journal()[3], &OWNER, |fields| {
        fields.previous = Id::ZERO
    });
    let expected = FollowError::Link {
        height: 3,
        previous: Id::ZERO,
        expected: owners_journal()[2].header.hash(),
    };
    check_refused(&relinked, &Fake, |e| *e == expected);
}

/// Keeps S4.
#[test]
fn a_block_that_is_dated_back_is_refused() {
    let back = resigned(&owners_journal()[3], &OWNER, |fields| {
        fields.time_ms = 1_001
    });
    check_refused(&back, &Fake, |e| {
        *e == FollowError::TimeWentBack {
            height: 3,
            back_ms: 1,
        }
    });
    let same = resigned(&owners_journal()[3], &OWNER, |fields| {
        fields.time_ms = 1_002
    });
    assert_eq!(
        following(&owners_journal()[..3]).step(&same, &Fake),
        Ok(Step::Next)
    );
}

/// Keeps S7.
#[test]
fn two_blocks_for_one_height_are_evidence() {
    let other = resigned(&owners_journal()[2], &OWNER, |fields| fields.time_ms += 1);
    let known = owners_journal()[2].header.hash();
    let found = other.header.hash();
    let expected = FollowError::Equivocation {
        incarnation: 7,
        height: 2,
        known,
        found,
    };
    check_refused(&other, &Fake, |e| *e == expected);
}

#[test]
fn newer_incarnation_begins_at_0_and_an_older_one_is_past() {
    let (old, new) = (owners_journal(), journal(Arc::new(OWNER), 9, 2));
    let mut follower = following(&old);
    let skipped = FollowError::Skipped {
        incarnation: 7,
        expected: 4,
        found: 1,
    };
    assert_eq!(follower.step(&new[1], &Fake), Err(skipped));
    assert_eq!(follower.step(&new[0], &Fake), Ok(Step::Began));
    assert_eq!(follower.step(&new[1], &Fake), Ok(Step::Next));
    // Block 1 of the old incarnation is another one than the last block, which has the same height.
    for past in &old {
        assert_eq!(follower.step(past, &Fake), Ok(Step::Known));
    }
    assert_eq!(follower.head(), Some(new[1].head()));
}

#[test]
fn newer_incarnation_waits_until_its_fork_was_read() {
    let old = owners_journal();
    let forked = |from: &Block| {
        let genesis = &journal(Arc::new(OWNER), 9, 1)[0];
        resigned(genesis, &OWNER, |fields| fields.fork = Some(from.head()))
    };
    for accepted in 1..=old.len() {
        for (height, from) in old.iter().enumerate() {
            let mut follower = following(&old[..accepted]);
            let genesis = forked(from);
            let is_read = height < accepted;
            assert_eq!(follower.is_next(&genesis.header), is_read);
            let expected = if is_read {
                Ok(Step::Began)
            } else {
                let expected = accepted as u64;
                Err(FollowError::Skipped {
                    incarnation: 7,
                    expected,
                    found: 0,
                })
            };
            assert_eq!(
                follower.step(&genesis, &Fake),
                expected,
                "{accepted} of {height}"
            );
        }
    }
    let beginning = Follower::new(OWNER.public(), 7);
    assert!(
        !beginning.is_next(&forked(&old[0]).header),
        "the fork was not read"
    );
    assert!(
        Follower::new(OWNER.public(), 8).is_next(&forked(&old[3]).header),
        "the fork is in an older incarnation"
    );
}

#[test]
fn a_first_block_that_links_to_something_is_refused() {
    let linked = resigned(&owners_journal()[0], &OWNER, |fields| {
        fields.previous = Id::of(&[b"x"])
    });
    let refused = Follower::new(OWNER.public(), 7).step(&linked, &Fake);
    assert!(matches!(
        refused,
        Err(FollowError::Link {
            height: 0,
            expected: Id::ZERO,
            ..
        })
    ));
}

#[test]
fn no_height_is_too_high_for_a_follower() {
    let hash = Id::of(&[b"the last block"]);
    let head = Head {
        incarnation: 7,
        height: u64::MAX,
        hash,
    };
    let mut follower = Follower::after(OWNER.public(), head, 5);
    assert_eq!(follower.next_height(), u64::MAX);
    assert!(
        follower
            .step(&owners_journal()[3], &Fake)
            .is_ok_and(|step| step == Step::Known)
    );
}

#[test]
fn a_followers_position_is_kept_and_found_again() {
    let blocks = owners_journal();
    let held = KeyRanges::whole();
    let mut store = MemoryStore::default();
    assert_eq!(
        keep_applied(&Follower::new(OWNER.public(), 7), &held),
        None,
        "no position before the first block"
    );
    assert_eq!(applied(&store, OWNER.public()), Ok(None));
    for accepted in 1..=blocks.len() {
        let follower = following(&blocks[..accepted]);
        store.commit(keep_applied(&follower, &held).into_iter().collect());
        let found = applied(&store, OWNER.public());
        let held = held.clone();
        assert_eq!(found, Ok(Some(Applied { follower, held })));
    }
    assert_eq!(applied(&store, FakeKey(2).public()), Ok(None));
}

#[test]
fn tree_over_the_items_has_the_root_that_the_header_signs() {
    for block in owners_journal() {
        let tree = Tree::new(block.items.iter().map(|item| &item[..]));
        assert_eq!(tree.root(), block.header.items_root);
    }
}

/// A checkpoint of a whole, settled circle, as of a height.
fn checkpoint(height: u64, held: KeyRanges) -> Option<Checkpoint> {
    Some(Checkpoint {
        height,
        ring: Id::ZERO,
        holds: Holdings::new(&held, &KeyRanges::default()),
        blocks: height + 1,
        blocks_root: Id::ZERO,
        through_root: ThroughList::default().root(),
    })
}

#[test]
fn the_height_in_checkpoints_never_goes_back() {
    let blocks = owners_journal();
    // The heights in the checkpoints of the blocks 2 and 3, and whether the follower accepts block 3.
    for (second, third, is_good) in [
        (None, Some(0), true),
        (Some(0), Some(0), true),
        (Some(0), Some(2), true),
        (Some(1), None, true),
        (Some(1), Some(1), true),
        (Some(1), Some(0), false),
    ] {
        let mut follower = following(&blocks[..2]);
        let with = |block: &Block, previous: Id, height: Option<u64>| {
            resigned(block, &OWNER, |fields| {
                fields.previous = previous;
                fields.checkpoint = height.and_then(|at| checkpoint(at, KeyRanges::whole()));
            })
        };
        let block = with(&blocks[2], blocks[1].header.hash(), second);
        assert_eq!(follower.step(&block, &Fake), Ok(Step::Next));
        let last = with(&blocks[3], block.header.hash(), third);
        let before = follower.clone();
        let found = follower.step(&last, &Fake);
        if is_good {
            assert_eq!(found, Ok(Step::Next), "{second:?}, {third:?}");
            continue;
        }
        let error = CheckpointError::WentBack {
            height: 0,
            before: 1,
        };
        assert_eq!(found, Err(FollowError::Checkpoint { height: 3, error }));
        assert_eq!(follower, before);
    }
}

#[test]
fn a_checkpoint_of_the_block_before_names_the_arcs_held_there() {
    let blocks = owners_journal();
    let half: KeyRanges = KeyRange::new(Point::new([0; 32]), Point::new([0x80; 32])).into();
    // The height in the checkpoint of block 3, and whether other arcs than the whole circle are accepted there.
    for (at, is_good) in [(2, false), (1, true)] {
        let mut follower = following(&blocks[..3]);
        let block = resigned(&blocks[3], &OWNER, |fields| {
            fields.checkpoint = checkpoint(at, half.clone());
        });
        let error = CheckpointError::OtherArcs(at);
        let expected = match is_good {
            true => Ok(Step::Next),
            false => Err(FollowError::Checkpoint { height: 3, error }),
        };
        assert_eq!(follower.step(&block, &Fake), expected);
    }
}
