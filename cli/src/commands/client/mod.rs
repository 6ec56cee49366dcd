//! The commands of a client: what publishers, readers and the curious type.

mod canonical;
mod get;
pub(crate) mod ingest;
mod journal;
mod lookup;
mod ring;
mod search;
mod session;
mod statement;
mod tail;
mod verify;
mod write;

use std::process::ExitCode;

use clap::Subcommand;

use self::{
    get::{GetArgs, HistoryArgs},
    ingest::IngestArgs,
    journal::JournalCommand,
    ring::RingCommand,
    search::SearchArgs,
    tail::TailArgs,
    verify::VerifyCommand,
    write::{PutArgs, RetractArgs, UpdateArgs},
};
pub(crate) use self::{
    session::{Session, SourceArgs, toml_text},
    tail::explain,
};
use crate::{
    bench::{self, BenchCommand},
    cli::Global,
};

/// All commands that need nothing but a client's configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Insert a canonical: the record of a thing that everything else hangs on
    Put(PutArgs),
    /// Say something about a canonical
    Update(UpdateArgs),
    /// Take an update back
    Retract(RetractArgs),
    /// Show canonicals and what is said about them today
    Get(GetArgs),
    /// Show everything that was ever said about a canonical, in the order of time
    History(HistoryArgs),
    /// Follow a journal: one line for each element, verified
    Tail(TailArgs),
    /// Look into journals
    #[command(
        subcommand,
        after_help = "Examples:\n  kittengrad journal head\n  kittengrad journal verify --aggregator\n  \
        kittengrad journal blocks --peer 3f9a12cd --limit 10"
    )]
    Journal(JournalCommand),
    /// Look at the ring
    #[command(
        subcommand,
        after_help = "Examples:\n  kittengrad ring show\n  kittengrad ring why bafyrei..."
    )]
    Ring(RingCommand),
    /// Search
    Search(SearchArgs),
    /// Load newline-delimited JSON through a map
    Ingest(IngestArgs),
    /// Measure
    #[command(
        subcommand,
        after_help = "Examples:\n  kittengrad bench insert\n  kittengrad bench bulk --batch 1000 --json\n  \
        kittengrad bench lookup --per 5\n  kittengrad bench tail\n\n\
        Everything written stays: measure where that does not matter, a demo for example."
    )]
    Bench(BenchCommand),
    /// Verify something offline
    #[command(
        subcommand,
        after_help = "Examples:\n  kittengrad verify receipt work.receipt --network network.toml"
    )]
    Verify(VerifyCommand),
}

/// Runs a command of a client.
pub(crate) async fn run(command: ClientCommand, global: &Global) -> anyhow::Result<ExitCode> {
    match command {
        ClientCommand::Put(args) => write::put(args, global).await,
        ClientCommand::Update(args) => write::update(args, global).await,
        ClientCommand::Retract(args) => write::retract(args, global).await,
        ClientCommand::Get(args) => get::get(args, global).await,
        ClientCommand::History(args) => get::history(args, global).await,
        ClientCommand::Tail(args) => tail::run(args, global).await,
        ClientCommand::Journal(command) => journal::run(command, global).await,
        ClientCommand::Ring(command) => ring::run(command, global).await,
        ClientCommand::Search(args) => search::run(args, global).await,
        ClientCommand::Ingest(args) => ingest::run(args, global).await,
        ClientCommand::Bench(command) => bench::run(command, global).await,
        ClientCommand::Verify(command) => verify::run(&command, global),
    }
}
