//! The data directory: for one process and one network, and never half-written.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kittengrad_indexer::index::{Index, OpenError};
use kittengrad_proto::{
    id::{Id, RecordId},
    namespace::Overlay,
};
use tempfile::TempDir;

use crate::world::{Indexing, SMALL, TATE, canonical, cursor, draft, open, open_as, overlay};

/// Keeps S6.
#[tokio::test(flavor = "multi_thread")]
async fn documents_names_and_cursor_are_there_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut indexing = Indexing::start_in(directory.path(), 0).await;
    let statements = (0..10)
        .map(|n| draft(TATE, n, &format!("test:{n}"), &format!("Work {n}"), "{}").statement())
        .collect();
    indexing.learn(TATE, statements).await;
    let before = indexing.json("/status").await;
    indexing.end().await;

    let mut indexing = Indexing::start_in(directory.path(), 0).await;
    let after = indexing.json("/status").await;
    assert_eq!(before, after);
    assert_eq!(after["cursor"], cursor(0).to_string());
    assert_eq!(after["documents"], 10);
    let found = indexing.json("/api/search?q=work").await;
    assert_eq!(found["total"], 10);
    assert_eq!(found["hits"][0]["publishers"][0], "Tate");
    // The index resumes after its last block.
    indexing
        .learn(
            TATE,
            vec![draft(TATE, 1, "test:0", "Said again", "{}").statement()],
        )
        .await;
    let of = canonical("test:0").0;
    let document = indexing.json(&format!("/api/document/{of}")).await;
    assert_eq!(document["updates"].as_array().unwrap().len(), 2);
    assert_eq!(
        indexing.json("/status").await["cursor"],
        cursor(1).to_string()
    );
    indexing.end().await;
}

#[test]
fn a_directory_that_another_process_has_open_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let held = open(directory.path()).unwrap();
    let error = Index::open(directory.path(), &overlay(), SMALL).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    assert!(error.to_string().contains("is in use by another process"));
    assert!(
        error
            .to_string()
            .contains(&*directory.path().to_string_lossy())
    );
    drop(held);
    open(directory.path()).unwrap();
}

#[test]
fn a_directory_of_another_network_or_namespace_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    let others = [
        Overlay {
            network: Id::of(&[b"another"]),
            ..overlay()
        },
        Overlay {
            namespace: "another".parse().unwrap(),
            ..overlay()
        },
    ];
    for other in others {
        let error = open_as(directory.path(), &other).unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains("belongs to \"demo\""), "{error}");
    }
    open(directory.path()).unwrap();
}

#[test]
fn an_index_that_cannot_be_read_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    let meta = directory.path().join("index/meta.json");
    for damage in ["", "{", "not json at all"] {
        fs::write(&meta, damage).unwrap();
        let error = open(directory.path()).unwrap_err();
        assert!(
            error.to_string().contains("move the directory away"),
            "{error}"
        );
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&file.join("data")).unwrap_err();
    assert!(
        matches!(error, OpenError::Io { .. }) && error.to_string().contains("file/data"),
        "{error}"
    );
}

/// Keeps S6, S8.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_an_index_is_found_when_it_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let mut indexing = Indexing::start_in(directory.path(), 0).await;
    for round in 0..3 {
        let statements = (0..10)
            .map(|n| draft(TATE, round, &format!("test:{n}"), "Work", "{}").statement())
            .collect();
        indexing.learn(TATE, statements).await;
    }
    indexing.end().await;
    let whole = content(&open(directory.path()).unwrap().0);
    let (mut found, mut harmless) = (0, 0);
    for name in names(directory.path()) {
        let bytes = fs::read(directory.path().join("index").join(&name)).unwrap();
        for number in 0..FLIPS.min(bytes.len()) {
            let copy = copy(directory.path());
            let mut flipped = bytes.clone();
            let at = bytes.len() * number / FLIPS.min(bytes.len());
            flipped[at] ^= 1 << (number % 8);
            fs::write(copy.path().join("index").join(&name), flipped).unwrap();
            match open(copy.path()) {
                Ok((index, _lock)) => {
                    assert_eq!(content(&index), whole, "byte {at} of {name:?}");
                    harmless += 1;
                }
                Err(OpenError::Damaged { .. } | OpenError::State { .. }) => found += 1,
                Err(other) => panic!("byte {at} of {name:?}: {other}"),
            }
        }
    }
    // Files of earlier commits may still be there; flips in them are harmless.
    assert!(found > 4 * harmless, "{found} found, {harmless} harmless");
}

/// Bits flipped in each file.
const FLIPS: usize = 24;

/// The documents, each with its hash, and the state.
fn content(index: &Index) -> (Vec<(RecordId, Id)>, String) {
    let mut all = Vec::new();
    let each = |canonical, stored: kittengrad_indexer_core::Stored| {
        all.push((canonical, stored.hash));
        true
    };
    index.snapshot().for_each(each).unwrap();
    all.sort_unstable();
    (all, index.snapshot().state.encode())
}

/// Names of the files of an index that are not empty.
fn names(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("index")).unwrap();
    let full = entries
        .map(Result::unwrap)
        .filter(|entry| entry.metadata().unwrap().len() > 0);
    let mut names: Vec<PathBuf> = full.map(|entry| entry.file_name().into()).collect();
    names.sort_unstable();
    names
}

fn copy(directory: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("index")).unwrap();
    for entry in fs::read_dir(directory.join("index")).unwrap() {
        let entry = entry.unwrap();
        let to = copy.path().join("index").join(entry.file_name());
        fs::copy(entry.path(), to).unwrap();
    }
    copy
}
