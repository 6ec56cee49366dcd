//! `kittengrad history`: every statement that was ever made about a canonical.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use kittengrad_client::lookup::Consistency;
use kittengrad_client_core::view::{document::Claim, json::StatementJson};
use kittengrad_proto::id::RecordId;
use serde::Serialize;

use super::{
    Session,
    get::{content, document, heading, said_by, unknown, warn_if_incomplete},
};
use crate::{
    global::Global,
    output::{self, paint},
};

/// The canonical.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kittengrad history bafyrei...\n  \
    kittengrad history bafyrei... --json      # one line for each statement\n\n\
    Exit code 1 if the canonical does not exist.")]
pub(crate) struct HistoryArgs {
    /// The canonical
    cid: RecordId,
    /// Replicas that must answer: one, quorum or all
    #[arg(long, default_value_t)]
    consistency: Consistency,
}

/// One line of `history --json`.
#[derive(Serialize)]
struct HistoryJson<'a> {
    canonical: String,
    #[serde(flatten)]
    statement: StatementJson<'a>,
}

/// Prints every statement about a canonical.
pub(crate) async fn history(args: HistoryArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    let mut found = session
        .client
        .lookup(&[args.cid], args.consistency, true)
        .await?;
    let answer = found
        .answers
        .pop()
        .with_context(|| format!("{} was not answered", args.cid))?;
    if !answer.exists {
        return Err(unknown(&answer));
    }
    if args.consistency != Consistency::One {
        warn_if_incomplete(&answer);
    }
    let document = document(&answer);
    let mut text = if global.json {
        String::new()
    } else {
        heading(&document)
    };
    for statement in &document.statements {
        if global.json {
            let canonical = document.canonical.to_string();
            output::json(&HistoryJson {
                canonical,
                statement: StatementJson::new(statement, &found.publishers),
            })?;
            continue;
        }
        let standing = match statement.standing() {
            "head" => paint::green("head"),
            other => paint::dim(other),
        };
        text += &format!("\n{}  {standing}\n", said_by(statement, &found.publishers));
        match &statement.claim {
            Claim::Update { update, .. } => text += &content(update)?,
            Claim::Retraction { retraction, .. } => {
                text += &format!("    takes back  {}\n", retraction.target)
            }
            Claim::Absent => text += "    its record is absent\n",
            Claim::Unusable => text += "    its record is not a statement about this canonical\n",
        }
    }
    if !global.json {
        output::line(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}
