//! After a kill at any moment, the index on the disk is exactly the fold of the journal up to its cursor.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use kittengrad_client_core::view::fold::fold;
use kittengrad_indexer_core::{Block, Digest, Indexer, Input, Output, document_hash};

use crate::world::{TATE, block, draft, open};

const DIRECTORY: &str = "KITTENGRAD_TEST_INDEX_UNTIL_KILLED";
const BLOCKS: u64 = 400;

/// The journal: five updates in each block, of 30 canonicals in turn.
fn journal(height: u64) -> Block {
    let statements = (0..5).map(|n| {
        let identifier = format!("test:{}", (height * 7 + n * 11) % 30);
        draft(
            TATE,
            height,
            &identifier,
            &format!("said at {height}"),
            &format!(r#"{{"n": {n}}}"#),
        )
        .statement()
    });
    block(height, TATE, statements.collect())
}

/// Indexes the journal from the cursor of the index, with a commit after each block, and prints the heights.
#[expect(
    clippy::print_stdout,
    reason = "the process that kills this one reads it"
)]
fn index(directory: &Path, until: u64) {
    let (mut index, _lock) = open(directory).unwrap();
    let state = index.snapshot().state.clone();
    let next = state
        .cursors
        .current()
        .map_or(0, |cursor| cursor.next_height());
    let mut indexer = Indexer::resume(state, index.publishers().clone());
    for height in next..until {
        let mut out = Output::default();
        indexer
            .handle(0, Input::Block(journal(height)), &index, &mut out)
            .unwrap();
        indexer.handle(0, Input::Cut, &index, &mut out).unwrap();
        index.commit(&out.commit.unwrap()).unwrap();
        println!("committed {height}");
    }
}

/// Checks documents, counts and digest against the journal up to the cursor; returns the next height.
fn check(directory: &Path) -> u64 {
    let (index, _lock) = open(directory).unwrap();
    let snapshot = index.snapshot();
    let next = snapshot
        .state
        .cursors
        .current()
        .map_or(0, |cursor| cursor.next_height());
    let mut expected = std::collections::BTreeMap::new();
    for transaction in (0..next).flat_map(|height| journal(height).transactions) {
        for element in transaction.added {
            let update = element.update.unwrap();
            let set: &mut std::collections::BTreeMap<_, _> =
                expected.entry(element.canonical).or_default();
            set.insert(update, transaction.records.get(&update).cloned());
        }
    }
    let (mut digest, mut updates, mut documents) = (Digest::default(), 0, 0);
    snapshot
        .for_each(|canonical, stored| {
            assert_eq!(
                Some(stored.set.elements()),
                expected.get(&canonical),
                "{canonical}"
            );
            let document = fold(
                canonical,
                stored.set.record().map(|record| &record[..]),
                stored.set.elements(),
            );
            assert_eq!(document_hash(&document), stored.hash);
            assert!(
                snapshot.brief(&canonical).unwrap().is_some(),
                "the document of {canonical} is not found"
            );
            digest.add(&stored.hash);
            (documents, updates) = (documents + 1, updates + stored.set.elements().len() as u64);
            true
        })
        .unwrap();
    assert_eq!(documents, expected.len() as u64);
    let state = &snapshot.state;
    assert_eq!(
        (state.counts.documents, state.counts.updates, &state.digest),
        (documents, updates, &digest)
    );
    next
}

/// Not a test of its own: the child process that the next test kills.
#[test]
fn indexes_until_killed_when_told_to() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        index(directory.as_ref(), BLOCKS);
    }
}

/// Keeps S6.
#[test]
fn killed_at_any_moment_documents_and_cursor_fit_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let mut reached = 0;
    for kill in 0..8_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "crash::indexes_until_killed_when_told_to",
                "--nocapture",
            ])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let commits = lines.filter(|line| line.contains("committed"));
        // The kill comes a little later each time: before, during and after the next commit.
        let seen = commits.take(3 + kill as usize).count();
        std::thread::sleep(std::time::Duration::from_micros(kill * kill * 700));
        child.kill().unwrap();
        child.wait().unwrap();
        let next = check(directory.path());
        assert!(next >= reached + seen as u64, "a commit is lost");
        reached = next;
    }
    assert!(reached >= 8 * 3);
    index(directory.path(), reached + 20);
    assert_eq!(check(directory.path()), reached + 20);
}
