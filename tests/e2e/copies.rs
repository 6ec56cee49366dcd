//! What is where: three copies of every set, a whole aggregator, a whole index.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::{Network, until};

type Element = (String, Option<String>);

fn element(line: &Value) -> Element {
    (
        line["canonical"].as_str().unwrap().to_owned(),
        line["update"].as_str().map(str::to_owned),
    )
}

/// The elements of one journal, each of which must be there once, at contiguous offsets.
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

/// Waits until aggregator and index have exactly what the peers' journals have together, verifies all journals, and
/// returns the canonicals, of which there must be so many.
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

/// Everything that the index has.
fn documents(network: &Network) -> BTreeMap<String, BTreeSet<String>> {
    let url = format!(
        "{}/api/documents",
        network.http(crate::harness::Process::Indexer)
    );
    let client = reqwest::blocking::Client::new();
    let text = client.get(url).send().unwrap().text().unwrap();
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

/// Reads every set from each of its replicas alone: three equal copies.
pub(crate) fn check_copies(network: &Network, canonicals: &BTreeSet<String>) {
    let mut holders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let ids = network.peer_ids();
    let mut sets: BTreeMap<String, BTreeSet<Vec<String>>> = BTreeMap::new();
    let ring = &network.ok(&["ring", "show"])[0];
    assert_eq!(ring["peers"].as_array().unwrap().len(), ids.len());
    for canonical in canonicals {
        let why = &network.ok(&["ring", "why", canonical])[0];
        for replica in why["replicas"].as_array().unwrap() {
            holders
                .entry(replica_id(replica))
                .or_default()
                .push(canonical.clone());
        }
        if sets.len() > 200 {
            break;
        }
        sets.entry(canonical.clone()).or_default();
    }
    for (peer, held) in holders {
        for some in held.chunks(100) {
            let mut args = vec!["get", "--peer", &peer];
            args.extend(some.iter().map(String::as_str));
            for got in network.ok(&args) {
                let updates = got["updates"].as_array().unwrap().iter();
                let updates = updates
                    .map(|update| update["cid"].as_str().unwrap().to_owned())
                    .collect();
                sets.entry(got["canonical"].as_str().unwrap().to_owned())
                    .or_default()
                    .insert(updates);
            }
        }
    }
    for (canonical, copies) in sets {
        assert_eq!(copies.len(), 1, "the copies of {canonical} differ");
    }
}

fn replica_id(replica: &Value) -> String {
    replica
        .as_str()
        .or_else(|| replica["id"].as_str())
        .unwrap()
        .to_owned()
}
