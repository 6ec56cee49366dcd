//! The machines of a network under torture: their processes, disks and addresses.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use kittengrad_overlay::file::NetworkFile;
use kittengrad_pki::credentials::{Credentials, Paths};
use kittengrad_proto::{certificate::Role, id::PublicKey};
use kittengrad_sim::Node;
use kittengrad_support::{clock::unix_ms, samples::skipped};

use super::disks::SmallDisk;
use crate::harness::{Network, Process, until};

/// Peers of a network under torture.
pub(super) const PEERS: usize = 5;
/// The size of the small disk and the reserve of its peer, in MiB.
const DISK_MIB: u64 = 384;
pub(super) const RESERVE_MIB: u64 = 32;
/// The longest time until a second process refuses to run.
const REFUSAL: Duration = Duration::from_secs(60);

/// The network, with the keys, addresses and disks of its processes.
pub(super) struct Machines {
    /// The peer with the small disk, and that disk. It is declared first, so that it is unmounted before the folder is
    /// removed.
    pub(super) small: Option<(Process, SmallDisk)>,
    pub(super) network: Network,
    /// The key of each process, and the address of its pages.
    pub(super) keys: BTreeMap<Process, PublicKey>,
    pub(super) urls: BTreeMap<Process, String>,
    places: BTreeMap<Process, usize>,
}

/// All processes, peers first.
pub(super) fn everybody() -> Vec<Process> {
    let peers = (1..=PEERS).map(Process::Peer);
    peers
        .chain([Process::Aggregator, Process::Indexer])
        .collect()
}

impl Machines {
    /// Prepares a network. One peer gets a small disk, if disks can be mounted here.
    pub(super) fn prepare(small: Process) -> Self {
        let mut network = Network::prepare(PEERS);
        network.keep_if_it_fails();
        let path = network.path().join("network.toml");
        let file = NetworkFile::load(&path, fs::read_to_string).unwrap();
        let known = file.view().unwrap();
        let (mut keys, mut urls) = (BTreeMap::new(), BTreeMap::new());
        let mut places = BTreeMap::new();
        for process in everybody() {
            let role = match process {
                Process::Peer(_) => Role::Peer,
                Process::Aggregator => Role::Aggregator,
                Process::Indexer => Role::Indexer,
            };
            let paths = Paths::in_dir(&network.folder(process));
            let loaded = Credentials::load(&paths, role, unix_ms()).unwrap();
            let key = loaded.credentials.holder().key;
            let member = known.member(&key).unwrap();
            urls.insert(process, format!("http://{}", member.addresses.http));
            let place = known.peers().position(|peer| peer.key == key);
            places.extend(place.map(|place| (process, place)));
            keys.insert(process, key);
        }
        let mut machines = Self {
            network,
            keys,
            urls,
            places,
            small: None,
        };
        machines.mount(small);
        machines
    }

    fn mount(&mut self, process: Process) {
        let folder = self.network.folder(process);
        let Some(disk) = SmallDisk::mount(&folder.join("disk"), DISK_MIB) else {
            skipped("faults of a full disk: none can be mounted here");
            return;
        };
        let path = folder.join("peer.toml");
        let text = fs::read_to_string(&path).unwrap();
        let reserve = format!("reserve_mib = {RESERVE_MIB}");
        let changed = |text: String, from: &str, to: &str| {
            assert!(text.contains(from), "{from} is not in {text}");
            text.replace(from, to)
        };
        let text = changed(text, "data = \"data\"", "data = \"disk/data\"");
        fs::write(path, changed(text, "reserve_mib = 64", &reserve)).unwrap();
        self.small = Some((process, disk));
    }

    /// The node of a process in the invariants.
    pub(super) fn node(&self, process: Process) -> Node {
        match process {
            Process::Peer(_) => Node::Peer(self.places[&process]),
            Process::Aggregator => Node::Aggregator,
            Process::Indexer => Node::Indexer,
        }
    }

    /// The data directory of a process.
    pub(super) fn data(&self, process: Process) -> PathBuf {
        let folder = self.network.folder(process);
        match &self.small {
            Some((small, _)) if *small == process => folder.join("disk/data"),
            _ => folder.join("data"),
        }
    }

    /// The running processes.
    pub(super) fn running(&self) -> Vec<Process> {
        let mut running = everybody();
        running.retain(|process| self.network.runs(*process));
        running
    }

    /// Starts a second process for the data directory of a running one, at other addresses. Returns its exit status and
    /// its log; `None` if it did not end.
    pub(super) fn second(&self, process: Process) -> Option<(ExitStatus, String)> {
        let folder = self.network.folder(process);
        let (file, second) = match process {
            Process::Peer(_) => ("peer.toml", "second.toml"),
            Process::Aggregator => ("aggregator.toml", "second.toml"),
            Process::Indexer => ("indexer.toml", "second.toml"),
        };
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let text = text.split("\n[listen]").next().unwrap().to_owned();
        let mut listen = "\n[listen]\nhttp = \"127.0.0.1:0\"\n".to_owned();
        if process != Process::Indexer {
            listen.push_str("grpc = \"127.0.0.1:0\"\n");
        }
        if matches!(process, Process::Peer(_)) {
            listen.push_str("quic = \"127.0.0.1:0\"\n");
        }
        fs::write(folder.join(second), text + &listen).unwrap();
        let mut command = self.network.command_with(process, second);
        let log = fs::File::create(folder.join("second.log")).unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while begun.elapsed() < REFUSAL {
            if let Some(status) = child.try_wait().unwrap() {
                let stderr = fs::read_to_string(folder.join("second.log")).unwrap();
                return Some((status, stderr));
            }
            sleep(Duration::from_millis(20));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        None
    }

    /// Asks all processes to end. Each must end with exit code 0.
    pub(super) fn stop_all(&mut self) {
        for process in self.running() {
            self.network.stop(process);
        }
    }

    /// Starts all processes, and waits until they are ready for the first time.
    pub(super) fn start_all(&mut self) {
        for process in everybody() {
            self.network.start(process);
        }
        for process in everybody() {
            let url = format!("{}/readyz", self.urls[&process]);
            until(&format!("{process:?} is ready"), || is_ready(&url));
        }
    }
}

fn is_ready(url: &str) -> bool {
    let client = reqwest::blocking::Client::builder().no_proxy();
    let client = client.timeout(Duration::from_secs(2));
    let asked = client.build().unwrap().get(url).send();
    asked.is_ok_and(|answer| answer.status().is_success())
}
