//! `kittengrad ring`: the members, their cells and their condition, and the place of a canonical.

use std::process::ExitCode;

use clap::Subcommand;
use kittengrad_client::status::ring_report;
use kittengrad_client_core::view::ring::{JournalReport, RingReport};
use kittengrad_proto::{condition::Condition, id::RecordId};
use serde::Serialize;

use super::Session;
use crate::{
    global::Global,
    output::{
        self, paint,
        table::{Align, Table, Tone, plain},
        text::{count, count_of, short, time},
    },
};

/// Commands about the ring.
#[derive(Debug, Subcommand)]
pub(crate) enum RingCommand {
    /// Show the members, their cells and journals, and a smallest cover
    #[command(after_help = "Examples:\n  kittengrad ring show\n  \
        kittengrad ring show --json | jq '.peers[] | select(.state != \"settled\")'\n\n\
        Every member is asked for its state: settled, filling, starting or unreachable.")]
    Show,
    /// Show the place of a canonical on the ring, and its replicas
    #[command(after_help = "Examples:\n  kittengrad ring why bafyrei...")]
    Why {
        /// The canonical
        cid: RecordId,
    },
}

/// Runs a command about the ring.
pub(crate) async fn run(command: RingCommand, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    match command {
        RingCommand::Show => show(&session, global).await,
        RingCommand::Why { cid } => why(&session, &cid, global),
    }
}

async fn show(session: &Session, global: &Global) -> anyhow::Result<ExitCode> {
    let reports = session.client.reports().await;
    let ring = ring_report(&session.client.view(), &reports);
    if global.json {
        output::json(&ring)?;
        return Ok(ExitCode::SUCCESS);
    }
    let peers = count(ring.peers.len() as u64, "peer");
    let copies = count_of(ring.replicas as u64, "copy", "copies");
    let namespace = paint::bold(&ring.namespace);
    output::line(&format!(
        "{namespace}  {peers}, {copies} of everything, quorum {}\n",
        ring.quorum
    ))?;
    for line in table(&ring).lines() {
        output::line(&line)?;
    }
    let sources: Vec<_> = ring
        .cover
        .iter()
        .map(|source| short(&source.peer))
        .collect();
    output::line("")?;
    if ring.uncovered.is_empty() {
        let journals = count_of(sources.len() as u64, "journal has", "journals have");
        output::line(&format!(
            "cover: {journals} everything: {}",
            sources.join(", ")
        ))?;
    } else {
        let arcs = count(ring.uncovered.len() as u64, "arc");
        output::line(&paint::red(&format!(
            "cover: no settled peer holds {arcs} of the circle"
        )))?;
    }
    show_completeness(&ring)?;
    for report in reports.iter().filter(|report| report.journal.is_err()) {
        if let Err(error) = &report.journal {
            output::say(&format!(
                "note: {}",
                output::text::clean(&error.to_string())
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows to which time the view of each aggregator is complete, and for whom its cells wait.
fn show_completeness(ring: &RingReport) -> anyhow::Result<()> {
    for aggregator in &ring.aggregators {
        let name = short(&aggregator.id);
        match aggregator.complete_to_ms {
            Some(at_ms) => output::line(&format!("view of {name}: complete to {}", time(at_ms)))?,
            None if aggregator.cells.is_empty() => {}
            None => {
                let line = format!("view of {name}: not complete yet");
                output::line(&paint::red(&line))?;
            }
        }
        for cell in aggregator
            .cells
            .iter()
            .filter(|cell| !cell.waits_for.is_empty())
        {
            let waits: Vec<_> = cell.waits_for.iter().map(|peer| short(peer)).collect();
            let to = cell
                .complete_to_ms
                .map_or_else(|| "no time".to_owned(), time);
            let (from, end) = (short(&cell.arc.from), short(&cell.arc.to));
            let waits = waits.join(", ");
            let line = format!("  cell {from} to {end}: complete to {to}, waits for {waits}");
            output::line(&paint::red(&line))?;
        }
    }
    Ok(())
}

fn table(ring: &RingReport) -> Table {
    let mut table = Table::new(vec![
        ("member", Align::Left),
        ("point", Align::Left),
        ("share", Align::Right),
        ("state", Align::Left),
        ("journal", Align::Left),
        ("gRPC", Align::Left),
    ]);
    for peer in &ring.peers {
        table.row([
            plain(short(&peer.id)),
            plain(short(&peer.point)),
            plain(match &peer.cell {
                Some(_) => format!("{:.1} %", peer.share * 100.0),
                None => "joining".to_owned(),
            }),
            (peer.state.to_string(), tone(peer.state)),
            plain(end(&peer.journal)),
            (peer.grpc.clone(), Tone::Dim),
        ]);
    }
    for aggregator in &ring.aggregators {
        table.row([
            plain(short(&aggregator.id)),
            plain("aggregator"),
            plain(""),
            (aggregator.state.to_string(), tone(aggregator.state)),
            plain(end(&aggregator.journal)),
            (aggregator.grpc.clone(), Tone::Dim),
        ]);
    }
    table
}

/// Incarnation and height of the last block.
fn end(journal: &JournalReport) -> String {
    match (journal.incarnation, journal.height) {
        (Some(incarnation), Some(height)) => format!("{incarnation}/{height}"),
        _ => String::new(),
    }
}

fn tone(condition: Condition) -> Tone {
    match condition {
        Condition::Settled => Tone::Good,
        Condition::Filling | Condition::Starting => Tone::Plain,
        Condition::Unreachable => Tone::Bad,
    }
}

#[derive(Serialize)]
struct WhyJson {
    canonical: String,
    point: String,
    owner: String,
    /// The owner first.
    replicas: Vec<String>,
    /// Points between the canonical and its owner, in hexadecimal.
    distance: String,
}

fn why(session: &Session, cid: &RecordId, global: &Global) -> anyhow::Result<ExitCode> {
    let route = session.client.route(cid);
    let replicas: Vec<_> = route
        .replicas
        .iter()
        .map(|peer| peer.key.to_string())
        .collect();
    let why = WhyJson {
        canonical: cid.to_string(),
        point: route.point.to_string(),
        owner: replicas.first().cloned().unwrap_or_default(),
        replicas,
        distance: route.distance.to_string(),
    };
    if global.json {
        output::json(&why)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (first, rest) = why.replicas.split_at(why.replicas.len().min(1));
    output::line(&format!("point     {}", why.point))?;
    output::line(&format!("owner     {}", paint::green(&first.join(""))))?;
    let share = format!("{:.3} %", route.distance.share() * 100.0);
    let which = match peers(session) {
        1 => "the only peer".to_owned(),
        peers => format!("the closest of {}", count(peers, "peer")),
    };
    output::line(&format!("          {which}, {share} of the circle away"))?;
    for replica in rest {
        output::line(&format!("replica   {replica}"))?;
    }
    let neighbours = match rest.len() {
        0 => return Ok(ExitCode::SUCCESS),
        1 => "the neighbour of the owner on the ring",
        _ => "the neighbours of the owner on the ring",
    };
    output::line(&paint::dim(&format!("          {neighbours}")))?;
    Ok(ExitCode::SUCCESS)
}

fn peers(session: &Session) -> u64 {
    session.client.view().peers().count() as u64
}
