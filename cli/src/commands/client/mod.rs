//! The commands of a client: for publishers and readers.

mod canonical;
mod get;
mod history;
pub(crate) mod ingest;
mod journal;
mod lookup;
mod ring;
mod search;
mod session;
mod tail;
mod verify;
mod write;

use std::process::ExitCode;

use clap::Subcommand;

use self::{
    get::GetArgs,
    history::HistoryArgs,
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
    global::Global,
};

/// All commands that need nothing but a client's configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Insert a canonical, the record that statements refer to
    Put(PutArgs),
    /// Publish a statement about a canonical
    Update(UpdateArgs),
    /// Retract an update
    Retract(RetractArgs),
    /// Show canonicals and the statements that count today
    Get(GetArgs),
    /// Show every statement about a canonical, in the order of time
    History(HistoryArgs),
    /// Follow a journal: print one line per element, verified
    Tail(TailArgs),
    /// List and verify the blocks of journals
    #[command(
        subcommand,
        after_help = "Examples:\n  kittengrad journal head\n  kittengrad journal verify --aggregator\n  \
        kittengrad journal blocks --peer 3f9a12cd --limit 10"
    )]
    Journal(JournalCommand),
    /// Show the ring, and the place of a canonical on it
    #[command(
        subcommand,
        after_help = "Examples:\n  kittengrad ring show\n  kittengrad ring why bafyrei..."
    )]
    Ring(RingCommand),
    /// Search the index
    Search(SearchArgs),
    /// Load newline-delimited JSON through a map
    Ingest(IngestArgs),
    /// Measure the speed of a network
    #[command(
        subcommand,
        after_help = "Examples:\n  kittengrad bench insert\n  kittengrad bench bulk --batch 1000 --json\n  \
        kittengrad bench lookup --per 5\n  kittengrad bench tail\n\n\
        The records that it writes stay: measure on a demo, for example."
    )]
    Bench(BenchCommand),
    /// Verify files offline
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
        ClientCommand::History(args) => history::history(args, global).await,
        ClientCommand::Tail(args) => tail::run(args, global).await,
        ClientCommand::Journal(command) => journal::run(command, global).await,
        ClientCommand::Ring(command) => ring::run(command, global).await,
        ClientCommand::Search(args) => search::run(args, global).await,
        ClientCommand::Ingest(args) => ingest::run(args, global).await,
        ClientCommand::Bench(command) => bench::run(command, global).await,
        ClientCommand::Verify(command) => verify::run(&command, global),
    }
}
