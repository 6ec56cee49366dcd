//! A store refuses reads and writes after a failed commit, until it is opened again.

use std::fs;

use kittengrad_journal::{
    BlockStore, ChainStore, ElementStore, RecordStore, StateStore, StoreError, TransactionStore,
    Write,
};
use kittengrad_proto::id::{Id, RecordId};
use kittengrad_ring::KeyRange;
use tempfile::TempDir;

use crate::content::{check_has, commit, open};

/// Keeps S8.
#[test]
fn failed_commit_ends_everything_and_loses_nothing_before_it() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    let (database, elsewhere) = (
        directory.path().join("db"),
        directory.path().join("elsewhere"),
    );
    // An open log can still be written; the next log cannot be created.
    fs::rename(&database, &elsewhere).unwrap();
    let mut done = 0;
    let error = loop {
        match store.commit(commit(done)) {
            Ok(()) => done += 1,
            Err(error) => break error,
        }
        assert!(done < 10_000, "no commit needed a new log");
    };
    assert!(done > 0);
    fs::rename(&elsewhere, &database).unwrap();

    let text = error.to_string();
    let (id, record) = (Id::ZERO, RecordId::of(b""));
    for refused in [
        store.commit(commit(done)).err(),
        store
            .commit(vec![Write::State(
                b"key".as_slice().into(),
                b"value".as_slice().into(),
            )])
            .err(),
        store.commit(vec![]).err(),
        store.contains(&[]).err(),
        store.set(&record).err(),
        store.exists(&record).err(),
        store.walk(KeyRange::WHOLE, None, 1).err(),
        store.transactions(&[id]).err(),
        store.has_transactions(&[id]).err(),
        store.records(&[record]).err(),
        store.chain(&id).err(),
        store.block(7, 0).err(),
        store.incarnations().err(),
        store.head().err(),
        store.state(b"key").err(),
        store.states(b"").err(),
        store.states_page(b"", Some(b"key"), 1).err(),
    ] {
        let refused = refused.unwrap();
        assert!(
            matches!(refused, StoreError::Io(_) | StoreError::Damaged(_)),
            "{refused}"
        );
        assert!(
            refused.to_string().contains("commit failed"),
            "{refused}, first {text}"
        );
    }
    drop(store);
    check_has(&open(directory.path()), done).unwrap();
}
