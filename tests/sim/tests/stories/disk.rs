//! The simulated disk passes the conformance tests of stores, and its faults do only what they say.

use bytes::Bytes;
use kittengrad_journal::{RecordStore, StateStore, Store, StoreError, Write};
use kittengrad_proto::id::RecordId;
use kittengrad_sim::{Random, SimDisk};
use kittengrad_support::conformance::Subject;

/// A disk that is copied, wiped and restored to reopen it.
struct Restored(SimDisk);

impl Subject for Restored {
    fn commit(&mut self, writes: Vec<Write>) {
        self.0.commit(writes);
    }

    fn reopen(&mut self) {
        let copy = self.0.copy();
        self.0.wipe();
        self.0.restore(copy);
    }

    fn store(&self) -> &dyn Store {
        &self.0
    }
}

kittengrad_support::store_conformance!(256, || Restored(SimDisk::remembering()));

fn state(number: u8) -> Write {
    Write::State(vec![number].into(), vec![number].into())
}

fn record(number: u8) -> Write {
    Write::Record(RecordId::new([number; 32]), vec![number].into())
}

fn read(disk: &SimDisk, number: u8) -> Result<Vec<Option<Bytes>>, StoreError> {
    disk.records(&[RecordId::new([number; 32])])
}

#[test]
fn a_disk_that_lies_loses_the_last_commits_and_no_others() {
    for seed in 0..50 {
        let mut disk = SimDisk::remembering();
        for number in 0..5 {
            disk.commit(vec![state(number)]);
        }
        disk.lie();
        for number in 5..10 {
            disk.commit(vec![state(number)]);
        }
        let copy = disk.without_power(&mut Random::new(seed));
        disk.restore(copy);
        assert!((5..10).contains(&disk.states(&[]).unwrap().len()));
    }
}

#[test]
fn what_rotted_is_found_by_whoever_reads_it_and_by_nobody_else() {
    let mut disk = SimDisk::remembering();
    disk.commit(vec![state(1), record(1)]);
    assert!(disk.rot(&mut Random::new(0)));
    disk.commit(vec![record(2)]);
    assert!(read(&disk, 2).is_ok() && !disk.is_found());
    assert!(read(&disk, 1).is_err() && disk.is_found());
    let mut disk = SimDisk::remembering();
    disk.commit(vec![record(1)]);
    assert!(disk.rot(&mut Random::new(0)));
    disk.commit(vec![record(1)]);
    assert!(read(&disk, 1).is_ok(), "it was written again");
}
