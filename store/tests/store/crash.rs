//! A commit that returned survives a kill, an abort and a cut log.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use kittengrad_store::{OpenError, RocksStore};
use tempfile::TempDir;

use crate::{
    content::{check_has, commit, found, open, owner, small},
    directory::copy,
};

/// Environment variable with the directory that a child process commits to.
const CHILD_PATH: &str = "KITTENGRAD_STORE_TEST_CHILD_PATH";
/// Environment variable with the number of commits after which the child aborts. Without it the child never ends.
const CHILD_COMMITS: &str = "KITTENGRAD_STORE_TEST_CHILD_COMMITS";
/// The word that the child prints after each commit.
const ACKNOWLEDGED: &str = "acknowledged";

/// Not a test: the body of the child processes that the tests below start.
#[test]
fn child() {
    let Some(path) = env::var_os(CHILD_PATH) else {
        return;
    };
    let limit: Option<u64> = env::var(CHILD_COMMITS)
        .ok()
        .map(|limit| limit.parse().unwrap());
    let store = open(Path::new(&path));
    let first = count(&store);
    for number in first.. {
        store.commit(commit(number)).unwrap();
        writeln!(std::io::stderr(), "{ACKNOWLEDGED} {number}").unwrap();
        if limit.is_some_and(|limit| number + 1 == first + limit) {
            std::process::abort();
        }
    }
}

/// The number of commits, from the first on without a gap.
fn count(store: &RocksStore) -> u64 {
    (0..)
        .find(|number| !found(store, *number).unwrap().is_whole())
        .unwrap()
}

fn start_child(path: &Path, commits: Option<u64>) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["crash::child", "--exact", "--nocapture", "--test-threads=1"]);
    command
        .env(CHILD_PATH, path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(commits) = commits {
        command.env(CHILD_COMMITS, commits.to_string());
    }
    command.spawn().unwrap()
}

/// The numbers of the commits that a child acknowledges, as it prints them.
fn acknowledged(child: &mut Child) -> impl Iterator<Item = u64> + use<> {
    let lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    lines.filter_map(|line| line.strip_prefix(ACKNOWLEDGED)?.trim().parse().ok())
}

/// Keeps S1.
#[test]
fn a_commit_that_returned_is_there_after_a_kill_at_any_moment() {
    let directory = TempDir::new().unwrap();
    let mut last = 0;
    for more in [1, 7, 40, 150, 300] {
        let mut child = start_child(directory.path(), None);
        let mut commits = acknowledged(&mut child);
        last = commits
            .by_ref()
            .find(|number| number + 1 >= last + more)
            .unwrap();
        let in_use = RocksStore::open(directory.path(), &owner(), &small())
            .err()
            .unwrap();
        assert!(matches!(in_use, OpenError::InUse { .. }), "{in_use}");
        child.kill().unwrap();
        child.wait().unwrap();
        last = commits.last().unwrap_or(last).max(last);
        let there = count(&open(directory.path()));
        assert!(
            there > last,
            "commit {last} was acknowledged, {there} are there"
        );
        check_has(&open(directory.path()), there).unwrap();
        last = there;
    }
}

#[test]
fn a_commit_that_returned_is_there_after_the_process_aborts() {
    let directory = TempDir::new().unwrap();
    for commits in [1, 2, 3] {
        let mut child = start_child(directory.path(), Some(3));
        assert!(acknowledged(&mut child).last().is_some());
        assert!(!child.wait().unwrap().success());
        check_has(&open(directory.path()), 3 * commits).unwrap();
    }
}

#[test]
fn a_copy_of_the_files_while_they_are_used_has_every_commit() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    for number in 0..20 {
        store.commit(commit(number)).unwrap();
        let copy = copy(directory.path());
        check_has(&open(copy.path()), number + 1).unwrap();
    }
}

#[test]
fn log_cut_short_loses_only_the_commit_under_way() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    let log = |path: &Path| log_path(path).unwrap();
    for number in 0..3 {
        store.commit(commit(number)).unwrap();
    }
    let before = fs::metadata(log(directory.path())).unwrap().len();
    store.commit(commit(3)).unwrap();
    let after = fs::metadata(log(directory.path())).unwrap().len();
    let lengths =
        (before..after)
            .step_by(613)
            .chain([before + 1, before + 6, before + 7, after - 1]);
    for length in lengths {
        let copy = copy(directory.path());
        fs::File::options()
            .write(true)
            .open(log(copy.path()))
            .unwrap()
            .set_len(length)
            .unwrap();
        check_has(&open(copy.path()), 3).unwrap();
        // The store can be written again.
        let store = open(copy.path());
        store.commit(commit(3)).unwrap();
        check_has(&store, 4).unwrap();
    }
}

/// The newest write-ahead log.
pub(crate) fn log_path(path: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(path.join("db"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .max()
}
