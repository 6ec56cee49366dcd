//! Evidence on disk: two pieces against each key, with who showed them.

use std::sync::Arc;

use kittengrad_journal::{
    Blame, Follower, Journal, MemoryStore, Shown, StateError, StateStore as _, StoreError, Write,
    evidence, keep_applied, keep_hold, show_hold,
};
use kittengrad_proto::{
    block::{Block, Head, Holds, Item},
    evidence::{Evidence, EvidenceError, Rule},
    id::{Id, PublicKey},
    identity::Heartbeat,
    signed::Signer as _,
    signed_head::SignedHead,
};
use kittengrad_ring::KeyRanges;
use kittengrad_support::journals::{Fake, FakeKey, Stepping as _, overlay};

const OWNER: FakeKey = FakeKey(1);
const WITNESS: PublicKey = PublicKey::new([9; 32]);

/// A heartbeat of the owner with block `hash` at height 3.
fn beat(hash: u8) -> SignedHead {
    let head = Head {
        incarnation: 7,
        height: 3,
        hash: Id::new([hash; 32]),
    };
    SignedHead::Heartbeat(Box::new(Heartbeat::sign(&overlay(), head, 5, &OWNER)))
}

fn shown(one: u8, other: u8) -> Shown {
    Shown {
        evidence: Evidence::Heads(beat(one), beat(other)),
        by: WITNESS,
        at_ms: 42,
    }
}

/// Adds evidence, and commits its write. Returns whether it was kept.
fn add(blame: &mut Blame, shown: &Shown, store: &mut MemoryStore) -> bool {
    let Some((rule, write)) = blame.add(shown, &Fake).unwrap() else {
        return false;
    };
    assert!(matches!(rule, Rule::TwoHeads { height: 3, .. }), "{rule}");
    store.commit(vec![write]);
    true
}

#[test]
fn two_different_pieces_are_kept_against_a_key() {
    let mut store = MemoryStore::default();
    let mut blame = Blame::load(&store).unwrap();
    assert!(add(&mut blame, &shown(1, 2), &mut store));
    assert!(!add(&mut blame, &shown(1, 2), &mut store), "the same");
    let mut blame = Blame::load(&store).unwrap();
    assert!(!add(&mut blame, &shown(1, 2), &mut store), "after a start");
    assert!(add(&mut blame, &shown(1, 3), &mut store));
    assert!(!add(&mut blame, &shown(1, 4), &mut store), "a third one");
    let kept = evidence(&store, &overlay()).unwrap();
    assert_eq!(kept, [shown(1, 2), shown(1, 3)]);
}

#[test]
fn evidence_that_does_not_convict_is_not_kept() {
    let mut blame = Blame::default();
    let same = blame.add(&shown(1, 1), &Fake);
    assert!(matches!(same, Err(EvidenceError::Innocent(_))));
    // It takes no place of evidence that does.
    let mut store = MemoryStore::default();
    assert!(add(&mut blame, &shown(1, 2), &mut store));
    assert!(add(&mut blame, &shown(1, 3), &mut store));
}

#[test]
fn a_row_of_evidence_in_another_form_is_damage() {
    let mut store = MemoryStore::default();
    add(&mut Blame::default(), &shown(1, 2), &mut store);
    let (key, value) = store.states(&[6]).unwrap().remove(0);
    let version = [&[2], &value[1..]].concat();
    let short = value[..40].to_vec();
    let cut = value[..value.len() - 1].to_vec();
    for (key, value) in [
        (key.to_vec(), version),
        (key.to_vec(), short),
        (key.to_vec(), cut),
        (key[..33].to_vec(), value.to_vec()),
        ([&key[..], &[0]].concat(), value.to_vec()),
    ] {
        let mut store = MemoryStore::default();
        store.commit(vec![Write::State(key.into(), value.into())]);
        let found = evidence(&store, &overlay());
        assert!(matches!(found, Err(StoreError::Damaged(_))), "{found:?}");
    }
}

/// A journal of `count` blocks.
fn blocks(count: u64) -> Vec<Block> {
    let holds = Holds::whole();
    let mut journal = Journal::open(overlay(), Arc::new(OWNER), 7, None, holds, &[]);
    let cut = |from_height| {
        journal.note(&Item::Gap {
            incarnation: 1,
            from_height,
        });
        journal.cut(1, &mut Vec::new()).unwrap().block
    };
    (0..count).map(cut).collect()
}

#[test]
fn the_proof_of_the_last_hold_is_there_after_a_start() {
    let mut follower = Follower::new(OWNER.public(), 7);
    assert_eq!(keep_hold(&follower), None, "before the first block");
    for block in blocks(3) {
        follower.step(&block, &Fake).unwrap();
    }
    let mut store = MemoryStore::default();
    let position = keep_applied(&follower, &KeyRanges::whole());
    store.commit(position.into_iter().chain(keep_hold(&follower)).collect());
    let started = || {
        let applied = kittengrad_journal::applied(&store, OWNER.public());
        applied.unwrap().unwrap().follower
    };
    assert_eq!(started().hold_proof(), None);
    let shown = show_hold(started(), &overlay(), &store).unwrap();
    assert_eq!(shown.hold_proof(), follower.hold_proof());
    // The proof of an earlier hold does not count.
    let later = started().holding_since(Some(1));
    let shown = show_hold(later, &overlay(), &store).unwrap();
    assert_eq!(shown.hold_proof(), None);
}

#[test]
fn a_proof_of_a_hold_in_another_form_is_damage() {
    let mut follower = Follower::new(OWNER.public(), 7);
    follower.step(&blocks(1)[0], &Fake).unwrap();
    let Some(Write::State(key, value)) = keep_hold(&follower) else {
        panic!("the hold is known")
    };
    for value in [
        Vec::new(),
        [&[2], &value[1..]].concat(),
        value[..value.len() - 1].to_vec(),
    ] {
        let mut store = MemoryStore::default();
        store.commit(vec![Write::State(key.clone(), value.into())]);
        let found = show_hold(follower.clone(), &overlay(), &store);
        assert!(matches!(found, Err(StateError::Form { .. })), "{found:?}");
    }
}
