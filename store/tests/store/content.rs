//! The content of test stores: numbered commits, and checks that they are there.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use kittengrad_journal::{Locator, Store, StoreError, Write};
use kittengrad_proto::{
    block::Header,
    id::{Id, RecordId},
    signed::Signer,
    transaction::Element,
};
use kittengrad_store::{OpenError, Options, Owner, RocksStore};
use kittengrad_support::journals::{FakeKey, overlay, record, stored_block};

pub(crate) fn owner() -> Owner {
    Owner {
        overlay: overlay(),
        key: FakeKey(1).public(),
    }
}

/// Options with small buffers, so that tables and logs are made early.
pub(crate) fn small() -> Options {
    let mib = 1024 * 1024;
    Options {
        cache_bytes_max: mib,
        write_buffer_bytes_max: mib,
        wal_bytes_max: mib as u64,
        open_files_max: 64,
        background_jobs_max: 2,
    }
}

/// Opens a store that no other store uses. A child process that another test starts has copies of all locks until it
/// executes its program, so a released lock may be held for a moment.
pub(crate) fn open(path: &Path) -> RocksStore {
    try_open(path, &owner()).unwrap()
}

/// Opens a store like [`open`]. Returns all errors except a lock that is released within 10 seconds.
pub(crate) fn try_open(path: &Path, owner: &Owner) -> Result<RocksStore, OpenError> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match RocksStore::open(path, owner, &small()) {
            Err(OpenError::InUse { .. }) if Instant::now() < deadline => thread::yield_now(),
            opened => return opened,
        }
    }
}

/// The writes of commit `number`: at least one for each family except `meta`.
pub(crate) fn commit(number: u64) -> Vec<Write> {
    let at = Locator {
        incarnation: 7,
        height: number,
        index: 0,
    };
    let small = record(number, 300);
    let large = record(number, 3_000);
    let id = Id::of(&[&number.to_be_bytes()]);
    let mut writes = vec![
        Write::Record(RecordId::of(&small), small),
        Write::Record(RecordId::of(&large), large.clone()),
        Write::Transaction(id, large),
        Write::Chain(id, record(number, 50)),
        Write::State(b"the last commit".as_slice().into(), record(number, 8)),
        Write::Block(Box::new(stored_block(
            7,
            number,
            vec![record(number, 40)],
            number,
        ))),
    ];
    writes.extend(elements(number).map(|element| Write::Element(element, at)));
    writes
}

fn elements(number: u64) -> impl Iterator<Item = Element> {
    let canonical = RecordId::of(&(number / 2).to_be_bytes());
    let update = move |n: u64| RecordId::of(&(1_000_000 + 10 * number + n).to_be_bytes());
    (0..10).map(move |n| Element {
        canonical,
        update: Some(update(n)),
    })
}

/// Counts the writes of commit `number` that are there. Checks the value of each.
pub(crate) fn found(store: &dyn Store, number: u64) -> Result<Found, StoreError> {
    let mut found = Found::default();
    let mut count = |is_there: bool| {
        if is_there {
            found.there += 1
        } else {
            found.absent += 1
        }
    };
    let check = |value: Option<bytes::Bytes>, expected: &bytes::Bytes| {
        assert!(
            value.as_ref().is_none_or(|value| value == expected),
            "commit {number}: a wrong value"
        );
        value.is_some()
    };
    for write in commit(number) {
        match &write {
            Write::Record(id, bytes) => count(check(store.records(&[*id])?.remove(0), bytes)),
            Write::Transaction(id, bytes) => {
                count(check(store.transactions(&[*id])?.remove(0), bytes));
            }
            Write::Chain(id, bytes) => count(check(store.chain(id)?, bytes)),
            Write::State(..) | Write::Remove(_) => {}
            Write::Block(stored) => {
                let block = store.block(7, number)?;
                assert!(
                    block.as_ref().is_none_or(|block| block == &**stored),
                    "a wrong block"
                );
                count(block.is_some());
            }
            Write::Element(element, at) => {
                let found = store.locate(element)?;
                assert!(found.is_none_or(|found| found == *at), "a wrong row");
                assert_eq!(store.contains(&[*element])?, [found.is_some()]);
                count(found.is_some());
            }
        }
    }
    Ok(found)
}

/// The writes of a commit, by whether they are there.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    there: usize,
    absent: usize,
}

impl Found {
    /// Whether the commit is there. Panics if it is there in part.
    pub(crate) fn is_whole(self) -> bool {
        assert!(
            self.there == 0 || self.absent == 0,
            "a commit is there in part: {self:?}"
        );
        self.absent == 0
    }
}

/// Checks that exactly the commits below `count` are there, with all reads of the store.
pub(crate) fn check_has(store: &dyn Store, count: u64) -> Result<(), StoreError> {
    for number in 0..count {
        assert!(
            found(store, number)?.is_whole(),
            "commit {number} of {count} is gone"
        );
    }
    assert!(!found(store, count)?.is_whole(), "commit {count} is there");
    for number in 0..count {
        let canonical = elements(number).next().unwrap().canonical;
        let mut expected: Vec<_> = [number & !1, number | 1]
            .into_iter()
            .filter(|other| *other < count)
            .flat_map(elements)
            .filter_map(|element| element.update)
            .collect();
        expected.sort_unstable();
        assert!(store.exists(&canonical)?, "a canonical is gone");
        assert_eq!(store.set(&canonical)?, Some(expected), "a set is not whole");
    }
    let state = store.states(b"the")?;
    assert_eq!(state.len(), usize::from(count > 0), "a small value is gone");
    assert!(
        state
            .iter()
            .all(|(_, value)| *value == record(count - 1, 8)),
        "a small value is old"
    );
    let heads: Vec<_> = store.incarnations()?.iter().map(Header::head).collect();
    assert_eq!(heads.last().copied(), store.head()?);
    let height = heads.last().map(|head| head.height);
    assert_eq!(height, count.checked_sub(1), "the journal ends elsewhere");
    Ok(())
}
