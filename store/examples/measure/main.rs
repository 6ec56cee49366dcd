//! Measures stores on this machine's disk; see `USAGE`.
#![allow(clippy::unwrap_used, reason = "a measurement that fails has no result")]

mod machine;
mod writes;

use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kittengrad_journal::{BlockStore, ElementStore, Journal, RecordStore};
use kittengrad_proto::{block::Holds, id::RecordId, submission::Submission, transaction::Element};
use kittengrad_store::{Options, RocksStore};
use kittengrad_support::journals::{EntrySpec, FakeKey, overlay, submission_of};
use tempfile::TempDir;

use crate::{
    machine::{disk_bytes, memory_mib, processor_seconds},
    writes::{canonical, owner, update, writes},
};

const USAGE: &str = "\
measure commit   Commit prepared blocks, each synced, with one thread for each store
measure journal  Add signed transactions of 100 updates to journals over the stores, each block synced
measure read     Time the reads that peers make for every update, on a filled store
measure disk     Load canonicals with 10 updates, without records, and count bytes on disk
  --dir DIR            Make the stores in DIR and remove them at the end (default: the system's temporary directory)
  --updates N          Write N updates to each store (default 300,000)
  --batch N            Write N updates in each block (default 1,000)
  --stores N           Use N stores (default 3)
  --record-bytes N     Make records of N bytes (default 300)
";

fn main() {
    let mut arguments = env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
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
            _ => return print_line(USAGE),
        }
    }
    let directory = TempDir::new_in(&plan.directory).unwrap();
    match command.as_str() {
        "commit" => measure_commits(&plan, directory.path()),
        "journal" => measure_journals(&plan, directory.path()),
        "read" => measure_reads(&plan, directory.path()),
        "disk" => measure_disk(&plan, directory.path()),
        _ => print_line(USAGE),
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
            directory: env::temp_dir(),
            updates: 300_000,
            batch: 1_000,
            stores: 3,
            record_bytes: 300,
        }
    }
}

impl Plan {
    const fn blocks(&self) -> u64 {
        self.updates / self.batch
    }
}

fn measure_commits(plan: &Plan, directory: &Path) {
    let made =
        (0..plan.blocks()).map(|height| writes(height, plan.batch, 5, Some(plan.record_bytes)));
    let made: Vec<_> = made.collect();
    race(plan, directory, |store| {
        let commit = |writes: &Vec<_>| {
            let writes = writes.clone();
            timed(|| store.commit(writes).unwrap())
        };
        made.iter().map(commit).collect()
    });
}

fn measure_journals(plan: &Plan, directory: &Path) {
    let made: Vec<Vec<Submission>> = (0..plan.blocks())
        .map(|block| {
            let firsts = (block * plan.batch..(block + 1) * plan.batch).step_by(100);
            firsts
                .map(|first| submission_of(1, &entries(first), plan.record_bytes))
                .collect()
        })
        .collect();
    race(plan, directory, |store| {
        let holds = Holds::whole();
        let mut journal = Journal::open(overlay(), Arc::new(FakeKey(1)), 1, None, holds, &[]);
        let mut block = |submissions: &Vec<Submission>| {
            timed(|| {
                for submission in submissions {
                    journal.add(submission, |_| true, store).unwrap();
                }
                let mut writes = Vec::new();
                journal.cut(1, &mut writes).unwrap();
                store.commit(writes).unwrap();
                journal.committed();
            })
        };
        made.iter().map(&mut block).collect()
    });
}

/// Inserts of 20 canonicals with 5 updates each.
fn entries(first: u64) -> Vec<EntrySpec> {
    let canonical = |number: u64| {
        let updates = (0..5).map(|n| 1_000_000_000 + 5 * number + n).collect();
        (number, true, updates)
    };
    (first / 5..first / 5 + 20).map(canonical).collect()
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// Runs `work` on all stores at the same time, one thread for each, and prints the times.
fn race(plan: &Plan, directory: &Path, work: impl Fn(&RocksStore) -> Vec<Duration> + Sync) {
    let path = |number: u64| directory.join(number.to_string());
    let stores: Vec<_> = (0..plan.stores).map(|number| open(&path(number))).collect();
    let (memory, processor, begun) = (memory_mib("VmRSS"), processor_seconds(), Instant::now());
    let mut times: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = stores
            .iter()
            .map(|store| scope.spawn(|| work(store)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let processor = processor_seconds() - processor;
    times.sort_unstable();
    let Plan {
        updates,
        batch,
        stores: count,
        record_bytes,
        ..
    } = plan;
    let all = updates * count;
    print_line(&format!(
        "{count} stores, {updates} updates each, {batch} a block, records of {record_bytes} bytes"
    ));
    print_line(&format!(
        "{:.0} updates/s in each store",
        *updates as f64 / seconds
    ));
    print_line(&format!(
        "{:.2} µs of processor time an update and store",
        processor * 1e6 / all as f64
    ));
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    print_line(&format!(
        "a block takes p50 {:?} p99 {:?} max {:?}",
        at(50),
        at(99),
        at(100)
    ));
    print_line(&format!(
        "{} MiB of peak memory above the start",
        memory_mib("VmHWM").saturating_sub(memory)
    ));
    print_line(&format!(
        "{} bytes on disk an update",
        disk_bytes(directory) / all
    ));
}

fn measure_disk(plan: &Plan, path: &Path) {
    let store = open(path);
    for height in 0..plan.blocks() {
        store.commit(writes(height, plan.batch, 10, None)).unwrap();
    }
    drop(store);
    let store = open(path);
    while store.stats().unwrap().merge_backlog_bytes > 0 {
        thread::yield_now();
    }
    let stats = store.stats().unwrap();
    print_line(&format!("{stats:?}"));
    let bytes = stats.table_bytes + stats.blob_bytes + stats.wal_bytes;
    print_line(&format!(
        "{} bytes a canonical with 10 updates",
        bytes * 10 / plan.updates
    ));
}

fn measure_reads(plan: &Plan, path: &Path) {
    let store = open(path);
    for height in 0..plan.blocks() {
        store
            .commit(writes(height, plan.batch, 5, Some(plan.record_bytes)))
            .unwrap();
    }
    drop(store);
    let store = open(path);
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
    time("contains, 100 present", 2_000, |n| {
        assert!(
            store
                .contains(&elements(&some, n))
                .unwrap()
                .iter()
                .all(|is| *is)
        );
    });
    time("contains, 100 absent", 2_000, |n| {
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
    time("exists, present", 100_000, |n| {
        assert!(store.exists(&some(n)).unwrap())
    });
    time("exists, absent", 100_000, |n| {
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
    print_line(&format!("{:?}", store.stats().unwrap()));
    print_line(&format!(
        "memory: {} MiB now, {} MiB peak",
        memory_mib("VmRSS"),
        memory_mib("VmHWM")
    ));
}

fn time(name: &str, count: u64, ask: impl Fn(u64)) {
    for n in 0..count / 10 {
        ask(n);
    }
    let begun = Instant::now();
    for n in 0..count {
        ask(n);
    }
    let micros = begun.elapsed().as_secs_f64() * 1e6 / count as f64;
    print_line(&format!("{name:40} {micros:8.2} µs"));
}

fn open(path: &Path) -> RocksStore {
    RocksStore::open(path, &owner(), &Options::default()).unwrap()
}

fn print_line(line: &str) {
    // A closed standard output is not an error of the measurement.
    let _ = writeln!(std::io::stdout(), "{line}");
}
