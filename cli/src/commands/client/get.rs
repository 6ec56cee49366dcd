//! `kittengrad get`: the statements about canonicals that count today.

use std::{path::Path, process::ExitCode};

use clap::Args;
use futures::{StreamExt, stream};
use kittengrad_client::lookup::{Answer, AnsweredBy, Answers, Consistency, Unanswered};
use kittengrad_client_core::{
    json::{JsonMap, JsonValue},
    view::{
        document::{Document, Statement},
        fold::fold,
        json::{DocumentJson, PublisherNames},
    },
};
use kittengrad_proto::{
    error::ErrorCode,
    id::{PublicKey, RecordId},
    record::Update,
};
use serde::Serialize;

use super::{Session, session::read_input};
use crate::{
    global::Global,
    output::{
        self, paint,
        text::{clean, count, lines, short, time},
    },
};

/// Canonicals that are asked for together: their records together are held in memory.
const TOGETHER_MAX: usize = 200;
/// Requests that are on their way at the same time.
const REQUESTS_IN_FLIGHT: usize = 4;

/// The canonicals to get.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    kittengrad get bafyrei...\n  \
    kittengrad search turner --json | jq -r '.hits[].canonical' | kittengrad get - --json\n  \
    kittengrad get bafyrei... --peer 3f9a12cd        # the set of that replica alone\n\n\
    Exit code 1 if a canonical does not exist; the others are shown.")]
pub(crate) struct GetArgs {
    /// Canonicals, or - to read one per line from standard input
    #[arg(required = true, value_parser = parse_asked)]
    cid: Vec<Asked>,
    /// Replicas that must answer: one, quorum or all
    #[arg(long, default_value_t)]
    consistency: Consistency,
    /// Ask only this replica, by a prefix of its key
    #[arg(long, value_name = "ID", conflicts_with = "consistency")]
    peer: Option<String>,
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

/// Asks replicas. Returns the answers first, then an error for each cell without an answer.
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
                all => anyhow::anyhow!("{error}; the same holds for {} of its cell", all - 1),
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

/// Prints the canonicals that exist, in the order of the question, and errors for the others. Returns whether all
/// exist.
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
        let document = document(&answer);
        if global.json {
            output::json(&AnswerJson::new(&document, &answer, &found.publishers))?;
        } else {
            show(&document, &found.publishers)?;
        }
    }
    Ok(is_known)
}

/// The document that an answer folds into.
pub(super) fn document(answer: &Answer) -> Document {
    fold(answer.canonical, answer.record.as_deref(), &answer.updates)
}

/// One line of `get --json`: a document, and how much its answer proves.
#[derive(Serialize)]
struct AnswerJson<'a> {
    #[serde(flatten)]
    document: DocumentJson<'a>,
    answered_by: Vec<AnsweredByJson>,
    complete: bool,
}

#[derive(Serialize)]
struct AnsweredByJson {
    peer: String,
    incarnation: u64,
    height: u64,
}

impl<'a> AnswerJson<'a> {
    fn new(document: &'a Document, answer: &Answer, publishers: &'a dyn PublisherNames) -> Self {
        let answered_by = |by: &AnsweredBy| AnsweredByJson {
            peer: by.peer.to_string(),
            incarnation: by.incarnation,
            height: by.height,
        };
        Self {
            document: DocumentJson::new(document, publishers),
            answered_by: answer.answered_by.iter().map(answered_by).collect(),
            complete: answer.complete,
        }
    }
}

pub(super) fn unknown(answer: &Answer) -> anyhow::Error {
    let replicas = count(answer.answered_by.len() as u64, "replica");
    let canonical = answer.canonical;
    anyhow::anyhow!(
        "canonical {canonical} does not exist at the {replicas} that answered; `kittengrad search` finds canonicals"
    )
}

/// Warns if too few replicas answered. A reader that asks one replica expects that and is not warned.
pub(super) fn warn_if_incomplete(answer: &Answer) {
    if !answer.complete {
        let replicas = count(answer.answered_by.len() as u64, "replica");
        output::say(&format!(
            "warning: only {replicas} of {} answered; statements may be missing",
            answer.canonical
        ));
    }
}

/// Prints one canonical with its heads.
fn show(document: &Document, publishers: &dyn PublisherNames) -> anyhow::Result<()> {
    let mut text = heading(document);
    let mut is_first = true;
    for statement in document
        .statements
        .iter()
        .filter(|statement| statement.is_head())
    {
        let Some(update) = statement.update() else {
            continue;
        };
        text += &format!("\n{}\n", said_by(statement, publishers));
        text += &content(update)?;
        is_first = false;
    }
    if is_first {
        text += &format!("\n  {}\n", paint::dim("no statement about it counts today"));
    }
    let older = document
        .statements
        .iter()
        .filter(|statement| !statement.is_head())
        .count() as u64;
    if older > 0 {
        let history = format!("kittengrad history {}", document.canonical);
        text += &format!(
            "\n  {}\n",
            paint::dim(&format!("{} more: {history}", count(older, "statement")))
        );
    }
    output::line(&text)
}

pub(super) fn heading(document: &Document) -> String {
    let kind = document
        .record
        .as_ref()
        .map_or("record absent", |record| record.kind.as_str());
    let name = document
        .name()
        .map(|name| paint::bold(&clean(name)))
        .unwrap_or_default();
    let mut text = format!(
        "{}  {}  {name}",
        paint::cyan(&document.canonical.to_string()),
        paint::dim(kind)
    );
    text.truncate(text.trim_end().len());
    text.push('\n');
    for (key, value) in document.record.iter().flat_map(|record| &record.meta) {
        let value = JsonValue(value).to_string();
        text += &format!(
            "  {}  {}\n",
            paint::dim(&clean(key)),
            clean(value.trim_matches('"'))
        );
    }
    text
}

/// Publisher and time of a statement, as far as they are known.
pub(super) fn said_by(statement: &Statement, publishers: &dyn PublisherNames) -> String {
    let by = match statement.publisher() {
        None => "unknown".to_owned(),
        Some(key) => match publishers.name(&key) {
            Some(name) => clean(name),
            None => short(&key.to_string()).to_owned(),
        },
    };
    let when = statement.timestamp_ms().map(time).unwrap_or_default();
    format!(
        "  {}  {when}  {}",
        paint::green(&by),
        paint::dim(&statement.id.to_string())
    )
}

/// Name, links and meta of an update.
pub(super) fn content(update: &Update) -> anyhow::Result<String> {
    let mut text = String::new();
    if let Some(name) = &update.name {
        text += &format!("    {}  {}\n", paint::dim("name"), clean(name));
    }
    for link in &update.links {
        text += &format!("    {}  {}\n", paint::dim(&clean(&link.rel)), link.to);
    }
    let meta = serde_json::to_string_pretty(&JsonMap(&update.meta))?;
    for line in lines(&meta).lines() {
        text += &format!("    {line}\n");
    }
    Ok(text)
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
