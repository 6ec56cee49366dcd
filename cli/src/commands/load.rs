//! Loading a demo: waits for the peers, loads records, and waits until all of them can be searched.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufReader, Read},
    path::PathBuf,
};

use anyhow::Context;
use flate2::read::MultiGzDecoder;
use kittengrad_client_core::{
    ingest::{Line, Lines},
    map::Map,
};
use kittengrad_proto::{certificate::Role, id::RecordId};
use serde_json::Value;
use tokio::time::sleep;

use super::{
    client::{Session, ingest},
    demo::{DemoInput, POLL},
};
use crate::{output, prepare::Prepared};

/// Where lines come from.
pub(crate) enum Source {
    /// A file, compressed if its name ends in .gz.
    File(PathBuf),
    /// The program itself.
    Text {
        /// For messages.
        name: &'static str,
        /// Newline-delimited JSON.
        lines: &'static str,
    },
}

impl Source {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text { name, .. } => (*name).to_owned(),
        }
    }

    fn open(&self) -> anyhow::Result<Box<dyn Read + Send>> {
        match self {
            Self::File(path) => {
                let file =
                    File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
                let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
                let file = BufReader::new(file);
                Ok(if is_gzip {
                    Box::new(MultiGzDecoder::new(file))
                } else {
                    Box::new(file)
                })
            }
            Self::Text { lines, .. } => Ok(Box::new(lines.as_bytes())),
        }
    }
}

/// Waits until every peer says that it is ready.
pub(crate) async fn until_settled(prepared: &Prepared) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    for config in prepared.peer_configs()? {
        let folder = config.parent().unwrap_or(&prepared.dir);
        let identity = prepared.member(folder, Role::Peer)?;
        let url = format!("http://{}/readyz", identity.addresses.http);
        while !client
            .get(&url)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            sleep(POLL).await;
        }
    }
    Ok(())
}

/// Loads everything, and waits until the index has all of its canonicals.
pub(crate) async fn load_and_wait(
    prepared: &Prepared,
    inputs: Vec<DemoInput>,
) -> anyhow::Result<()> {
    let session = Session::load(&prepared.client_config())?;
    let mut canonicals = BTreeSet::new();
    for input in inputs {
        canonicals.extend(canonicals_of(&input)?);
        load_one(&session, input).await?;
    }
    output::say(&format!(
        "waiting until {} canonicals can be searched",
        canonicals.len()
    ));
    until_indexed(prepared, &canonicals).await
}

async fn load_one(session: &Session, input: DemoInput) -> anyhow::Result<()> {
    let name = input.map.publisher();
    let publisher = session
        .client
        .publisher(name)
        .ok_or_else(|| session.no_publisher(name))?
        .key();
    let source = match &input.source {
        Source::File(path) => ingest::Source::at(path)?,
        Source::Text { name, lines } => ingest::Source::text(name, lines),
    };
    let job = ingest::Job::new(session.client.clone(), publisher, input.map, false);
    let mut rejects = ingest::Rejects::beside(&source);
    let mut progress = ingest::Progress::begin(&source);
    let loaded = ingest::load(&job, source, &mut rejects, &mut progress).await;
    progress.end();
    let rejects = rejects.written().filter(|_| loaded.counts.refused > 0);
    let rejects = rejects
        .map(|path| format!("; refused lines are in {path}"))
        .unwrap_or_default();
    output::say(&format!(
        "  {}: {}{rejects}",
        input.source.name(),
        loaded.counts.text()
    ));
    match loaded.failures.into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// The canonicals that the lines of an input name.
fn canonicals_of(input: &DemoInput) -> anyhow::Result<BTreeSet<RecordId>> {
    let mut found = BTreeSet::new();
    let mut lines = Lines::default();
    let mut take = |line: Line<'_>, map: &Map| {
        if let Ok(mapped) = line.read(map) {
            found.insert(mapped.canonical_id);
        }
    };
    let mut reader = input.source.open()?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = reader
            .read(&mut buffer)
            .with_context(|| format!("cannot read {}", input.source.name()))?;
        if count == 0 {
            break;
        }
        lines.push(&buffer[..count], |line| take(line, &input.map));
    }
    lines.finish(|line| take(line, &input.map));
    Ok(found)
}

/// Waits until the index has a document of each canonical.
async fn until_indexed(prepared: &Prepared, canonicals: &BTreeSet<RecordId>) -> anyhow::Result<()> {
    let indexer = prepared.member(&prepared.dir.join("indexer"), Role::Indexer)?;
    let url = format!("http://{}/api/documents", indexer.addresses.http);
    let mut missing: BTreeSet<String> = canonicals.iter().map(ToString::to_string).collect();
    let client = reqwest::Client::new();
    while !missing.is_empty() {
        if let Ok(answer) = client.get(&url).send().await {
            for line in answer.text().await.unwrap_or_default().lines() {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                if let Some(canonical) = line["canonical"].as_str() {
                    missing.remove(canonical);
                }
            }
        }
        if !missing.is_empty() {
            sleep(POLL).await;
        }
    }
    Ok(())
}
