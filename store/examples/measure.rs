//! Measures stores on this machine's disk: `measure commit|read|disk [--dir DIR] [--updates N] …`, see `USAGE`.
#![allow(clippy::unwrap_used, reason = "a measurement that fails has no result")]

use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use kittengrad_journal::{Locator, Store, StoredBlock, Write};
use kittengrad_proto::{
    block::{Block, Header, HeaderFields},
    id::{Id, PublicKey, RecordId},
    merkle::Tree,
    namespace::Overlay,
    signed::{SIGNATURE_BYTES, Signer},
    transaction::Element,
};
use kittengrad_store::{Options, Owner, RocksStore};

const USAGE: &str = "\
measure commit   commits batches to several stores, a thread for each, every batch synced
measure read     asks a filled store what peers ask for every update
measure disk     loads canonicals with 10 updates, without records, and counts bytes on disk
  --dir DIR            where the stores are made (default: a new directory beside the system's others)
  --updates N          updates in each store (default 1,000,000)
  --batch N            updates in each commit (default 1,000)
  --stores N           stores (default 3)
  --record-bytes N     bytes of each record (default 300)
";

fn main() {
    let mut arguments = env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let mut plan = Plan::default();
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let number = || value.replace('_', "").parse::<u64>().unwrap();
        match name.as_str() {
            "--dir" => plan.directory = value.into(),
            "--updates" => plan.updates = number(),
            "--batch" => plan.batch = number(),
            "--stores" => plan.stores = number(),
            "--record-bytes" => plan.record_bytes = usize::try_from(number()).unwrap(),
            _ => return say(USAGE),
        }
    }
    std::fs::create_dir_all(&plan.directory).unwrap();
    match what.as_str() {
        "commit" => measure_commits(&plan),
        "read" => measure_reads(&plan),
        "disk" => measure_disk(&plan),
        _ => say(USAGE),
    }
}

struct Plan {
    directory: PathBuf,
    updates: u64,
    batch: u64,
    stores: u64,
    record_bytes: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            directory: env::temp_dir().join(format!("kittengrad-measure-{}", std::process::id())),
            updates: 1_000_000,
            batch: 1_000,
            stores: 3,
            record_bytes: 300,
        }
    }
}

