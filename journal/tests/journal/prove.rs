//! Proofs of elements in a journal, checked with the key of its owner alone.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use kittengrad_journal::{
    Journal, Locator, MemoryStore, ProveError, RowKey, Store, StoreError, Write, prove,
};
use kittengrad_proto::{
    block::Holds,
    receipt::ItemProof,
    signed::{Signer, SigningKey, Verifier},
    submission::Submission,
};
use kittengrad_support::journals::{EntrySpec, Fake, FakeKey, overlay, submission};
use proptest::{collection::vec, prelude::*};

/// Adds these submissions and commits them as one block.
fn commit(journal: &mut Journal, store: &mut MemoryStore, submissions: &[Submission]) {
    for submission in submissions {
        journal.add(submission, |_| true, store).unwrap();
    }
    let mut writes = Vec::new();
    journal.cut(1, &mut writes);
    store.commit(writes);
    journal.committed();
}

fn open(signer: Arc<dyn Signer>) -> Journal {
    Journal::open(overlay(), signer, 7, None, Holds::whole(), &[])
}

/// Proves all elements of a transaction, encodes and decodes the proofs, and verifies them.
fn check_proved(
    store: &dyn Store,
    peer: &dyn Signer,
    submission: &Submission,
    verifier: &dyn Verifier,
) {
    let transaction = &submission.transaction;
    let proofs = prove(store, &overlay(), &transaction.id(), transaction.elements()).unwrap();
    let mut proved = BTreeSet::new();
    for proof in proofs {
        let received = ItemProof::from_wire(proof.to_wire(), &overlay()).unwrap();
        proved.extend(
            received
                .verify(&peer.public(), transaction, verifier)
                .unwrap(),
        );
    }
    let unproved: Vec<_> = transaction
        .elements()
        .filter(|element| !proved.contains(element))
        .collect();
    assert_eq!(unproved, []);
}

proptest! {
    #[test]
    fn every_element_is_proved_whichever_item_added_it(
        blocks in vec(vec((any::<u8>(), 0_u64..4, vec(0_u64..6, 1..4)), 1..6), 1..5),
    ) {
        let mut journal = open(Arc::new(FakeKey(1)));
        let mut store = MemoryStore::default();
        let mut submissions = Vec::new();
        for block in blocks {
            let block: Vec<_> = block.into_iter().map(|(nonce, canonical, updates)| {
                let updates: BTreeSet<u64> =
                    updates.iter().map(|update| 100 + 10 * canonical + update).collect();
                submission(nonce, &[(canonical, true, updates.into_iter().collect())])
            }).collect();
            commit(&mut journal, &mut store, &block);
            submissions.extend(block);
        }
        for submission in &submissions {
            check_proved(&store, &FakeKey(1), submission, &Fake);
        }
    }
}

#[test]
fn proof_holds_with_real_signatures_and_for_its_peer_only() {
    let key = SigningKey::from_seed(&[3; 32]);
    let mut store = MemoryStore::default();
    // The publisher of these tests signs with the fake scheme, which only the verifier `Fake` accepts.
    let entries: Vec<EntrySpec> = (0..9).map(|n| (n, true, vec![100 + n])).collect();
    let submissions: Vec<_> = entries
        .chunks(1)
        .map(|entry| submission(1, entry))
        .collect();
    commit(&mut open(Arc::new(key.clone())), &mut store, &submissions);
    for submission in &submissions {
        check_proved(&store, &key, submission, &kittengrad_proto::signed::Ed25519);
        let transaction = &submission.transaction;
        let proof = prove(
            &store,
            &overlay(),
            &transaction.id(),
            transaction.elements(),
        )
        .unwrap();
        let other = FakeKey(2).public();
        assert!(
            proof[0]
                .verify(&other, transaction, &kittengrad_proto::signed::Ed25519)
                .is_err()
        );
    }
}

#[test]
fn what_is_not_in_the_set_is_not_proved() {
    let mut store = MemoryStore::default();
    let known = submission(1, &[(1, true, vec![10])]);
    commit(
        &mut open(Arc::new(FakeKey(1))),
        &mut store,
        std::slice::from_ref(&known),
    );
    let unknown = submission(2, &[(1, true, vec![10, 11])]);
    let refused = prove(
        &store,
        &overlay(),
        &unknown.transaction.id(),
        unknown.transaction.elements(),
    );
    let absent = unknown.transaction.elements().find(|element| {
        let known = known.transaction.elements();
        !known.into_iter().any(|other| other == *element)
    });
    assert_eq!(refused, Err(ProveError::Absent(absent.unwrap())));
}

