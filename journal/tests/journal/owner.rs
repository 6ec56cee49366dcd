//! An owner of a journal, such as a peer or an aggregator, and checks of its journal's promises.

use std::{collections::BTreeSet, sync::Arc};

use kittengrad_journal::{
    BlockStore, Cut, ElementStore, Entry, Follower, Journal, MemoryStore, RecordStore, Step,
    blocks, entries,
};
use kittengrad_proto::{
    block::{Holds, Item},
    id::{Id, RecordId},
    signed::Signer,
    submission::Submission,
    transaction::Element,
};
use kittengrad_support::journals::{Fake, FakeKey, Stepping as _, overlay};

/// An owner of a journal, which adds, cuts and commits like a peer.
pub(crate) struct Owner {
    pub(crate) journal: Journal,
    pub(crate) store: MemoryStore,
    holds: fn(&RecordId) -> bool,
}

impl Owner {
    pub(crate) fn new(holds: fn(&RecordId) -> bool) -> Self {
        let journal = Journal::open(
            overlay(),
            Arc::new(FakeKey(1)),
            7,
            None,
            Holds::whole(),
            &[],
        );
        Self {
            journal,
            store: MemoryStore::default(),
            holds,
        }
    }

    pub(crate) fn add(&mut self, submission: &Submission) -> Vec<Element> {
        let added = self
            .journal
            .add(submission, self.holds, &self.store)
            .unwrap();
        let elements = submission.transaction.elements().enumerate();
        elements
            .filter(|(i, _)| added.bitmap.is_set(*i))
            .map(|(_, element)| element)
            .collect()
    }

    pub(crate) fn cut(&mut self, wall_ms: u64) -> Option<Cut> {
        let mut writes = Vec::new();
        let cut = self.journal.cut(wall_ms, &mut writes);
        self.store.commit(writes);
        self.journal.committed();
        cut
    }

    pub(crate) fn restart(&mut self) {
        let resumed = Journal::resume(overlay(), Arc::new(FakeKey(1)), &self.store).unwrap();
        if let Some(journal) = resumed {
            self.journal = journal;
        }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let read = blocks(&self.store, 7, 0, usize::MAX, usize::MAX).unwrap();
        let of = |block| entries(&self.store, &overlay(), block).unwrap();
        read.blocks
            .iter()
            .flat_map(|stored| of(&stored.block))
            .collect()
    }
}

pub(crate) fn everything(_: &RecordId) -> bool {
    true
}

pub(crate) fn first_half(id: &RecordId) -> bool {
    id.as_bytes()[0] < 0x80
}

pub(crate) fn second_half(id: &RecordId) -> bool {
    !first_half(id)
}

/// Checks the promises of a journal about its blocks: heights, links, times, offsets and the tip.
pub(crate) fn check_journal(owner: &Owner) {
    let read = blocks(&owner.store, 7, 0, usize::MAX, usize::MAX).unwrap();
    assert!(read.is_end);
    let mut follower = Follower::new(FakeKey(1).public(), 7);
    let (mut offset, mut time_ms, mut previous) = (0, 0, Id::ZERO);
    for (height, stored) in (0..).zip(&read.blocks) {
        let header = &stored.block.header;
        assert_eq!(header.height, height, "heights have no hole");
        assert_eq!(
            header.previous, previous,
            "each block links to the one before"
        );
        assert!(header.time_ms >= time_ms, "time never goes back");
        assert_eq!(stored.offset, offset, "offsets count the elements before");
        assert_eq!(follower.step(&stored.block, &Fake), Ok(Step::Next));
        let added = entries(&owner.store, &overlay(), &stored.block).unwrap();
        offset += added
            .iter()
            .map(|entry| entry.added.len() as u64)
            .sum::<u64>();
        (time_ms, previous) = (header.time_ms, header.hash());
    }
    let tip = owner
        .journal
        .tip()
        .map(|tip| (tip.head, tip.time_ms, tip.offset));
    let last = read
        .blocks
        .last()
        .map(|stored| (stored.block.head(), time_ms, offset));
    assert_eq!(tip, last);
}

/// Checks that the set is the fold of the items, that each element is added once, and that its row names its item.
pub(crate) fn check_set(owner: &Owner) {
    let mut folded = BTreeSet::new();
    for entry in owner.entries() {
        for element in entry.added {
            assert!(folded.insert(element), "{element:?} is added twice");
            let at = owner.store.locate(&element).unwrap().unwrap();
            let block = owner
                .store
                .block(at.incarnation, at.height)
                .unwrap()
                .unwrap()
                .block;
            let items = block.decode_items().unwrap();
            let item = &items[at.index as usize];
            assert!(matches!(item, Item::Transaction { id, .. } if *id == entry.transaction.id()));
            let names: Vec<_> = element.update.into_iter().collect();
            assert!(
                owner
                    .store
                    .records(&names)
                    .unwrap()
                    .iter()
                    .all(Option::is_some)
            );
        }
    }
    assert_eq!(owner.store.elements(), folded);
}
