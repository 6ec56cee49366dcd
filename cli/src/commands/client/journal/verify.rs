//! Verifying journals block by block, and that they reach the head that their owners signed.

use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use kittengrad_client::subscribe::{Event, SubscribeOptions, VerifiedBlock};
use kittengrad_proto::{
    block::{Head, Item},
    id::PublicKey,
};
use serde::Serialize;

use crate::{
    commands::client::Session,
    global::Global,
    output::{
        self, paint,
        text::{count, short},
    },
};

/// The verdict about one journal.
#[derive(Debug, Default, Serialize)]
struct Verdict {
    journal: String,
    /// The current one; the counts are over all.
    incarnation: Option<u64>,
    blocks: u64,
    transactions: u64,
    elements: u64,
    /// Hash of the last block that was verified.
    head: Option<String>,
    ok: bool,
    error: Option<String>,
}

impl Verdict {
    /// Counts a block that was verified.
    fn add(&mut self, block: &VerifiedBlock) {
        let transactions = block
            .items
            .iter()
            .filter(|item| matches!(item, Item::Transaction { .. }));
        self.blocks += 1;
        self.transactions += transactions.count() as u64;
        self.elements += block.added;
        self.head = Some(block.header.hash().to_string());
    }
}

/// Verifies journals one after another.
pub(super) async fn run(
    journals: &[PublicKey],
    session: &Session,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    let mut is_ok = true;
    for journal in journals {
        let mut verdict = Verdict {
            journal: journal.to_string(),
            ..Verdict::default()
        };
        match verify(journal, session, &mut verdict).await {
            Ok(()) => verdict.ok = true,
            Err(error) => verdict.error = Some(output::describe(&error)),
        }
        is_ok &= verdict.ok;
        // Without a reader there is still an exit code to give.
        output::even_if_gone(if global.json {
            output::json(&verdict)
        } else {
            show(&verdict)
        })?;
    }
    Ok(if is_ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn show(verdict: &Verdict) -> anyhow::Result<()> {
    let (blocks, elements) = (
        count(verdict.blocks, "block"),
        count(verdict.elements, "element"),
    );
    let transactions = count(verdict.transactions, "transaction");
    let word = match &verdict.error {
        None => paint::green("ok"),
        Some(error) => format!("{}  {}", paint::red("NOT OK"), output::text::clean(error)),
    };
    output::line(&format!(
        "{}  {blocks}, {transactions}, {elements}  {word}",
        short(&verdict.journal)
    ))
}

/// Reads all incarnations from the first genesis to the head that the owner signed before.
async fn verify(
    journal: &PublicKey,
    session: &Session,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    let Some(heartbeat) = session.client.head_of(journal).await?.heartbeat else {
        return Ok(());
    };
    let signed = heartbeat.head;
    verdict.incarnation = Some(signed.incarnation);
    let options = SubscribeOptions {
        follow: false,
        give_up_after: Some(Duration::from_millis(session.config.timeouts.read_ms)),
        ..SubscribeOptions::default()
    };
    let mut last: Option<u64> = None;
    let mut subscription = session.client.subscribe(*journal, options);
    while let Some(event) = subscription.next().await {
        match event? {
            // Blocks after the signed head are not part of this verification.
            Event::Block(block) if block.header.incarnation > signed.incarnation => break,
            Event::Block(block) => {
                let head = block.header.head();
                check_head(&head, &signed)?;
                last = (head.incarnation == signed.incarnation).then_some(head.height);
                verdict.add(&block);
            }
            Event::Missing {
                incarnation,
                to_height,
            } => {
                bail!(
                    "blocks of incarnation {incarnation} before {to_height} no longer exist at the source"
                )
            }
            Event::Gap {
                incarnation,
                from_height,
            } => output::say(&format!(
                "note: the owner signed that blocks of incarnation {incarnation} from {from_height} on are lost"
            )),
            Event::Waiting { error, .. } => {
                let error = output::text::clean(&error.to_string());
                output::say(&format!("note: {error}; trying again"));
            }
            Event::Evidence(evidence) => {
                if let Some(text) = output::evidence::told(&evidence) {
                    output::say(&format!("note: {text}"));
                }
            }
            Event::Began { .. } | Event::Alive(_) => {}
        }
    }
    if last >= Some(signed.height) {
        return Ok(());
    }
    let reached = last.map_or_else(
        || "before its first block".to_owned(),
        |height| format!("at block {height}"),
    );
    bail!(
        "the journal ends {reached}; its owner signed block {} as the head",
        signed.height
    )
}

/// Checks that the block at the place of the signed head is the one that was signed.
fn check_head(found: &Head, signed: &Head) -> anyhow::Result<()> {
    let is_there = (found.incarnation, found.height) == (signed.incarnation, signed.height);
    if is_there && found.hash != signed.hash {
        let Head { height, hash, .. } = found;
        bail!(
            "block {height} is {hash}; its owner signed {} as the head",
            signed.hash
        );
    }
    Ok(())
}
