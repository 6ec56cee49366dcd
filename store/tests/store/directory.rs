//! A directory has one owner and one user. Damaged data is put aside, never repaired or deleted.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use kittengrad_journal::StoreError;
use kittengrad_proto::{id::Id, namespace::Overlay, signed::Signer};
use kittengrad_store::{OpenError, Options, Owner, RocksStore, free_bytes, quarantine};
use kittengrad_support::journals::FakeKey;
use tempfile::TempDir;

use crate::content::{check_has, commit, open, owner, small, try_open};

fn refused(path: &Path) -> OpenError {
    refused_for(path, &owner())
}

fn refused_for(path: &Path, owner: &Owner) -> OpenError {
    try_open(path, owner).err().unwrap()
}

/// Puts aside a store that no other store uses. Waits for a lock that a child of another test holds.
fn put_aside(path: &Path) -> PathBuf {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match quarantine(path) {
            Err(OpenError::InUse { .. }) if Instant::now() < deadline => thread::yield_now(),
            moved => return moved.unwrap(),
        }
    }
}

/// Checks that the message of an error contains all `words`.
fn check_contains(error: &OpenError, words: &[&str]) {
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
}

#[test]
fn a_store_is_made_where_there_is_none_and_found_again() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("new/data");
    check_has(&open(&path), 0).unwrap();
    open(&path).commit(commit(0)).unwrap();
    check_has(&open(&path), 1).unwrap();
}

/// Keeps S7.
#[test]
fn a_directory_is_used_by_one_store_at_a_time() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let store = open(path);
    let error = RocksStore::open(path, &owner(), &small()).err().unwrap();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    check_contains(
        &error,
        &[path.to_str().unwrap(), "in use", "choose another directory"],
    );
    assert!(matches!(quarantine(path), Err(OpenError::InUse { .. })));
    drop(store);
    open(path);
}

#[test]
fn a_directory_that_a_tool_has_open_is_in_use() {
    let directory = TempDir::new().unwrap();
    drop(open(directory.path()));
    let database = directory.path().join("db");
    let options = rocksdb::Options::default();
    let names = rocksdb::DB::list_cf(&options, &database).unwrap();
    let tool = rocksdb::DB::open_cf(&options, &database, names).unwrap();
    let error = refused(directory.path());
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(tool);
    open(directory.path());
}

#[test]
fn options_that_are_too_small_are_made_larger() {
    let directory = TempDir::new().unwrap();
    let none = Options {
        cache_bytes_max: 0,
        write_buffer_bytes_max: 0,
        wal_bytes_max: 0,
        open_files_max: 0,
        background_jobs_max: 0,
    };
    let store = RocksStore::open(directory.path(), &owner(), &none).unwrap();
    for number in 0..20 {
        store.commit(commit(number)).unwrap();
    }
    check_has(&store, 20).unwrap();
}

/// Keeps S7.
#[test]
fn a_directory_belongs_to_one_network_namespace_and_key() {
    let directory = TempDir::new().unwrap();
    open(directory.path()).commit(commit(0)).unwrap();
    let Owner { overlay, key } = owner();
    let network = Id::of(&[b"another network"]);
    for other in [
        Owner {
            overlay: Overlay {
                network,
                ..overlay.clone()
            },
            key,
        },
        Owner {
            overlay: Overlay {
                namespace: "other".parse().unwrap(),
                ..overlay.clone()
            },
            key,
        },
        Owner {
            overlay,
            key: FakeKey(2).public(),
        },
    ] {
        let error = refused_for(directory.path(), &other);
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
        check_contains(&error, &[&owner().to_string(), &other.to_string()]);
    }
    check_has(&open(directory.path()), 1).unwrap();
}

#[test]
fn a_directory_of_another_format_is_refused_with_both_numbers() {
    for (format, later_family) in [(3, None), (5, None), (5, Some("trees"))] {
        let directory = TempDir::new().unwrap();
        open(directory.path());
        let database = directory.path().join("db");
        let options = rocksdb::Options::default();
        let names = rocksdb::DB::list_cf(&options, &database).unwrap();
        let mut db = rocksdb::DB::open_cf(&options, &database, names).unwrap();
        if let Some(name) = later_family {
            db.create_cf(name, &options).unwrap();
        }
        let meta = db.cf_handle("meta").unwrap();
        db.put_cf(meta, "owner", [format, 1, 1]).unwrap();
        drop(db);
        let error = refused(directory.path());
        assert!(
            matches!(error, OpenError::Version { found, .. } if found == format),
            "{error}"
        );
        let found = format!("has format {format}");
        check_contains(
            &error,
            &[&found, "reads format 4", "move the directory away"],
        );
    }
}

