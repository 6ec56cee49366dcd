//! The command line: what may be said, with examples.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    aggregator::AggregatorCommand, ca::CaCommand, client::ClientCommand, demo::DemoArgs,
    health::HealthArgs, indexer::IndexerCommand, network::NetworkCommand, peer::PeerCommand,
};

/// A store for open metadata that no single party owns.
#[derive(Debug, Parser)]
#[command(
    name = "kittengrad",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        kittengrad demo                          a whole network on this machine, with a web page\n  \
        kittengrad --config DIR/client.toml search turner\n  \
        kittengrad --config DIR/client.toml ring show\n\n\
        Each command has its own --help with examples."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Configuration file [default: $KITTENGRAD_CONFIG, else ./kittengrad.toml]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "KITTENGRAD_CONFIG",
        hide_env = true
    )]
    pub(crate) config: Option<PathBuf>,
    /// Print newline-delimited JSON on standard output, and everything for people on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole network on this machine: peers, an aggregator, an indexer, and records to look at
    Demo(DemoArgs),
    /// Run a peer
    #[command(subcommand)]
    Peer(PeerCommand),
    /// Run an aggregator
    #[command(subcommand)]
    Aggregator(AggregatorCommand),
    /// Run an indexer
    #[command(subcommand)]
    Indexer(IndexerCommand),
    /// Make certificates
    #[command(subcommand)]
    Ca(CaCommand),
    /// Make the file that says who is in a network
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Ask processes whether they are alive and ready
    Health(HealthArgs),
    /// Print a script that completes commands in a shell
    #[command(
        after_help = "Examples:\n  kittengrad completions bash > /etc/bash_completion.d/kittengrad\n  \
        kittengrad completions zsh > ~/.zfunc/_kittengrad"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    #[command(flatten)]
    Client(ClientCommand),
}
