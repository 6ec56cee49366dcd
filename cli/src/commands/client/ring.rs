//! `kittengrad ring`: who holds what, how they are, and why a canonical lies where it does.

use std::{collections::BTreeMap, process::ExitCode};

use clap::Subcommand;
use kittengrad_client::status::MemberReport;
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    block::Head,
    certificate::Role,
    condition::Condition,
    id::{PublicKey, RecordId},
};
use kittengrad_ring::KeyRange;
use serde::Serialize;

use super::Session;
use crate::{
    cli::Global,
    output::{
        self,
        paint::Paint,
        table::{Align, Table, Tone, plain},
        text::{count, count_of, short},
    },
};

/// Commands about the ring.
#[derive(Debug, Subcommand)]
pub(crate) enum RingCommand {
    /// Show the peers, their cells, where their journals stand, and whom to read to read everything
    #[command(after_help = "Examples:\n  kittengrad ring show\n  \
        kittengrad ring show --json | jq '.peers[] | select(.state != \"settled\")'\n\n\
        Each peer is asked itself: settled, filling, starting or unreachable.")]
    Show,
    /// Show where a canonical lies, and who holds it
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

#[derive(Serialize)]
struct RingJson {
    namespace: String,
    replicas: usize,
    quorum: usize,
    peers: Vec<PeerJson>,
    /// A smallest set of settled peers whose journals have everything that any of them has.
    cover: Vec<SourceJson>,
    /// What no settled peer holds.
    uncovered: Vec<ArcJson>,
    aggregators: Vec<AggregatorJson>,
}

#[derive(Serialize)]
struct PeerJson {
    id: String,
    point: String,
    state: &'static str,
    /// `None` while it is not in the ring yet.
    cell: Option<ArcJson>,
    share: f64,
    #[serde(flatten)]
    head: HeadJson,
    grpc: String,
    quic: String,
    http: String,
}

#[derive(Serialize)]
struct AggregatorJson {
    id: String,
    state: &'static str,
    #[serde(flatten)]
    head: HeadJson,
    grpc: String,
    http: String,
}

#[derive(Serialize)]
struct HeadJson {
    incarnation: Option<u64>,
    height: Option<u64>,
    head: Option<String>,
}

#[derive(Serialize)]
struct ArcJson {
    from: String,
    to: String,
}

#[derive(Serialize)]
struct SourceJson {
    peer: String,
    from: String,
    to: String,
}

impl RingJson {
    fn new(view: &View, reports: &[MemberReport]) -> Self {
        let ring = view.ring();
        let conditions: BTreeMap<PublicKey, Condition> = reports
            .iter()
            .map(|report| (report.identity.key, report.condition))
            .collect();
        let is_up = |member| {
            view.key_at(member)
                .is_some_and(|key| conditions.get(&key) == Some(&Condition::Settled))
        };
        let cover = ring.cover(is_up);
        let source = |source: &kittengrad_ring::Source| SourceJson {
            peer: view
                .key_at(source.member)
                .map(|key| key.to_string())
                .unwrap_or_default(),
            from: source.arc.from.to_string(),
            to: source.arc.to.to_string(),
        };
        let of_role = |role| {
            reports
                .iter()
                .filter(move |report| report.identity.role == role)
        };
        Self {
            namespace: view.overlay().namespace.to_string(),
            replicas: view.replication().get(),
            quorum: view.replication().quorum(),
            peers: of_role(Role::Peer)
                .map(|report| PeerJson::new(view, report))
                .collect(),
            cover: cover.sources.iter().map(source).collect(),
            uncovered: cover.uncovered.iter().map(ArcJson::new).collect(),
            aggregators: of_role(Role::Aggregator).map(AggregatorJson::new).collect(),
        }
    }
}

impl PeerJson {
    fn new(view: &View, report: &MemberReport) -> Self {
        let identity = &report.identity;
        let cell = view.cell(&identity.key).map(|cell| cell.arc());
        Self {
            id: identity.key.to_string(),
            point: identity.key.point().to_string(),
            state: report.condition.as_str(),
            cell: cell.as_ref().map(ArcJson::new),
            share: cell.map_or(0.0, |cell| cell.share()),
            head: HeadJson::new(report),
            grpc: url("https", &identity.addresses.grpc),
            quic: identity.addresses.quic.clone(),
            http: url("http", &identity.addresses.http),
        }
    }
}

impl AggregatorJson {
    fn new(report: &MemberReport) -> Self {
        let identity = &report.identity;
        Self {
            id: identity.key.to_string(),
            state: report.condition.as_str(),
            head: HeadJson::new(report),
            grpc: url("https", &identity.addresses.grpc),
            http: url("http", &identity.addresses.http),
        }
    }
}

impl HeadJson {
    fn new(report: &MemberReport) -> Self {
        let heartbeat = report
            .journal
            .as_ref()
            .ok()
            .and_then(|journal| journal.heartbeat.as_ref());
        let head = heartbeat.map(|heartbeat| heartbeat.head);
        Self {
            incarnation: head.map(|Head { incarnation, .. }| incarnation),
            height: head.map(|head| head.height),
            head: head.map(|head| head.hash.to_string()),
        }
    }

