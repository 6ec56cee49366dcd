//! `kittengrad get` and `history`: what is said about canonicals today, and what ever was.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use clap::Args;
use futures::{StreamExt, stream};
use kittengrad_client::lookup::{Answer, Answers, Consistency, Unanswered};
use kittengrad_client_core::json::ShownMap;
use kittengrad_proto::{
    error::ErrorCode,
    id::{PublicKey, RecordId},
    record::Update,
};
use serde::Serialize;

use super::{
    Session,
    session::read_input,
    statement::{Document, DocumentJson, Publishers, Said, Statement, StatementJson},
};
use crate::{
    cli::Global,
    output::{
        self,
        paint::Paint,
        text::{clean, count, lines, short, time},
    },
};

/// Canonicals that are asked for together: their records together are held in memory.
const TOGETHER_MAX: usize = 200;
/// Requests that are on their way at the same time.
const REQUESTS_IN_FLIGHT: usize = 4;

/// What to get.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    kittengrad get bafyrei...\n  \
    kittengrad search turner --json | jq -r '.hits[].canonical' | kittengrad get - --json\n  \
    kittengrad get bafyrei... --peer 3f9a12cd        # what that replica alone has\n\n\
    Exit code 1 if any of them is unknown; the others are shown all the same.")]
pub(crate) struct GetArgs {
    /// Canonicals, or - for one a line on standard input
    #[arg(required = true, value_parser = parse_asked)]
    cid: Vec<Asked>,
    /// How many replicas must answer: one, quorum or all
    #[arg(long, default_value_t)]
    consistency: Consistency,
    /// Ask this replica alone, by its key or the beginning of it
    #[arg(long, value_name = "ID", conflicts_with = "consistency")]
    peer: Option<String>,
}

/// Of what.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kittengrad history bafyrei...\n  \
    kittengrad history bafyrei... --json      # one line for each statement\n\n\
    Exit code 1 if it is unknown.")]
pub(crate) struct HistoryArgs {
    /// The canonical
    cid: RecordId,
    /// How many replicas must answer: one, quorum or all
    #[arg(long, default_value_t)]
    consistency: Consistency,
}

/// One argument of `get`.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Canonical(RecordId),
    StandardInput,
}

fn parse_asked(text: &str) -> Result<Asked, String> {
    match text {
        "-" => Ok(Asked::StandardInput),
        text => text
            .parse()
            .map(Asked::Canonical)
            .map_err(|error| format!("{error}")),
    }
}

