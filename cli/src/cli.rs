//! The command line: options and commands, with examples.

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        aggregator::AggregatorCommand, ca::CaCommand, client::ClientCommand, demo::DemoArgs,
        health::HealthArgs, indexer::IndexerCommand, network::NetworkCommand, peer::PeerCommand,
    },
    global::Global,
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

/// All commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole network on this machine: peers, an aggregator, an indexer and sample records
    Demo(DemoArgs),
    /// Run a peer
    #[command(
        subcommand,
        after_help = "Examples:\n  kittengrad peer run --config peers/1/peer.toml"
    )]
    Peer(PeerCommand),
    /// Run an aggregator, or show to which time its view is complete
    #[command(
        subcommand,
        after_help = "Examples:\n  kittengrad aggregator run --config aggregator/aggregator.toml\n  \
        kittengrad aggregator status"
    )]
    Aggregator(AggregatorCommand),
    /// Run an indexer
    #[command(
        subcommand,
        after_help = "Examples:\n  kittengrad indexer run --config indexer/indexer.toml"
    )]
    Indexer(IndexerCommand),
    /// Create the certificates of a network
    #[command(
        subcommand,
        after_help = "Examples:\n  kittengrad ca init --dir ca --name museums\n  \
        kittengrad ca admit --role peer --name peer-1 --out peers/1"
    )]
    Ca(CaCommand),
    /// Write the network file, which lists the members
    #[command(
        subcommand,
        after_help = "Examples:\n  \
        kittengrad network make --root ca/root.pem --namespace works --out network.toml\n  \
        kittengrad network add --credentials peers/1 --role peer \\\n      \
        --grpc 10.0.0.1:7001 --quic 10.0.0.1:7002 --http 127.0.0.1:7003"
    )]
    Network(NetworkCommand),
    /// Ask processes whether they are alive and ready
    Health(HealthArgs),
    /// Print a completion script for a shell
    #[command(
        after_help = "Examples:\n  kittengrad completions bash > /etc/bash_completion.d/kittengrad\n  \
        kittengrad completions zsh > ~/.zfunc/_kittengrad"
    )]
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    #[command(flatten)]
    Client(ClientCommand),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Every command below this one, with the words that lead to it.
    fn check_examples(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        let help = command.get_after_help().map(ToString::to_string);
        let help = help.unwrap_or_default();
        assert!(help.contains("Examples:"), "no examples:{path}");
        let is_whole =
            |line: &str| line.is_empty() || line.starts_with(' ') || line.ends_with(['.', ':']);
        for line in help.lines() {
            // A terminal is as wide as it is: only sentences end a line.
            assert!(is_whole(line), "broken by hand:{path}: {line}");
        }
        for below in command.get_subcommands() {
            check_examples(below, &path);
        }
    }

    #[test]
    fn every_command_shows_examples_and_wraps_its_help() {
        check_examples(&Cli::command(), "");
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
