//! What an aggregator says of its view is true, whichever peers reach each other.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::{
    harness::{Network, Process, text, until},
    relay::Relays,
};

/// Keeps S5.
#[test]
fn nothing_is_missing_while_a_view_says_complete() {
    let mut network = Network::prepare(3);
    let relays = relayed(&network, 3);
    (1..=3).for_each(|number| network.start(Process::Peer(number)));
    network.start(Process::Aggregator);
    network.until_ready();
    let view = View::of(&network);
    let source = view.source(&network);
    assert!(view.status()["complete"] == true && view.status()["ready"] == true);

    relays.cut(source);
    let cut_ms = now_ms();
    let mut acknowledged = Vec::new();
    let (written, named) = thread::scope(|scope| {
        let watching = scope.spawn(|| view.until_a_cell_waits());
        let mut written = None;
        for number in 0..6 {
            let work = format!("composition-{number}");
            until("two other disks have it", || put(&network, &work));
            written.get_or_insert_with(Instant::now);
            acknowledged.push(now_ms());
            view.check(&acknowledged);
        }
        (written.unwrap(), watching.join().unwrap())
    });
    let after = named.saturating_duration_since(written);
    println!("named {after:?} after the first acknowledged write");
    until("it is not ready", || {
        view.check(&acknowledged);
        view.status()["ready"] == false
    });
    assert!(!view.status()["reasons"].as_array().unwrap().is_empty());
    assert!(acknowledged.iter().all(|at| *at > cut_ms));

    relays.heal();
    until("everything is in the view, and it says so", || {
        view.check(&acknowledged);
        let status = view.status();
        status["ready"] == true && status["complete_to_ms"].as_u64() > Some(acknowledged[5])
    });
    assert!(view.status()["elements"].as_u64() >= Some(6));
}

/// Keeps S5.
#[test]
fn a_view_is_complete_again_after_its_source_died() {
    let mut network = Network::with_peers(3);
    network.start(Process::Aggregator);
    network.until_ready();
    until("a work is there", || put(&network, "composition-0"));
    let view = View::of(&network);
    let dead = view.source(&network);
    let dead_id = network.peer_id(dead);
    network.kill(Process::Peer(dead));
    let killed = Instant::now();
    until("another work is there", || put(&network, "composition-1"));
    let after_ms = now_ms();
    until("the view is complete through another source", || {
        view.check(&[after_ms]);
        let status = view.status();
        let sources = status["sources"].as_array().unwrap();
        let is_other = sources
            .iter()
            .all(|source| source["id"] != dead_id.as_str());
        is_other && status["ready"] == true && status["complete_to_ms"].as_u64() > Some(after_ms)
    });
    println!("complete again after {:?}", killed.elapsed());
    assert!(view.status()["elements"].as_u64() >= Some(2));
}

/// Lets all links between peers go through relays.
fn relayed(network: &Network, peers: usize) -> Relays {
    let described = std::fs::read_to_string(network.path().join("network.toml")).unwrap();
    let announced = |number: usize| -> SocketAddr {
        let id = network.peer_id(number);
        let line = described
            .lines()
            .find(|line| line.contains(&format!("# peer {id}")));
        let quic = line.unwrap().split_once(" quic ").unwrap().1;
        quic.split_whitespace().next().unwrap().parse().unwrap()
    };
    let real = |number: usize| {
        // The socket is closed at once; the peer binds its address again.
        let real = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let file = network.folder(Process::Peer(number)).join("peer.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{config}\n[listen]\nquic = \"{real}\"\n")).unwrap();
        real
    };
    let addresses: Vec<_> = (1..=peers)
        .map(|number| (announced(number), real(number)))
        .collect();
    Relays::start(&addresses)
}

/// The aggregator, as its status page shows it.
struct View {
    url: String,
    client: reqwest::blocking::Client,
}

impl View {
    fn of(network: &Network) -> Self {
        let client = reqwest::blocking::Client::builder().no_proxy();
        Self {
            url: format!("{}/status", network.http(Process::Aggregator)),
            client: client.timeout(Duration::from_secs(10)).build().unwrap(),
        }
    }

    /// Waits until a cell names the replicas that it waits for. Returns the moment.
    fn until_a_cell_waits(&self) -> Instant {
        until(
            "the status names the replicas that a cell waits for",
            || {
                let status = self.status();
                let cells = status["cells"].as_array().unwrap();
                let waits = |cell: &Value| !cell["waits_for"].as_array().unwrap().is_empty();
                cells.iter().any(waits)
            },
        );
        Instant::now()
    }

    fn status(&self) -> Value {
        self.client.get(&self.url).send().unwrap().json().unwrap()
    }

    /// The number of the peer that the aggregator reads.
    fn source(&self, network: &Network) -> usize {
        let status = self.status();
        let id = status["sources"][0]["id"].as_str().unwrap();
        (1..).find(|number| network.peer_id(*number) == id).unwrap()
    }

    /// Checks that the view has everything that was acknowledged before the time to which it is complete. One machine
    /// has one clock.
    fn check(&self, acknowledged_ms: &[u64]) {
        let status = self.status();
        let complete_to_ms = status["complete_to_ms"].as_u64();
        let before = acknowledged_ms
            .iter()
            .filter(|at| Some(**at) < complete_to_ms);
        let elements = status["elements"].as_u64().unwrap();
        assert!(before.count() as u64 <= elements, "{status:#}");
    }
}

/// Inserts a work. Returns whether a quorum has it.
fn put(network: &Network, work: &str) -> bool {
    let record = format!(r#"{{"type":"artefact","meta":{{"id":"test:{work}"}}}}"#);
    let file = network.file("work.json", &record);
    let put = network.cli(&["put", &file]);
    if !put.status.success() {
        eprintln!("{}", text(&put));
    }
    put.status.success()
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}