/// Shows canonicals.
pub(crate) async fn get(args: GetArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    let peer = args
        .peer
        .as_deref()
        .map(|beginning| session.journal(beginning))
        .transpose()?;
    let (canonicals, mut is_failed) = asked(&args.cid)?;
    let may_be_alone = peer.is_some() || args.consistency == Consistency::One;
    let parts = stream::iter(canonicals.chunks(TOGETHER_MAX)).map(|part| {
        let session = &session;
        async move {
            match peer {
                Some(peer) => get_at(session, &peer, part).await,
                None => get_together(session, part, args.consistency).await,
            }
        }
    });
    let mut parts = std::pin::pin!(parts.buffered(REQUESTS_IN_FLIGHT));
    while let Some(found) = parts.next().await {
        for found in found {
            match found {
                Ok(found) => is_failed |= !show_all(found, may_be_alone, global)?,
                Err(error) => {
                    output::error(&error);
                    is_failed = true;
                }
            }
        }
    }
    Ok(if is_failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Asks replicas. What is known comes first, then which cells nobody answered for.
async fn get_together(
    session: &Session,
    part: &[RecordId],
    consistency: Consistency,
) -> Vec<anyhow::Result<Answers>> {
    let (found, unanswered) = session.client.lookup_each(part, consistency, true).await;
    let failed = unanswered
        .into_iter()
        .map(|Unanswered { canonicals, error }| {
            Err(match canonicals.len() {
                0 | 1 => error.into(),
                all => anyhow::anyhow!("{error}; so it is with {} of its cell", all - 1),
            })
        });
    std::iter::once(Ok(found)).chain(failed).collect()
}

/// The canonicals asked for, and whether some of those on standard input are none.
fn asked(args: &[Asked]) -> anyhow::Result<(Vec<RecordId>, bool)> {
    let (mut canonicals, mut is_failed) = (Vec::new(), false);
    for asked in args {
        match asked {
            Asked::Canonical(canonical) => canonicals.push(*canonical),
            Asked::StandardInput => {
                let text = read_input(Path::new("-"), "ask for fewer canonicals at a time")?;
                for (number, line) in (1..).zip(String::from_utf8_lossy(&text).lines()) {
                    match line.trim() {
                        "" => {}
                        line => match line.parse::<RecordId>() {
                            Ok(canonical) => canonicals.push(canonical),
                            Err(error) => {
                                output::error(&anyhow::anyhow!("line {number}: {error}"));
                                is_failed = true;
                            }
                        },
                    }
                }
            }
        }
    }
    Ok((canonicals, is_failed))
}

/// Asks one replica alone. If it does not hold all of them it is asked for each by itself.
async fn get_at(
    session: &Session,
    peer: &PublicKey,
    part: &[RecordId],
) -> Vec<anyhow::Result<Answers>> {
    let client = &session.client;
    match client.lookup_at(peer, part, true).await {
        Err(error) if part.len() > 1 && error.code() == Some(ErrorCode::NotResponsible) => {
            let one = |canonical| async move {
                client
                    .lookup_at(peer, &[canonical], true)
                    .await
                    .map_err(Into::into)
            };
            stream::iter(part.iter().copied())
                .map(one)
                .buffered(REQUESTS_IN_FLIGHT)
                .collect()
                .await
        }
        found => vec![found.map_err(Into::into)],
    }
}

/// Shows what is known, in the order asked; says what is not. Whether all of it is known.
fn show_all(found: Answers, may_be_alone: bool, global: &Global) -> anyhow::Result<bool> {
    let mut is_known = true;
    for answer in found.answers {
        if !answer.exists {
            is_known = false;
            output::error(&unknown(&answer));
            continue;
        }
        if !may_be_alone {
            warn_if_incomplete(&answer);
        }
        let document = Document::new(answer);
        if global.json {
            output::json(&DocumentJson::new(&document, &found.publishers))?;
        } else {
            show(&document, &found.publishers)?;
        }
    }
    Ok(is_known)
}

fn unknown(answer: &Answer) -> anyhow::Error {
    let replicas = count(answer.answered_by.len() as u64, "replica");
    let canonical = answer.canonical;
    anyhow::anyhow!(
        "no canonical {canonical} at the {replicas} that answered; `kittengrad search` finds what is there"
    )
}

/// Whoever asks one replica alone knows that it does not prove to have everything; everybody else is told.
fn warn_if_incomplete(answer: &Answer) {
    if !answer.complete {
        let replicas = count(answer.answered_by.len() as u64, "replica");
        output::say(&format!(
            "warning: only {replicas} of {} answered, there may be more",
            answer.canonical
        ));
    }
}

/// Shows one canonical to people: today's word of each publisher.
fn show(document: &Document, publishers: &Publishers) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    let mut text = heading(document, paint);
    let mut is_first = true;
    for statement in document
        .statements
        .iter()
        .filter(|statement| statement.is_head())
    {
        let Some(update) = statement.update() else {
            continue;
        };
        text += &format!("\n{}\n", said_by(statement, publishers, paint));
        text += &content(update, paint)?;
        is_first = false;
    }
    if is_first {
        text += &format!("\n  {}\n", paint.dim("nothing is said about it today"));
    }
    let older = document
        .statements
        .iter()
        .filter(|statement| !statement.is_head())
        .count() as u64;
    if older > 0 {
        let history = format!("kittengrad history {}", document.answer.canonical);
        text += &format!(
            "\n  {}\n",
            paint.dim(&format!("{} more: {history}", count(older, "statement")))
        );
    }
    output::line(&text)
}

fn heading(document: &Document, paint: Paint) -> String {
    let kind = document
        .record
        .as_ref()
        .map_or("record not there", |record| record.kind.as_str());
    let name = document
        .name()
        .map(|name| paint.bold(&clean(name)))
        .unwrap_or_default();
    let mut text = format!(
        "{}  {}  {name}",
        paint.cyan(&document.answer.canonical.to_string()),
        paint.dim(kind)
    );
    text.truncate(text.trim_end().len());
    text.push('\n');
    for (key, value) in document.record.iter().flat_map(|record| &record.meta) {
        let value = kittengrad_client_core::json::Shown(value).to_string();
        text += &format!(
            "  {}  {}\n",
            paint.dim(&clean(key)),
            clean(value.trim_matches('"'))
        );
    }
    text
}

/// Who said it when, as far as it is known.
fn said_by(statement: &Statement, publishers: &Publishers, paint: Paint) -> String {
    let by = match statement.publisher() {
        None => "unknown".to_owned(),
        Some(key) => match publishers.get(&key) {
            Some(holder) => clean(&holder.name),
            None => short(&key.to_string()).to_owned(),
        },
    };
    let when = statement.timestamp_ms().map(time).unwrap_or_default();
    format!(
        "  {}  {when}  {}",
        paint.green(&by),
        paint.dim(&statement.cid.to_string())
    )
}

/// Name, links and meta of an update.
fn content(update: &Update, paint: Paint) -> anyhow::Result<String> {
    let mut text = String::new();
    if let Some(name) = &update.name {
        text += &format!("    {}  {}\n", paint.dim("name"), clean(name));
    }
    for link in &update.links {
        text += &format!("    {}  {}\n", paint.dim(&clean(&link.rel)), link.to);
    }
    let meta = serde_json::to_string_pretty(&ShownMap(&update.meta))?;
    for line in lines(&meta).lines() {
        text += &format!("    {line}\n");
    }
    Ok(text)
}

/// One line of `history --json`.
#[derive(Serialize)]
struct HistoryJson<'a> {
    canonical: String,
    #[serde(flatten)]
    statement: StatementJson<'a>,
}