    fn text(&self) -> String {
        match (self.incarnation, self.height) {
            (Some(incarnation), Some(height)) => format!("{incarnation}/{height}"),
            _ => String::new(),
        }
    }
}

impl ArcJson {
    fn new(arc: &KeyRange) -> Self {
        Self {
            from: arc.from.to_string(),
            to: arc.to.to_string(),
        }
    }
}

/// An address with its scheme; empty if there is none.
fn url(scheme: &str, address: &str) -> String {
    if address.is_empty() {
        String::new()
    } else {
        format!("{scheme}://{address}")
    }
}

async fn show(session: &Session, global: &Global) -> anyhow::Result<ExitCode> {
    let reports = session.client.reports().await;
    let ring = RingJson::new(&session.client.view(), &reports);
    if global.json {
        output::json(&ring)?;
        return Ok(ExitCode::SUCCESS);
    }
    let paint = Paint::stdout();
    let peers = count(ring.peers.len() as u64, "peer");
    let copies = count_of(ring.replicas as u64, "copy", "copies");
    let namespace = paint.bold(&ring.namespace);
    output::line(&format!(
        "{namespace}  {peers}, {copies} of everything, quorum {}\n",
        ring.quorum
    ))?;
    for line in table(&ring).lines(paint) {
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
        output::line(&paint.red(&format!(
            "cover: no settled peer holds {arcs} of the circle"
        )))?;
    }
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

fn table(ring: &RingJson) -> Table {
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
            plain(format!("{:.1} %", peer.share * 100.0)),
            (
                peer.state.to_owned(),
                tone(Condition::from_wire(peer.state)),
            ),
            plain(peer.head.text()),
            (peer.grpc.clone(), Tone::Dim),
        ]);
    }
    for aggregator in &ring.aggregators {
        table.row([
            plain(short(&aggregator.id)),
            plain("aggregator"),
            plain(""),
            (
                aggregator.state.to_owned(),
                tone(Condition::from_wire(aggregator.state)),
            ),
            plain(aggregator.head.text()),
            (aggregator.grpc.clone(), Tone::Dim),
        ]);
    }
    table
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
    let paint = Paint::stdout();
    let (first, rest) = why.replicas.split_at(why.replicas.len().min(1));
    output::line(&format!("point     {}", why.point))?;
    output::line(&format!("owner     {}", paint.green(&first.join(""))))?;
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
    output::line(&paint.dim(&format!("          {neighbours}")))?;
    Ok(ExitCode::SUCCESS)
}

fn peers(session: &Session) -> u64 {
    session.client.view().peers().count() as u64
}