fn measure_commits(plan: &Plan) {
    let begun = Instant::now();
    let times: Vec<_> = std::thread::scope(|scope| {
        let stores: Vec<_> = (0..plan.stores)
            .map(|number| {
                let path = plan.directory.join(number.to_string());
                scope.spawn(move || fill(&open(&path), plan))
            })
            .collect();
        stores
            .into_iter()
            .flat_map(|store| store.join().unwrap())
            .collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let made: f64 = times.iter().map(|(made, _)| made.as_secs_f64()).sum();
    let mut commits: Vec<_> = times.into_iter().map(|(_, commit)| commit).collect();
    commits.sort_unstable();
    // Making the writes is not the store's work; it is spread over the threads and cores like the rest.
    let busy: f64 = commits.iter().map(Duration::as_secs_f64).sum();
    let alone = seconds * busy / (busy + made);
    let per_second = |seconds: f64| plan.updates as f64 / seconds;
    say(&format!(
        "{} stores, {} updates each, {} a commit, records of {} bytes",
        plan.stores, plan.updates, plan.batch, plan.record_bytes
    ));
    say(&format!(
        "{:.0} updates/s ({:.0} with making them), commit p50 {:?} p99 {:?} max {:?}",
        per_second(alone),
        per_second(seconds),
        commits[commits.len() / 2],
        commits[commits.len() * 99 / 100],
        commits[commits.len() - 1],
    ));
    say(&format!(
        "memory {} MiB now, {} MiB at most",
        memory_mib("VmRSS"),
        memory_mib("VmHWM")
    ));
    say(&format!(
        "on disk {} bytes an update",
        disk_bytes(&plan.directory) / plan.updates / plan.stores
    ));
}

/// Commits everything, and says how long making and committing each batch took.
fn fill(store: &RocksStore, plan: &Plan) -> Vec<(Duration, Duration)> {
    let mut times = Vec::new();
    for height in 0..plan.updates / plan.batch {
        let begun = Instant::now();
        let writes = writes(height, plan.batch, 5, Some(plan.record_bytes));
        let made = Instant::now();
        store.commit(writes).unwrap();
        times.push((made - begun, made.elapsed()));
    }
    times
}

fn measure_disk(plan: &Plan) {
    let path = plan.directory.join("disk");
    let store = open(&path);
    for height in 0..plan.updates / plan.batch {
        store.commit(writes(height, plan.batch, 10, None)).unwrap();
    }
    drop(store);
    let store = open(&path);
    while store.stats().unwrap().merge_backlog_bytes > 0 {
        std::thread::yield_now();
    }
    let stats = store.stats().unwrap();
    say(&format!("{stats:?}"));
    let bytes = stats.table_bytes + stats.blob_bytes + stats.wal_bytes;
    say(&format!(
        "{} bytes a canonical with 10 updates",
        bytes * 10 / plan.updates
    ));
}

fn measure_reads(plan: &Plan) {
    let path = plan.directory.join("read");
    fill(&open(&path), plan);
    let store = open(&path);
    let canonicals = plan.updates / 5;
    let some = |n: u64| canonical(n * 7_919 % canonicals);
    let none = |n: u64| canonical(canonicals + n);
    let elements = |of: &dyn Fn(u64) -> RecordId, n: u64| -> Vec<Element> {
        let mut elements: Vec<_> = (0..20)
            .flat_map(|k| {
                let number = n * 20 + k;
                let at = number * 7_919 % canonicals;
                (0..5).map(move |u| (number, Some(update(at * 5 + u))))
            })
            .map(|(number, update)| Element {
                canonical: of(number),
                update,
            })
            .collect();
        elements.sort_unstable();
        elements
    };
    time("contains, 100 that are there", 2_000, |n| {
        assert!(
            store
                .contains(&elements(&some, n))
                .unwrap()
                .iter()
                .all(|is| *is)
        );
    });
    time("contains, 100 that are not", 2_000, |n| {
        assert!(
            !store
                .contains(&elements(&none, n))
                .unwrap()
                .iter()
                .any(|is| *is)
        );
    });
    time("making 100 elements (in the two above)", 2_000, |n| {
        assert_eq!(elements(&none, n).len(), 100);
    });
    time("exists, there", 100_000, |n| {
        assert!(store.exists(&some(n)).unwrap())
    });
    time("exists, not there", 100_000, |n| {
        assert!(!store.exists(&none(n)).unwrap())
    });
    time("set of 5", 100_000, |n| {
        assert_eq!(store.set(&some(n)).unwrap().unwrap().len(), 5)
    });
    time("set of 5 and its records", 20_000, |n| {
        let set = store.set(&some(n)).unwrap().unwrap();
        assert!(store.records(&set).unwrap().iter().all(Option::is_some));
    });
    time("block", 2_000, |n| {
        assert!(
            store
                .block(1, n % (plan.updates / plan.batch))
                .unwrap()
                .is_some()
        );
    });
    say(&format!("{:?}", store.stats().unwrap()));
    say(&format!(
        "memory {} MiB now, {} MiB at most",
        memory_mib("VmRSS"),
        memory_mib("VmHWM")
    ));
}

fn time(what: &str, count: u64, ask: impl Fn(u64)) {
    for n in 0..count / 10 {
        ask(n);
    }
    let begun = Instant::now();
    for n in 0..count {
        ask(n);
    }
    let micros = begun.elapsed().as_secs_f64() * 1e6 / count as f64;
    say(&format!("{what:40} {micros:8.2} µs"));
}

/// The writes of one block: transactions of 100 updates, `per` on each canonical.
fn writes(height: u64, count: u64, per: u64, record_bytes: Option<usize>) -> Vec<Write> {
    let mut writes = Vec::new();
    let mut items = Vec::new();
    let updates = height * count..(height + 1) * count;
    for (index, first) in (0..).zip(updates.clone().step_by(100)) {
        let numbers = first..(first + 100).min(updates.end);
        let mut transaction = vec![0_u8; 250];
        let at = Locator {
            incarnation: 1,
            height,
            index,
        };
        for number in numbers {
            let (canonical, update) = (canonical(number / per), update(number));
            if number % per == 0 {
                transaction.extend_from_slice(canonical.as_bytes());
            }
            transaction.extend_from_slice(update.as_bytes());
            writes.push(Write::Element(
                Element {
                    canonical,
                    update: Some(update),
                },
                at,
            ));
            if let Some(bytes) = record_bytes {
                writes.push(Write::Record(update, text(number, bytes)));
            }
        }
        let id = Id::of(&[b"transaction", &first.to_be_bytes()]);
        items.push(
            [
                &[10, 50, 10, 32],
                &id.as_bytes()[..],
                &[18, 13],
                &[0xff; 13],
            ]
            .concat()
            .into(),
        );
        writes.push(Write::Transaction(id, transaction.into()));
    }
    // As a journal gives them: elements in order.
    writes.sort_by_key(|write| match write {
        Write::Element(element, _) => Some(*element),
        _ => None,
    });
    writes.push(Write::Block(Box::new(block(height, items))));
    writes
}

fn block(height: u64, items: Vec<Bytes>) -> StoredBlock {
    let fields = HeaderFields {
        incarnation: 1,
        height,
        previous: Id::ZERO,
        time_ms: height,
        items_root: Tree::new(items.iter().map(|item| &item[..])).root(),
        item_count: u32::try_from(items.len()).unwrap(),
        fork: None,
    };
    let header = Header::sign(&owner().overlay, &fields, &Unsigned);
    StoredBlock {
        block: Block { header, items },
        offset: 0,
    }
}

fn canonical(number: u64) -> RecordId {
    RecordId::of(&[b"canonical", &number.to_be_bytes()[..]].concat())
}

fn update(number: u64) -> RecordId {
    RecordId::of(&number.to_be_bytes())
}

/// Text of which about half can be squeezed out, as of records about works.
fn text(number: u64, bytes: usize) -> Bytes {
    const WORDS: [&str; 16] = [
        "oil",
        "on",
        "canvas",
        "paper",
        "landscape",
        "portrait",
        "of",
        "the",
        "river",
        "bequeathed",
        "museum",
        "untitled",
        "study",
        "for",
        "1841",
        "graphite",
    ];
    let mut text = format!("{{\"id\":{number},\"title\":\"").into_bytes();
    let mut seed = number;
    while text.len() < bytes {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.extend_from_slice(WORDS[(seed >> 60) as usize].as_bytes());
        text.extend_from_slice(&[
            b' ',
            b'a' + (seed >> 40 & 15) as u8,
            b'a' + (seed >> 44 & 15) as u8,
        ]);
    }
    text.truncate(bytes);
    text.into()
}

struct Unsigned;

impl Signer for Unsigned {
    fn public(&self) -> PublicKey {
        PublicKey::new([1; 32])
    }

    fn sign(&self, _: &[u8]) -> [u8; SIGNATURE_BYTES] {
        [1; SIGNATURE_BYTES]
    }
}

fn owner() -> Owner {
    let overlay = Overlay {
        network: Id::ZERO,
        namespace: "measure".parse().unwrap(),
    };
    Owner {
        overlay,
        key: Unsigned.public(),
    }
}

fn open(path: &Path) -> RocksStore {
    RocksStore::open(path, &owner(), &Options::default()).unwrap()
}

/// A figure of this process in MiB, as Linux gives it.
fn memory_mib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

/// Bytes of all files under a directory.
fn disk_bytes(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

fn say(line: &str) {
    // Nobody listens any more: there is nobody to tell.
    let _ = writeln!(std::io::stdout(), "{line}");
}
