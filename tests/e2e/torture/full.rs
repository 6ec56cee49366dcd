//! A full disk: the answers to clients, the end of a process, and no loss.

use std::fs;

use kittengrad_client::{
    Client,
    submit::{Draft, GroupLimits, Prepared, SubmitOptions},
};
use kittengrad_proto::{
    error::{ErrorCode, ErrorDetail},
    id::PublicKey,
    record::{Canonical, CanonicalType, Record},
    wire,
};
use kittengrad_support::samples::skipped;
use tokio::runtime::Runtime;

use super::{client, disks::SmallDisk};
use crate::harness::{Network, Process, ends, program, until};

/// The size of the disk, in MiB.
const DISK_MIB: u64 = 128;
const RESERVE_MIB: u64 = 16;
const MIB: u64 = 1024 * 1024;

/// Three peers, the first of which has a small disk; `None` where disks cannot be mounted.
struct Full {
    disk: SmallDisk,
    network: Network,
    runtime: Runtime,
    client: Client,
    key: PublicKey,
    drafts: Vec<Draft>,
}

impl Full {
    fn prepare() -> Option<Self> {
        let mut network = Network::prepare(3);
        let folder = network.folder(Process::Peer(1));
        let Some(disk) = SmallDisk::mount(&folder.join("data"), DISK_MIB) else {
            skipped("tests of a full disk: none can be mounted here");
            return None;
        };
        set(&network, "reserve_mib", 64, RESERVE_MIB);
        // A commit fails only when a memtable is written, and a small one is full soon.
        set(&network, "write_buffer_mib", 32, 8);
        for number in 1..=3 {
            network.start(Process::Peer(number));
        }
        network.until_ready();
        let client = client(&network);
        let key = network.peer_id(1).parse().unwrap();
        Some(Self {
            disk,
            network,
            runtime: Runtime::new().unwrap(),
            client,
            key,
            drafts: Vec::new(),
        })
    }

    /// Signs a new transaction.
    fn prepare_new(&mut self) -> Prepared {
        let name = format!("full:{}", self.drafts.len());
        let canonical = Canonical::identified(CanonicalType::Artefact, name);
        let draft = Draft::insert(&Record::Canonical(canonical)).unwrap();
        self.drafts.push(draft.clone());
        let publisher = self.client.publishers()[0].key();
        let limits = GroupLimits::default();
        let prepared = self.client.prepare(&publisher, vec![draft], limits);
        prepared.unwrap().remove(0)
    }

    /// Sends a new transaction, which must be acknowledged.
    fn write_new(&mut self) {
        let prepared = self.prepare_new();
        let options = SubmitOptions {
            receipt: true,
            ..SubmitOptions::default()
        };
        let sent = self.client.send(&prepared, options);
        let told = self.runtime.block_on(sent).unwrap();
        assert!(told.acknowledged && told.synced.len() >= 2, "{told:?}");
    }

    /// The answer of the peer with the small disk to a new transaction.
    fn answer(&mut self) -> Result<(), ErrorDetail> {
        let prepared = self.prepare_new();
        let view = self.client.view();
        let request = wire::SubmitRequest {
            namespace: view.overlay().namespace.to_string(),
            transaction: Some(prepared.transaction().signed().to_wire()),
            records: prepared.records().to_vec(),
            chain: Some(self.client.publishers()[0].chain().to_wire()),
            ack: wire::Ack::Quorum.into(),
            receipt: false,
        };
        let asked = async {
            let member = self.client.member(&self.key).unwrap();
            member.store().submit(request).await
        };
        let Err(status) = self.runtime.block_on(asked) else {
            return Ok(());
        };
        self.drafts.pop();
        let detail = ErrorDetail::decode(status.details(), view.overlay());
        Err(detail.unwrap_or_else(|error| panic!("{error}: {status}")))
    }

    /// Whether the peer has every acknowledged record.
    fn has_everything(&self) -> bool {
        let canonicals: Vec<_> = self.drafts.iter().map(|draft| draft.canonical).collect();
        let asked = self.client.lookup_at(&self.key, &canonicals, true);
        let found = self.runtime.block_on(asked);
        found.is_ok_and(|found| {
            let mut answers = found.answers.iter();
            answers.all(|answer| answer.exists && answer.record.is_some())
        })
    }
}

/// Changes a setting in MiB of the first peer.
fn set(network: &Network, key: &str, from_mib: u64, to_mib: u64) {
    let path = network.folder(Process::Peer(1)).join("peer.toml");
    let text = fs::read_to_string(&path).unwrap();
    let (from, to) = (format!("{key} = {from_mib}"), format!("{key} = {to_mib}"));
    assert!(text.contains(&from), "{text}");
    fs::write(path, text.replace(&from, &to)).unwrap();
}

/// Keeps S1, S8.
#[test]
fn a_peer_on_a_full_disk_refuses_and_loses_nothing() {
    let Some(mut full) = Full::prepare() else {
        return;
    };
    for _ in 0..10 {
        full.write_new();
    }
    full.disk.fill(RESERVE_MIB * MIB / 2);
    until("the peer refuses new records", || match full.answer() {
        Ok(()) => false,
        Err(detail) => {
            assert_eq!(detail.code, ErrorCode::DiskFull);
            assert!(detail.hint.contains("another replica"), "{}", detail.hint);
            true
        }
    });
    until("the peer still answers readers", || full.has_everything());
    full.write_new();
    full.disk.free();
    until("the peer takes new records again", || full.answer().is_ok());
    until("the peer has what it missed", || full.has_everything());
}

/// Keeps S1, S8.
#[test]
fn a_commit_without_disk_space_ends_without_a_loss() {
    let Some(mut full) = Full::prepare() else {
        return;
    };
    full.network.stop(Process::Peer(1));
    set(&full.network, "reserve_mib", RESERVE_MIB, 0);
    full.network.start(Process::Peer(1));
    full.network.until_ready();
    full.write_new();
    full.disk.fill(0);
    let mut ended = None;
    until("a commit fails and the process ends", || {
        full.write_new();
        // Space that the log reserved is used up first.
        full.disk.fill(0);
        ended = full.network.ended(Process::Peer(1));
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(1));
    full.write_new();

    let refused = full.network.run_to_end(Process::Peer(1));
    assert_eq!(refused.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(stderr.contains("No space left on device"), "{stderr}");
    full.disk.free();
    full.network.start(Process::Peer(1));
    full.network.until_ready();
    until("the peer has everything", || full.has_everything());
    let data = full.network.folder(Process::Peer(1)).join("data");
    assert!(!data.join("db.damaged-1").exists(), "nothing was damaged");
}

#[test]
fn a_demo_without_disk_space_does_not_start() {
    let dir = tempfile::TempDir::new().unwrap();
    let Some(disk) = SmallDisk::mount(&dir.path().join("small"), DISK_MIB) else {
        skipped("a demo on a full disk: no disk can be mounted here");
        return;
    };
    let mut demo = program();
    let demo = ends(demo.args(["demo", "--dir"]).arg(dir.path().join("small")));
    let stderr = String::from_utf8_lossy(&demo.stderr);
    assert_eq!(demo.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("MiB are free in") && stderr.contains("needs 288"));
    drop(disk);
}
