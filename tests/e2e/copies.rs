//! The copies of every set: three at peers, one at the aggregator, one in the index.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::{Network, lines, until};

type Element = (String, Option<String>);

fn element(line: &Value) -> Element {
    (
        line["canonical"].as_str().unwrap().to_owned(),
        line["update"].as_str().map(str::to_owned),
    )
}

/// The elements of one journal. Each must be there once, at contiguous offsets.
fn elements(network: &Network, source: &[&str]) -> BTreeSet<Element> {
    let mut args = vec!["tail", "--from", "genesis", "--no-follow"];
    args.extend(source);
    let tail = network.ok(&args);
    let found: BTreeSet<_> = tail.iter().map(element).collect();
    assert_eq!(found.len(), tail.len(), "{source:?} has an element twice");
    for (number, line) in tail.iter().enumerate() {
        assert_eq!(line["offset"], number, "{source:?}: offsets are contiguous");
    }
    found
}

/// Waits until aggregator and index have exactly the union of the peers' journals, and verifies all journals. Returns
/// the canonicals, of which there must be `canonicals`.
pub(crate) fn check_views(network: &Network, canonicals: usize) -> BTreeSet<String> {
    let mut union = BTreeSet::new();
    for id in network.peer_ids() {
        union.extend(elements(network, &["--peer", &id]));
        let verified = &network.ok(&["journal", "verify", "--peer", &id])[0];
        assert_eq!(verified["ok"], true, "{verified}");
    }
    until("the aggregator has every element", || {
        elements(network, &["--aggregator"]) == union
    });
    let verified = &network.ok(&["journal", "verify", "--aggregator"])[0];
    assert_eq!(
        (&verified["ok"], &verified["elements"]),
        (&true.into(), &union.len().into())
    );

    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (canonical, update) in &union {
        expected
            .entry(canonical.clone())
            .or_default()
            .extend(update.clone());
    }
    assert_eq!(expected.len(), canonicals);
    until("the index has every document with every update", || {
        documents(network) == expected
    });
    expected.into_keys().collect()
}

/// The updates of all documents of the index.
fn documents(network: &Network) -> BTreeMap<String, BTreeSet<String>> {
    let url = format!(
        "{}/api/documents",
        network.http(crate::harness::Process::Indexer)
    );
    let client = reqwest::blocking::Client::builder().no_proxy();
    let text = client
        .build()
        .unwrap()
        .get(url)
        .send()
        .unwrap()
        .text()
        .unwrap();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let Some(canonical) = line["canonical"].as_str() else {
            continue;
        };
        let updates = line["updates"].as_array().unwrap();
        let set: BTreeSet<_> = updates
            .iter()
            .map(|u| u.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(set.len(), updates.len(), "{canonical} has an update twice");
        assert!(
            found.insert(canonical.to_owned(), set).is_none(),
            "{canonical} is there twice"
        );
    }
    found
}

/// Sets that are compared, at most.
const SETS: usize = 200;
/// The canonicals of which each peer must have a copy.
type Holders = BTreeMap<String, Vec<String>>;

/// Reads sets from each of their replicas alone. All three copies must be equal, although a quorum was enough to
/// acknowledge.
pub(crate) fn check_copies(network: &Network, canonicals: &BTreeSet<String>) {
    let ring = &network.ok(&["ring", "show"])[0];
    let peers = ring["peers"].as_array().unwrap().len();
    assert_eq!(peers, network.peer_ids().len());
    let mut holders = Holders::new();
    for canonical in canonicals.iter().take(SETS) {
        let why = &network.ok(&["ring", "why", canonical])[0];
        for replica in why["replicas"].as_array().unwrap() {
            let held = holders.entry(replica_id(replica)).or_default();
            held.push(canonical.clone());
        }
    }
    until("all replicas have equal copies", || {
        read_copies(network, &holders).is_some_and(|sets| {
            assert_eq!(sets.len(), canonicals.len().min(SETS));
            sets.values().all(|copies| copies.len() == 1)
        })
    });
}

/// The copies of each set at its replicas; `None` while a replica lacks some canonical.
fn read_copies(
    network: &Network,
    holders: &Holders,
) -> Option<BTreeMap<String, BTreeSet<Vec<String>>>> {
    let mut sets: BTreeMap<String, BTreeSet<Vec<String>>> = BTreeMap::new();
    for (peer, held) in holders {
        for some in held.chunks(100) {
            let mut args = vec!["get", "--peer", peer];
            args.extend(some.iter().map(String::as_str));
            let output = network.cli(&args);
            if !output.status.success() {
                return None;
            }
            for got in lines(&output) {
                let updates = got["updates"].as_array().unwrap().iter();
                let updates = updates.map(|update| update["cid"].as_str().unwrap().to_owned());
                let canonical = got["canonical"].as_str().unwrap().to_owned();
                sets.entry(canonical).or_default().insert(updates.collect());
            }
        }
    }
    Some(sets)
}

fn replica_id(replica: &Value) -> String {
    replica
        .as_str()
        .or_else(|| replica["id"].as_str())
        .unwrap()
        .to_owned()
}