#[test]
fn an_item_is_proved_once_for_all_its_elements() {
    let mut journal = open(Arc::new(FakeKey(1)));
    let mut store = MemoryStore::default();
    let other = submission(1, &[(1, true, vec![10])]);
    let first = submission(2, &[(2, true, vec![20, 21, 22])]);
    commit(&mut journal, &mut store, &[other, first.clone()]);
    let repeat = submission(3, &[(2, true, vec![20, 22, 23])]);
    commit(&mut journal, &mut store, std::slice::from_ref(&repeat));
    let proved = |submission: &Submission| {
        let transaction = &submission.transaction;
        let (id, elements) = (transaction.id(), transaction.elements());
        let proofs = prove(&store, &overlay(), &id, elements).unwrap();
        let named = |proof: ItemProof| {
            let other = proof.transaction.map(|other| other.id());
            (proof.header.height, proof.index, other)
        };
        proofs.into_iter().map(named).collect::<BTreeSet<_>>()
    };
    assert_eq!(proved(&first), [(0, 2, None)].into());
    let of_first = Some(first.transaction.id());
    assert_eq!(proved(&repeat), [(0, 2, of_first), (1, 0, None)].into());
}

#[test]
fn a_set_row_that_names_another_item_is_damage() {
    let mut journal = open(Arc::new(FakeKey(1)));
    let mut store = MemoryStore::default();
    let known = submission(1, &[(1, true, vec![10])]);
    commit(&mut journal, &mut store, std::slice::from_ref(&known));
    let element = known.transaction.elements().next().unwrap();
    let repeat = submission(2, &[(1, true, vec![10])]).transaction;
    let check_damage = |store: &MemoryStore, when: &str| {
        let refused = prove(store, &overlay(), &repeat.id(), [element]);
        let is_damage = matches!(refused, Err(ProveError::Store(StoreError::Damaged(_))));
        assert!(is_damage, "{when}: {refused:?}");
    };
    assert_eq!(
        prove(&store, &overlay(), &repeat.id(), [element])
            .unwrap()
            .len(),
        1
    );
    for (index, when) in [(0, "a hold"), (2, "behind the last item")] {
        let at = Locator {
            incarnation: 7,
            height: 0,
            index,
        };
        let mut store = store.clone();
        store.commit(vec![Write::Element(element, at)]);
        check_damage(&store, when);
    }
    let id = known.transaction.id();
    store.commit(vec![Write::Remove(RowKey::Transaction(id))]);
    check_damage(&store, "without its transaction");
    store.commit(vec![Write::Transaction(id, Bytes::from_static(b"?"))]);
    check_damage(&store, "with another transaction");
}

#[test]
fn a_set_row_that_names_nothing_is_damage() {
    let mut store = MemoryStore::default();
    let transaction = submission(1, &[(1, true, vec![10])]).transaction;
    let element = transaction.elements().next().unwrap();
    let at = Locator {
        incarnation: 7,
        height: 0,
        index: 0,
    };
    store.commit(vec![Write::Element(element, at)]);
    let refused = prove(&store, &overlay(), &transaction.id(), [element]);
    let is_damage = matches!(refused, Err(ProveError::Store(StoreError::Damaged(_))));
    assert!(is_damage, "{refused:?}");
}

#[test]
fn a_repeat_of_more_than_64_blocks_is_proved_in_smaller_parts() {
    let mut journal = open(Arc::new(FakeKey(1)));
    let mut store = MemoryStore::default();
    for block in 0..65 {
        let single = submission(1, &[(1, false, vec![100 + block])]);
        commit(&mut journal, &mut store, &[single]);
    }
    let repeat = |blocks: u64| submission(2, &[(1, false, (100..100 + blocks).collect())]);
    check_proved(&store, &FakeKey(1), &repeat(64), &Fake);
    let all = repeat(65).transaction;
    let refused = prove(&store, &overlay(), &all.id(), all.elements());
    assert_eq!(refused, Err(ProveError::Scattered(65)));
}