/// Shows all that was ever said about a canonical.
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
    let document = Document::new(answer);
    let paint = Paint::stdout();
    let mut text = if global.json {
        String::new()
    } else {
        heading(&document, paint)
    };
    for statement in &document.statements {
        if global.json {
            let canonical = document.answer.canonical.to_string();
            output::json(&HistoryJson {
                canonical,
                statement: StatementJson::new(statement, &found.publishers),
            })?;
            continue;
        }
        let standing = match statement.standing() {
            "head" => paint.green("head"),
            other => paint.dim(other),
        };
        text += &format!(
            "\n{}  {standing}\n",
            said_by(statement, &found.publishers, paint)
        );
        match &statement.said {
            Said::Update { update, .. } => text += &content(update, paint)?,
            Said::Retraction { retraction, .. } => {
                text += &format!("    takes back  {}\n", retraction.target)
            }
            Said::Absent => text += "    its record is not there\n",
        }
    }
    if !global.json {
        output::line(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cids_of_records_and_a_dash_can_be_asked_for() {
        let cid = RecordId::of(b"x");
        assert!(
            matches!(parse_asked(&cid.to_string()), Ok(Asked::Canonical(found)) if found == cid)
        );
        assert!(matches!(parse_asked("-"), Ok(Asked::StandardInput)));
        let error =
            parse_asked("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi").unwrap_err();
        assert!(error.contains("codec"), "{error}");
    }
}