#[test]
fn a_crash_while_a_store_is_made_leaves_something_that_opens() {
    let whole = TempDir::new().unwrap();
    drop(open(whole.path()));
    let mut names = file_names(&whole.path().join("db"));
    names.retain(|name| name != "LOCK");
    // All files that a crash leaves are in the directory of the unfinished database.
    for count in 0..=names.len() {
        let directory = TempDir::new().unwrap();
        let unfinished = directory.path().join("db.new");
        fs::create_dir(&unfinished).unwrap();
        for name in &names[..count] {
            fs::copy(whole.path().join("db").join(name), unfinished.join(name)).unwrap();
        }
        let store = open(directory.path());
        check_has(&store, 0).unwrap();
        assert!(!unfinished.exists());
    }
}

fn file_names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    // RocksDB's text logs change with every attempt.
    names.retain(|name| !name.starts_with("LOG"));
    names.sort_unstable();
    names
}

/// A copy of a directory without the newest file whose name contains `part`.
fn without(whole: &Path, part: &str) -> TempDir {
    let copy = copy(whole);
    let database = copy.path().join("db");
    let names = file_names(&database);
    let name = names.iter().rfind(|name| name.contains(part)).unwrap();
    fs::remove_file(database.join(name)).unwrap();
    copy
}

#[test]
fn a_store_that_lost_a_file_is_damaged_and_not_made_anew() {
    let whole = TempDir::new().unwrap();
    for number in 0..3 {
        open(whole.path()).commit(commit(number)).unwrap();
    }
    for part in ["CURRENT", "MANIFEST", ".sst"] {
        let directory = without(whole.path(), part);
        let before = file_names(&directory.path().join("db"));
        let error = refused(directory.path());
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{part}: {error}"
        );
        let mut after = file_names(&directory.path().join("db"));
        after.retain(|name| before.contains(name));
        assert_eq!(after, before, "{part}");
    }
    // RocksDB opens blob files only when a value in them is read.
    let directory = without(whole.path(), ".blob");
    let read = check_has(&open(directory.path()), 3);
    assert!(matches!(read, Err(StoreError::Damaged(_))), "{read:?}");
}

/// Keeps S8.
#[test]
fn damaged_store_is_put_aside_and_a_new_one_takes_its_place() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    for round in 1..=3 {
        open(path).commit(commit(0)).unwrap();
        let current = path.join("db/CURRENT");
        fs::write(&current, "nonsense").unwrap();
        let error = refused(path);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        check_contains(&error, &[path.to_str().unwrap(), "CURRENT"]);
        let before = file_names(&path.join("db"));
        let aside = put_aside(path);
        assert_eq!(aside, path.join(format!("db.damaged-{round}")));
        assert_eq!(file_names(&aside), before);
        assert_eq!(
            fs::read_to_string(aside.join("CURRENT")).unwrap(),
            "nonsense"
        );
        check_has(&open(path), 0).unwrap();
    }
}

#[test]
fn what_the_operating_system_refuses_names_the_directory() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = refused(&file);
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    check_contains(&error, &[file.to_str().unwrap()]);
    let error = quarantine(&directory.path().join("absent")).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
}

#[test]
fn the_space_that_is_left_can_be_asked_for() {
    let directory = TempDir::new().unwrap();
    assert!(free_bytes(directory.path()).unwrap() > 0);
    assert!(free_bytes(&directory.path().join("absent")).is_err());
}

#[test]
fn figures_say_what_a_store_holds() {
    let directory = TempDir::new().unwrap();
    let store = RocksStore::open(directory.path(), &owner(), &Options::default()).unwrap();
    for number in 0..20 {
        store.commit(commit(number)).unwrap();
    }
    let stats = store.stats().unwrap();
    let counts = (
        stats.elements,
        stats.transactions,
        stats.records,
        stats.blocks,
    );
    assert_eq!(counts, (200, 20, 40, 20));
    assert!(
        stats.wal_bytes > 100_000 && stats.write_buffer_bytes > 100_000,
        "{stats:?}"
    );
    assert!(
        stats.table_bytes < 5_000 && stats.blob_bytes == 0,
        "{stats:?}"
    );
    drop(store);
    let stats = open(directory.path()).stats().unwrap();
    assert!(
        stats.table_bytes > 10_000 && stats.blob_bytes > 1_000,
        "{stats:?}"
    );
    assert_eq!((stats.elements, stats.wal_bytes), (200, 0));
}

/// Copies a data directory, open or not, as a crash at this moment would leave it.
pub(crate) fn copy(path: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    fs::create_dir(copy.path().join("db")).unwrap();
    for name in file_names(&path.join("db")) {
        fs::copy(
            path.join("db").join(&name),
            copy.path().join("db").join(&name),
        )
        .unwrap();
    }
    copy
}
