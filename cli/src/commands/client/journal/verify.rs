//! Verifying journals block by block, and that they reach the head that their owners signed.

use std::{process::ExitCode, time::Duration};

use kittengrad_client::subscribe::{Bodies, Event, Start, SubscribeOptions};
use kittengrad_proto::{
    block::{Head, Item},
    cursor::{Cursor, Position},
    id::PublicKey,
};
use serde::Serialize;

use crate::{
    cli::Global,
    commands::client::Session,
    output::{
        self,
        paint::Paint,
        text::{count, short},
    },
};

/// What was found in one journal.
#[derive(Debug, Default, Serialize)]
struct Verdict {
    journal: String,
    incarnation: Option<u64>,
    blocks: u64,
    transactions: u64,
    elements: u64,
    /// Hash of the last block that was verified.
    head: Option<String>,
    ok: bool,
    error: Option<String>,
}

/// Verifies journals one after another.
pub(super) async fn run(
    journals: &[PublicKey],
    session: &Session,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    let mut is_ok = true;
    for journal in journals {
        let mut verdict = Verdict { journal: journal.to_string(), ..Verdict::default() };
        match verify(journal, session, &mut verdict).await {
            Ok(()) => verdict.ok = true,
            Err(error) => verdict.error = Some(output::describe(&error)),
        }
        is_ok &= verdict.ok;
        if global.json {
            output::json(&verdict)?;
        } else {
            show(&verdict)?;
        }
    }
    Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(verdict: &Verdict) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    let (blocks, elements) = (count(verdict.blocks, "block"), count(verdict.elements, "element"));
    let transactions = count(verdict.transactions, "transaction");
    let word = match &verdict.error {
        None => paint.green("ok"),
        Some(error) => format!("{}  {}", paint.red("NOT OK"), output::text::clean(error)),
    };
    output::line(&format!("{}  {blocks}, {transactions}, {elements}  {word}", short(&verdict.journal)))
}

/// Reads the current incarnation from its genesis to the head that its owner signed before.
async fn verify(journal: &PublicKey, session: &Session, verdict: &mut Verdict) -> anyhow::Result<()> {
    let Some(heartbeat) = session.client.head_of(journal).await?.heartbeat else { return Ok(()) };
    let signed = heartbeat.head;
    verdict.incarnation = Some(signed.incarnation);
    let genesis = Cursor { journal: *journal, incarnation: signed.incarnation, height: None };
    let options = SubscribeOptions {
        start: Start::Cursor(Position { cursor: genesis, elements: 0 }),
        bodies: Bodies::Records,
        follow: false,
        give_up_after: Some(Duration::from_millis(session.config.timeouts.read_ms)),
    };
    let mut last: Option<Head> = None;
    let mut subscription = session.client.subscribe(*journal, options);
    while let Some(event) = subscription.next().await {
        match event? {
            Event::Block(block) => {
                let head = block.header.head();
                if head.incarnation != signed.incarnation {
                    break;
                }
                if head.height == signed.height && head.hash != signed.hash {
                    anyhow::bail!("block {} is {}, its owner signed {} as its head", head.height, head.hash, signed.hash);
                }
                verdict.blocks += 1;
                let transactions = block.items.iter().filter(|item| matches!(item, Item::Transaction { .. }));
                verdict.transactions += transactions.count() as u64;
                verdict.elements += block.added;
                verdict.head = Some(head.hash.to_string());
                last = Some(head);
            }
            Event::Missing { to_height, .. } => anyhow::bail!("blocks before {to_height} are no longer there"),
            Event::Waiting { error, .. } => output::say(&format!("note: {error}; trying again")),
            Event::Began { .. } | Event::Gap { .. } | Event::Alive(_) => {}
        }
    }
    let reached = last.map(|head| head.height);
    if reached < Some(signed.height) {
        let reached = reached.map_or_else(|| "before its first block".to_owned(), |height| format!("at block {height}"));
        anyhow::bail!("it ends {reached}, its owner signed block {} as its head", signed.height);
    }
    Ok(())
}
