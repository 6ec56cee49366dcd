//! `kittengrad aggregator status`: to which time the view is complete, and what it waits for.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    commands::http,
    global::Global,
    output::{
        self, paint,
        table::{Align, Table, Tone, plain},
        text::{clean, count_of, number, short, time},
    },
};

/// Time for which one aggregator may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The aggregators to ask.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Ask only this aggregator, by the address of its pages
    #[arg(long, value_name = "URL", value_parser = http::parse_url)]
    http: Option<String>,
}

/// The parts of an aggregator's status that are shown.
#[derive(Debug, Deserialize)]
struct Status {
    id: String,
    complete_to_ms: Option<u64>,
    tolerates: u64,
    ready: bool,
    reasons: Vec<String>,
    sources: Vec<Source>,
    cells: Vec<Cell>,
    uncovered: Vec<Arc>,
    elements: u64,
    records_absent: u64,
}

#[derive(Debug, Deserialize)]
struct Source {
    id: String,
    mode: String,
    state: String,
    arc: Arc,
    position: Option<Head>,
    lag_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Cell {
    #[serde(flatten)]
    arc: Arc,
    complete_to_ms: Option<u64>,
    needed: u64,
    established: Vec<Established>,
    waits_for: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Established {
    peer: String,
    how: String,
}

#[derive(Debug, Deserialize)]
struct Arc {
    from: String,
    to: String,
}

#[derive(Debug, Deserialize)]
struct Head {
    incarnation: u64,
    height: u64,
}

/// Asks each aggregator for its status.
pub(crate) async fn run(args: StatusArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let mut is_ready = true;
    for page in pages(args, global)? {
        match report(page, global).await {
            Ok(ready) => is_ready &= ready,
            Err(error) => {
                is_ready = false;
                output::error(&error);
            }
        }
    }
    Ok(match is_ready {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The pages of the aggregators to ask. For one without an address, the reason.
fn pages(args: StatusArgs, global: &Global) -> anyhow::Result<Vec<Result<String, String>>> {
    if let Some(url) = args.http {
        return Ok(vec![Ok(url)]);
    }
    let members = http::members(global)?.into_iter();
    let aggregators = members.filter(|member| member.role == "aggregator");
    let pages: Vec<_> = aggregators.map(|member| member.page).collect();
    if pages.is_empty() {
        bail!("the network has no aggregator: add one with `kittengrad network add`");
    }
    Ok(pages)
}

/// Asks one aggregator, and prints its answer. Returns whether it is ready.
async fn report(page: Result<String, String>, global: &Global) -> anyhow::Result<bool> {
    let url = page.map_err(|why| anyhow!(why))?;
    let answer = ask(&url).await;
    let answer = answer.with_context(|| format!("{url} gives no status"))?;
    let is_ready = answer["ready"] == true;
    if global.json {
        output::even_if_gone(output::json(&answer))?;
    } else {
        let status = Status::deserialize(answer);
        let status = status.with_context(|| {
            format!("{url}/status is not the status of an aggregator of this version")
        })?;
        output::even_if_gone(show(&status))?;
    }
    Ok(is_ready)
}

async fn ask(url: &str) -> anyhow::Result<Value> {
    let client = http::client(PATIENCE)?;
    let answer = client.get(format!("{url}/status")).send().await?;
    let answer: Value = answer.error_for_status()?.json().await?;
    if answer["role"] != "aggregator" {
        bail!(
            "it is the address of another process: its role is {}",
            answer["role"]
        );
    }
    Ok(answer)
}

fn show(status: &Status) -> anyhow::Result<()> {
    let name = paint::bold(&id(&status.id));
    let complete_to = status.complete_to_ms.map_or_else(
        || "not complete yet".to_owned(),
        |at_ms| format!("complete to {}", time(at_ms)),
    );
    let ready = match status.ready {
        true => paint::green("ready"),
        false => paint::red("not ready"),
    };
    output::line(&format!("view of {name}: {complete_to}, {ready}"))?;
    let (elements, absent) = (number(status.elements), number(status.records_absent));
    let tolerates = count_of(status.tolerates, "faulty replica", "faulty replicas");
    output::line(&format!(
        "{elements} elements, {absent} records absent; tolerates {tolerates} in each cell"
    ))?;
    for reason in &status.reasons {
        output::line(&paint::red(&format!("  {}", clean(reason))))?;
    }
    for part in &status.uncovered {
        let line = format!("  no source for the arc {}", arc(part));
        output::line(&paint::red(&line))?;
    }
    for table in [sources(&status.sources), cells(&status.cells)] {
        output::line("")?;
        for line in table.lines() {
            output::line(&line)?;
        }
    }
    Ok(())
}

fn sources(sources: &[Source]) -> Table {
    let mut table = Table::new(vec![
        ("source", Align::Left),
        ("arc", Align::Left),
        ("mode", Align::Left),
        ("state", Align::Left),
        ("read to", Align::Left),
        ("lag", Align::Right),
    ]);
    for source in sources {
        let tone = match source.state.as_str() {
            "level" => Tone::Good,
            "behind" => Tone::Plain,
            _ => Tone::Bad,
        };
        let position = source.position.as_ref();
        let lag = source.lag_ms.map(|ms| format!("{:.1} s", ms as f64 / 1e3));
        table.row([
            plain(id(&source.id)),
            plain(arc(&source.arc)),
            plain(clean(&source.mode)),
            (clean(&source.state), tone),
            plain(position.map_or_else(String::new, |at| {
                format!("{}/{}", at.incarnation, at.height)
            })),
            plain(lag.unwrap_or_default()),
        ]);
    }
    table
}

fn cells(cells: &[Cell]) -> Table {
    let mut table = Table::new(vec![
        ("cell", Align::Left),
        ("complete to", Align::Left),
        ("replicas", Align::Left),
        ("needed", Align::Right),
        ("waits for", Align::Left),
    ]);
    for cell in cells {
        let replicas = cell.established.iter();
        let replicas = replicas.map(|of| format!("{} {}", id(&of.peer), clean(&of.how)));
        let waits: Vec<_> = cell.waits_for.iter().map(|peer| id(peer)).collect();
        table.row([
            plain(arc(&cell.arc)),
            match cell.complete_to_ms {
                Some(at_ms) => plain(time(at_ms)),
                None => ("no time".to_owned(), Tone::Bad),
            },
            plain(replicas.collect::<Vec<_>>().join(", ")),
            plain(cell.needed.to_string()),
            (waits.join(", "), Tone::Bad),
        ]);
    }
    table
}

fn arc(arc: &Arc) -> String {
    format!("{} to {}", id(&arc.from), id(&arc.to))
}

/// The beginning of a key or point that another process sent.
fn id(text: &str) -> String {
    clean(short(text))
}
