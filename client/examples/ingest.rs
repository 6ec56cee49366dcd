//! Loads a file of newline-delimited JSON through a map, and skips lines that change nothing.
//!
//! The file has one line for each canonical, and fits into memory.
//! `kittengrad ingest` does the same for files of any size, with a progress bar and a file of refused lines.
//!
//! Needs a running `make demo`, and the publisher `mine`, `mine.toml` and `mine.ndjson` of the README.
//!
//! ```sh
//! cargo run --example ingest -- kittengrad-demo/client.toml mine.toml mine.ndjson
//! ```
#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::{
    env,
    error::Error,
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use kittengrad_client::{
    Client,
    config::ClientConfig,
    lookup::{Answer, Consistency},
    submit::{Draft, SubmitOptions},
};
use kittengrad_client_core::{
    ingest::{Decision, decide},
    map::{Map, Mapped},
};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::Record,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [config, map, file] = &arguments[..] else {
        return Err("usage: ingest CLIENT.TOML MAP.TOML FILE.NDJSON".into());
    };
    let client = Client::connect(&ClientConfig::load(config.as_ref())?)?;
    let map = Map::parse(&fs::read_to_string(map)?)?;
    let name = map.publisher();
    let publisher = client.publisher(name).ok_or("unknown publisher")?.key();

    let text = fs::read_to_string(file)?;
    let lines = text.lines().map(|line| map.apply(line.as_bytes()));
    let lines: Vec<Mapped> = lines.collect::<Result<_, _>>()?;

    // The decision about a line depends on the statements that the network has about its canonical.
    let canonicals: Vec<_> = lines.iter().map(|line| line.canonical_id).collect();
    let found = client
        .lookup(&canonicals, Consistency::Quorum, true)
        .await?;
    let mut drafts = Vec::new();
    for (line, answer) in lines.into_iter().zip(found.answers) {
        drafts.extend(draft(&map, publisher, line, answer)?);
    }

    let (lines, changed) = (canonicals.len(), drafts.len());
    let options = SubmitOptions::default();
    for outcome in client.submit(&publisher, drafts, options).await? {
        outcome.result?;
    }
    println!("{changed} of {lines} lines changed something");
    Ok(())
}

/// The draft of a line; `None` if its publisher already says the same.
fn draft(
    map: &Map,
    publisher: PublicKey,
    line: Mapped,
    answer: Answer,
) -> Result<Option<Draft>, Box<dyn Error>> {
    // An incomplete answer would make this say again what the publisher said before.
    if !answer.complete || answer.absent_records().next().is_some() {
        return Err(format!("too few replicas of {} answered", answer.canonical).into());
    }
    let decode = |(id, bytes): (RecordId, Option<Bytes>)| Some((id, Record::decode(&bytes?).ok()?));
    let set: Vec<_> = answer.updates.into_iter().filter_map(decode).collect();
    let set = answer.exists.then_some(&set[..]);
    let (insert, previous) = match decide(map.mode(), &publisher, &line, set) {
        Decision::Unchanged => return Ok(None),
        Decision::Insert => (Some(line.canonical_bytes.clone()), Vec::new()),
        Decision::Update { previous } => (None, previous),
    };
    let canonical = line.canonical_id;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let timestamp_ms = u64::try_from(now.as_millis())?;
    let update = Record::Update(line.update(publisher, timestamp_ms, previous));
    Ok(Some(Draft {
        canonical,
        insert,
        updates: vec![update.encode()?],
    }))
}
