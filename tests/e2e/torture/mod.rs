//! A network of real processes under torture: processes are killed, paused and restarted, and disks are wiped, rot and
//! fill up, while clients write and read. All promises to the clients must hold.
//!
//! The plan comes from a seed. The times of its steps depend on the machine, so the seed tells what was tried, and the
//! history in the network's folder tells what happened.

mod director;
mod disks;
mod doubt;
mod full;
mod history;
mod judge;
mod load;
mod losses;
mod machines;
mod plan;
mod read;
mod tally;

use std::{collections::BTreeMap, env, sync::Arc};

use kittengrad_client::{
    Client,
    config::{ClientConfig, Timeouts},
};
use kittengrad_sim::Random;
use tokio::runtime::Runtime;

use self::{
    director::{Director, Wanted},
    history::History,
    load::Load,
    machines::{Machines, PEERS},
};
use crate::harness::{Network, Process};

/// Blows and flips in one run of the tests.
const STRIKES: u64 = 20;

/// Keeps S1, S3, S4, S5, S6, S7, S8, S11.
#[test]
fn tortured_processes_lose_nothing_acknowledged() {
    torture(Wanted {
        seed: chosen("TORTURE_SEED").unwrap_or_else(by_chance),
        blows: chosen("TORTURE_KILLS").unwrap_or(STRIKES),
        flips: chosen("TORTURE_FLIPS").unwrap_or(STRIKES),
    });
}

fn chosen(name: &str) -> Option<u64> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().expect("a number"))
}

/// A new seed every time, because real processes never do the same twice and another seed finds more.
fn by_chance() -> u64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    u64::try_from(now.as_millis() % 1_000_000).unwrap()
}

/// Breaks a network as often as wanted, and checks its end.
fn torture(wanted: Wanted) {
    let seed = wanted.seed;
    eprintln!(
        "torture: SEED={seed} KILLS={} FLIPS={}",
        wanted.blows, wanted.flips
    );
    kittengrad_pki::tls::install_provider();
    let mut random = Random::branch(seed, 0);
    let small = Process::Peer(random.within(1..=PEERS as u64) as usize);
    let mut machines = Machines::prepare(small);
    let runtime = Runtime::new().unwrap();
    let client = client(&machines.network);
    let quorum = client.view().replication().quorum();
    let path = machines.network.path().join("history.ndjson");
    let history = Arc::new(History::new(&path, quorum));
    machines.start_all();

    let members: BTreeMap<_, _> = machines
        .keys
        .iter()
        .filter(|(process, _)| **process != Process::Indexer)
        .map(|(process, key)| (machines.node(*process), *key))
        .collect();
    let _inside = runtime.enter();
    let load = Load::start(&client, &history, &members, seed);
    let director = Director::new(
        &mut machines,
        &runtime,
        client.clone(),
        Arc::clone(&history),
        wanted,
    );
    let tally = director.run();
    runtime.block_on(load.stop());
    runtime.block_on(judge::goes_on(&client, &history, seed));
    let shown = runtime.block_on(judge::converges(&client, &machines));
    machines.stop_all();
    judge::judges(&client, &machines, &history, &shown);
    if let Some(violation) = history.violation() {
        panic!("{violation}");
    }
    eprintln!(
        "torture: SEED={seed} is survived\n{}",
        tally.summary(&history)
    );
}

/// A client with short timeouts, so that it asks more often.
fn client(network: &Network) -> Client {
    let mut config = ClientConfig::load(&network.path().join("client.toml")).unwrap();
    config.timeouts = Timeouts {
        attempt_ms: 4_000,
        read_ms: 8_000,
        write_ms: 20_000,
        ..Timeouts::default()
    };
    Client::connect(&config).unwrap()
}
