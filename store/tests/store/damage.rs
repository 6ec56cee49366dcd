//! A flipped bit is found when the store is opened or when the damaged data is read. It never gives a wrong answer,
//! and is never taken for the end of the data.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kittengrad_journal::StoreError;
use kittengrad_store::OpenError;
use tempfile::TempDir;

use crate::{
    content::{check_has, commit, open, owner, try_open},
    crash::log_path,
    directory::copy,
};

const COMMITS: u64 = 12;
/// Bits flipped in each kind of file.
const FLIPS: u64 = 30;

/// A store with tables, blob files, and commits that are only in the log.
fn whole() -> TempDir {
    let directory = TempDir::new().unwrap();
    for round in 0..3 {
        // Opening a store writes the commits in its log to tables.
        let store = open(directory.path());
        for number in round * COMMITS / 3..(round + 1) * COMMITS / 3 {
            store.commit(commit(number)).unwrap();
        }
    }
    directory
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// The store was not opened.
    refused: u64,
    /// A read reported damage.
    read: u64,
    /// All answers were right.
    harmless: u64,
}

/// Flips bits, drawn by seeds, in the files whose names contain `part`, one in each copy of a store.
fn flip(part: &str) -> Tally {
    let whole = whole();
    let mut tally = Tally::default();
    for seed in 0..FLIPS {
        let copy = copy(whole.path());
        let (file, at, bit) = place(copy.path(), part, seed);
        flip_bit(&file, at, bit);
        match try_open(copy.path(), &owner()) {
            Err(OpenError::Damaged { .. }) => tally.refused += 1,
            Err(other) => panic!("{part}, seed {seed}: {other}"),
            // `check_has` panics at a wrong answer.
            Ok(store) => match check_has(&store, COMMITS) {
                Ok(()) => tally.harmless += 1,
                Err(StoreError::Damaged(_)) => {
                    assert!(
                        store.damage().is_some(),
                        "{part}, seed {seed}: the damage was not kept"
                    );
                    tally.read += 1;
                }
                Err(other) => panic!("{part}, seed {seed}: {other}"),
            },
        }
    }
    tally
}

/// The file, the byte and the bit that `seed` draws from all files whose names contain `part`.
fn place(path: &Path, part: &str, seed: u64) -> (PathBuf, u64, u8) {
    let entries = fs::read_dir(path.join("db"))
        .unwrap()
        .map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .filter(|entry| entry.file_name().to_string_lossy().contains(part))
        .map(|entry| (entry.path(), entry.metadata().unwrap().len()))
        .collect();
    files.sort_unstable();
    let bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let drawn = mix(seed);
    let mut at = (drawn >> 3) % bytes;
    for (file, bytes) in files {
        if at < bytes {
            return (file, at, (drawn & 7) as u8);
        }
        at -= bytes;
    }
    unreachable!("the drawn byte is in one of the files")
}

/// SplitMix64.
fn mix(seed: u64) -> u64 {
    let mut x = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn flip_bit(file: &Path, at: u64, bit: u8) {
    let mut bytes = fs::read(file).unwrap();
    bytes[usize::try_from(at).unwrap()] ^= 1 << bit;
    fs::write(file, bytes).unwrap();
}

/// Keeps S8.
#[test]
fn a_flipped_bit_in_a_log_is_found_when_the_store_is_opened() {
    assert_eq!(
        flip(".log"),
        Tally {
            refused: FLIPS,
            ..Tally::default()
        }
    );
}

#[test]
fn flipped_bit_in_a_manifest_is_found_at_opening() {
    assert_eq!(
        flip("MANIFEST"),
        Tally {
            refused: FLIPS,
            ..Tally::default()
        }
    );
}

#[test]
fn flipped_bit_in_the_manifests_name_is_found_at_opening() {
    assert_eq!(
        flip("CURRENT"),
        Tally {
            refused: FLIPS,
            ..Tally::default()
        }
    );
}

/// Keeps S8.
#[test]
fn a_flipped_bit_in_a_table_gives_no_wrong_answer() {
    let tally = flip(".sst");
    // Some bits are in a table's statistics, or in filters that no read uses.
    assert!(tally.read + tally.refused > FLIPS / 2, "{tally:?}");
}

#[test]
fn a_flipped_bit_in_a_blob_file_gives_no_wrong_answer() {
    let tally = flip(".blob");
    assert!(tally.read + tally.refused > FLIPS / 2, "{tally:?}");
}

/// RocksDB alone takes some of these bits for the end of the log: in a length, which then reaches past the end of the
/// file, or in a type, which then is that of a recycled log.
/// Keeps S1.
#[test]
fn log_shows_every_flipped_bit_of_first_and_last_records() {
    let whole = whole();
    let log = log_path(whole.path()).unwrap();
    let bytes = fs::read(&log).unwrap();
    let tail = bytes.len() - 200..bytes.len();
    // The last record, or its last part, begins in the last block of 32 KiB.
    let block = bytes.len() / 32_768 * 32_768;
    for at in (0..7).chain(block..block + 7).chain(tail) {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            fs::write(&log, &flipped).unwrap();
            let refused = try_open(whole.path(), &owner()).err();
            assert!(
                matches!(refused, Some(OpenError::Damaged { .. })),
                "bit {bit} of byte {at}"
            );
        }
    }
    fs::write(&log, &bytes).unwrap();
    check_has(&open(whole.path()), COMMITS).unwrap();
}
