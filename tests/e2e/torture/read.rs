//! Reads everything of one process through its own interfaces, so that a flipped bit is found or does no harm.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use kittengrad_client::{
    Client,
    lookup::Answer,
    subscribe::{Bodies, Event, SubscribeError, SubscribeOptions},
};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    transaction::Element,
};
use kittengrad_sim::Node;
use serde_json::Value;
use tokio::time::sleep;

use super::history::History;

/// The longest time until a process shows everything that was acknowledged.
const PATIENCE: Duration = Duration::from_secs(120);
/// Sets of one lookup.
const SETS: usize = 100;

/// The documents of an index: the updates of each canonical.
pub(super) type Documents = BTreeMap<RecordId, BTreeSet<RecordId>>;

/// Reads all sets, records and the whole journal of a peer or aggregator, until it has shown every element that was
/// acknowledged before the start.
pub(super) async fn member(
    client: Client,
    history: Arc<History>,
    node: Node,
    key: PublicKey,
) -> Result<(), String> {
    let (begun, before_us) = (Instant::now(), history.now_us());
    let view = client.view();
    let holds = |id: &RecordId| view.holders(id).iter().any(|holder| holder.key == key);
    let mut open = history.canonicals();
    open.retain(|canonical| node == Node::Aggregator || holds(canonical));
    let mut why = String::new();
    while !open.is_empty() {
        let mut left = Vec::new();
        for some in open.chunks(SETS) {
            let turn = history.turn(node);
            let _mine = turn.lock().await;
            match client.lookup_at(&key, some, true).await {
                Ok(found) => {
                    for answer in &found.answers {
                        history.shows(node, answer);
                        if let Some(lack) = lacks(&history, node, answer, before_us) {
                            left.push(answer.canonical);
                            why = lack;
                        }
                    }
                }
                Err(error) => {
                    why = error.to_string();
                    left.extend(some);
                }
            }
        }
        open = left;
        late(begun, &why)?;
        if !open.is_empty() {
            sleep(Duration::from_millis(300)).await;
        }
    }
    loop {
        match journal(&client, key).await {
            Ok(_) => return Ok(()),
            Err(error) => why = error,
        }
        late(begun, &why)?;
        sleep(Duration::from_millis(300)).await;
    }
}

fn late(begun: Instant, why: &str) -> Result<(), String> {
    if begun.elapsed() > PATIENCE {
        return Err(format!("not within {PATIENCE:?}: {why}"));
    }
    Ok(())
}

/// Returns what an answer of one member lacks. Absent records are allowed at an aggregator, which emits without them
/// and fetches them later.
fn lacks(history: &History, node: Node, answer: &Answer, before_us: u64) -> Option<String> {
    let absent = answer.absent_records().next();
    let absent = absent.filter(|_| node != Node::Aggregator);
    let absent = absent.map(|id| format!("{node} has {id} without its record"));
    absent.or_else(|| history.lacks(answer, before_us))
}

/// The elements of a whole journal. All blocks must verify, and no element may come twice.
pub(super) async fn journal(
    client: &Client,
    source: PublicKey,
) -> Result<BTreeSet<Element>, String> {
    let options = SubscribeOptions {
        bodies: Bodies::Records,
        follow: false,
        give_up_after: Some(Duration::from_secs(20)),
        ..SubscribeOptions::default()
    };
    let mut events = client.subscribe(source, options);
    let mut added = BTreeSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Block(block)) => {
                for at in block.elements() {
                    if !added.insert(at.element) {
                        return Err(format!("{source:?} journals {:?} twice", at.element));
                    }
                }
            }
            Ok(_) => {}
            Err(SubscribeError::Tampered(fault)) => {
                return Err(format!(
                    "{source:?} shows a block that does not verify: {fault}"
                ));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(added)
}

/// Reads the whole index, until it has shown every element that was acknowledged before the start.
pub(super) async fn index(history: Arc<History>, url: String) -> Result<(), String> {
    let (begun, before_us) = (Instant::now(), history.now_us());
    let canonicals = history.canonicals();
    loop {
        let why = match documents(&url).await {
            Ok(found) => {
                for (canonical, updates) in &found {
                    history.indexes(*canonical, updates);
                }
                let lack = canonicals.iter().find_map(|canonical| {
                    let answer = document(*canonical, found.get(canonical));
                    history.lacks(&answer, before_us)
                });
                match lack {
                    None => return Ok(()),
                    Some(lack) => lack,
                }
            }
            Err(error) => error,
        };
        late(begun, &why)?;
        sleep(Duration::from_millis(500)).await;
    }
}

fn document(canonical: RecordId, updates: Option<&BTreeSet<RecordId>>) -> Answer {
    let known = updates.into_iter().flatten();
    Answer {
        canonical,
        exists: updates.is_some(),
        record: None,
        updates: known.map(|update| (*update, None)).collect(),
        answered_by: Vec::new(),
        complete: false,
    }
}

/// All documents of an index. An error if the list ends early.
pub(super) async fn documents(url: &str) -> Result<Documents, String> {
    let text = get(&format!("{url}/api/documents")).await?;
    let mut found = Documents::new();
    let mut is_whole = false;
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let Some(canonical) = line["canonical"].as_str() else {
            is_whole = line["documents"].as_u64() == Some(found.len() as u64);
            continue;
        };
        let updates = line["updates"].as_array().into_iter().flatten();
        let updates = updates.filter_map(|update| update.as_str()?.parse().ok());
        let canonical: RecordId = canonical
            .parse()
            .map_err(|_| format!("{canonical:?} is not a CID"))?;
        if found.insert(canonical, updates.collect()).is_some() {
            return Err(format!("{canonical} is listed twice"));
        }
    }
    if is_whole {
        Ok(found)
    } else {
        Err("the list of documents ends early".to_owned())
    }
}

/// The status page of a process.
pub(super) async fn status(url: &str) -> Option<Value> {
    let text = get(&format!("{url}/status")).await.ok()?;
    serde_json::from_str(&text).ok()
}

async fn get(url: &str) -> Result<String, String> {
    let asked = async {
        let client = reqwest::Client::builder().no_proxy();
        let client = client.timeout(Duration::from_secs(20));
        let answer = client.build()?.get(url).send().await?;
        answer.error_for_status()?.text().await
    };
    asked.await.map_err(|error| error.to_string())
}
