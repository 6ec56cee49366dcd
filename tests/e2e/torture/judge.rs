//! The end of a run: without faults the network recovers and converges. Then all processes stop, and their disks are
//! checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use kittengrad_client::{
    Client,
    submit::{Draft, GroupLimits, SubmitOptions},
};
use kittengrad_journal::RecordStore as _;
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    record::{Canonical, CanonicalType, Record},
    signed::Ed25519,
    transaction::Element,
};
use kittengrad_sim::invariants::Replica;
use kittengrad_store::{Options, Owner, RocksStore};
use tokio::time::sleep;

use super::{
    history::History,
    machines::{Machines, PEERS},
    read::{self, Documents},
};
use crate::harness::Process;

/// The longest wait until all converge. The promise is shorter, on machines that do nothing else.
const PATIENCE: Duration = Duration::from_secs(180);

/// The index of the converged network.
pub(super) struct Converged {
    documents: Documents,
    digest: String,
}

/// Checks that a write to every cell is acknowledged again.
pub(super) async fn goes_on(client: &Client, history: &Arc<History>, seed: u64) {
    let view = client.view();
    let mut open: BTreeSet<_> = view.ring().members().iter().copied().collect();
    let publisher = client.publishers()[0].key();
    for number in 0.. {
        if open.is_empty() {
            return;
        }
        let name = format!("torture:last:{seed}:{number}");
        let canonical = Canonical::identified(CanonicalType::Artefact, name);
        let draft = Draft::insert(&Record::Canonical(canonical)).unwrap();
        let cell = view.ring().owner(draft.canonical.point());
        if !open.remove(&cell) {
            continue;
        }
        let limits = GroupLimits::default();
        let prepared = client.prepare(&publisher, vec![draft], limits);
        let prepared = prepared.unwrap().remove(0);
        history.says(prepared.transaction());
        let options = SubmitOptions {
            receipt: true,
            ..SubmitOptions::default()
        };
        let (begun, asked_us) = (Instant::now(), history.now_us());
        loop {
            let told = client.send(&prepared, options).await;
            let known = told.as_ref().map_err(ToString::to_string);
            history.is_told(prepared.transaction(), asked_us, known);
            if told.as_ref().is_ok_and(|told| told.acknowledged) {
                break;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "no write to cell {cell} is acknowledged within {PATIENCE:?}: {told:?}"
            );
        }
    }
}

/// Waits until replicas agree, the view has their union, and the index has exactly the view.
pub(super) async fn converges(client: &Client, machines: &Machines) -> Converged {
    let begun = Instant::now();
    loop {
        let why = match look(client, machines).await {
            Ok(shown) => return shown,
            Err(why) => why,
        };
        assert!(
            begun.elapsed() < PATIENCE,
            "the network does not converge within {PATIENCE:?}: {why}"
        );
        sleep(Duration::from_millis(500)).await;
    }
}

async fn look(client: &Client, machines: &Machines) -> Result<Converged, String> {
    let mut sets = BTreeMap::new();
    for number in 1..=PEERS {
        let process = Process::Peer(number);
        let status = read::status(&machines.urls[&process]).await;
        let status = status.ok_or_else(|| format!("{process:?} shows no status"))?;
        if status["state"] != "settled" || status["missing"] != 0 {
            return Err(format!("{process:?} is {status}"));
        }
        let key = machines.keys[&process];
        sets.insert(key, read::journal(client, key).await?);
    }
    let union: BTreeSet<Element> = sets.values().flatten().copied().collect();
    let view = client.view();
    for element in &union {
        for holder in view.holders(&element.canonical) {
            if !sets[&holder.key].contains(element) {
                return Err(format!("{:?} lacks {element:?}", holder.key));
            }
        }
    }
    let aggregator = machines.keys[&Process::Aggregator];
    let view = read::journal(client, aggregator).await?;
    if let Some(missing) = union.difference(&view).next() {
        return Err(format!("the view lacks {missing:?}"));
    }
    let url = &machines.urls[&Process::Indexer];
    let documents = read::documents(url).await?;
    let mut expected = Documents::new();
    for element in &view {
        let updates = expected.entry(element.canonical).or_default();
        updates.extend(element.update);
    }
    if documents != expected {
        let differs = |(id, updates): &(&_, &_)| documents.get(id) != Some(updates);
        let missing = expected.iter().find(differs);
        let surplus = documents.keys().find(|id| !expected.contains_key(id));
        return Err(format!(
            "the index is not the view: {missing:?}, {surplus:?}"
        ));
    }
    let status = read::status(url).await.unwrap_or_default();
    if status["absent"] != 0 {
        return Err(format!("the index waits for records: {status}"));
    }
    let digest = status["digest"].as_str().unwrap_or_default().to_owned();
    Ok(Converged { documents, digest })
}

/// Checks the disks of a stopped network with the invariants of the simulator.
pub(super) fn judges(client: &Client, machines: &Machines, history: &History, shown: &Converged) {
    let view = client.view();
    let overlay = view.overlay();
    let open = |process: Process| {
        let owner = Owner {
            overlay: overlay.clone(),
            key: machines.keys[&process],
        };
        RocksStore::open(&machines.data(process), &owner, &Options::default()).unwrap()
    };
    let peers: Vec<_> = view.peers().map(|peer| peer.key).collect();
    let process_of = |key| {
        let mut known = machines.keys.iter();
        *known.find(|(_, known)| **known == key).unwrap().0
    };
    // In the order of the ring.
    let stores: Vec<_> = peers.iter().map(|key| open(process_of(*key))).collect();
    let views: Vec<_> = peers
        .iter()
        .map(|key| View::clone(&view).seen_by(*key).unwrap())
        .collect();
    let replicas: Vec<_> = views
        .iter()
        .zip(&stores)
        .map(|(view, disk)| Replica { view, disk })
        .collect();
    let sets: Vec<_> = stores
        .iter()
        .map(|store| store.elements().unwrap())
        .collect();
    history.judge(|outside| outside.check_replicas(&replicas, &sets, &Ed25519));

    let aggregator = open(Process::Aggregator);
    let view = aggregator.elements().unwrap();
    let owner = machines.keys[&Process::Aggregator];
    history
        .judge(|outside| outside.check_view(&aggregator, &view, owner, overlay, &Ed25519, &sets));
    let record = |id: &_| {
        let disks = std::iter::once(&aggregator).chain(&stores);
        disks
            .filter_map(|disk| disk.records(&[*id]).unwrap().pop()?)
            .next()
    };
    history.judge(|outside| outside.check_index(&shown.documents, &shown.digest, &view, record));
}
