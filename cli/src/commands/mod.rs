//! The commands, one file each.

pub(crate) mod aggregator;
pub(crate) mod ca;
pub(crate) mod client;
pub(crate) mod demo;
pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod indexer;
pub(crate) mod load;
pub(crate) mod network;
pub(crate) mod peer;
mod role;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::{
    cli::{Cli, Command},
    output::{self, Usage},
};

/// Runs a command to its end.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = &cli.global;
    match cli.command {
        Command::Demo(args) => demo::run(args, global).await,
        Command::Peer(PeerCommand::Run) => peer::run(global).await,
        Command::Aggregator(command) => aggregator::run(command, global).await,
        Command::Indexer(IndexerCommand::Run) => indexer::run(global).await,
        Command::Ca(command) => ca::run(command, global),
        Command::Network(command) => network::run(command, global),
        Command::Health(args) => health::run(args, global).await,
        Command::Completions { shell } => {
            if global.json {
                let why = "a completion script is not JSON: omit --json";
                return Err(Usage(why.to_owned()).into());
            }
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "kittengrad", &mut script);
            output::raw(&script)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Client(command) => client::run(command, global).await,
    }
}

use self::{indexer::IndexerCommand, peer::PeerCommand};
