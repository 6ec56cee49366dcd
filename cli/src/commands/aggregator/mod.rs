//! `kittengrad aggregator`: running one, and the state of its view.

mod status;

use std::process::ExitCode;

use clap::Subcommand;
use kittengrad_aggregator::{config::Config, run};
use kittengrad_client::config::locate;
use kittengrad_service::process::shutdown_on_signal;
use serde_json::json;
use tokio::sync::oneshot;

use self::status::StatusArgs;
use super::role;
use crate::{global::Global, output};

/// Commands of an aggregator.
#[derive(Debug, Subcommand)]
pub(crate) enum AggregatorCommand {
    /// Run an aggregator until SIGTERM or Ctrl-C
    #[command(
        after_help = "Examples:\n  kittengrad aggregator run --config aggregator/aggregator.toml\n\n\
        deploy/aggregator.toml documents every key."
    )]
    Run,
    /// Show to which time the view is complete, cell by cell, and what it waits for
    #[command(after_help = "Examples:\n  kittengrad aggregator status\n  \
        kittengrad aggregator status --http http://127.0.0.1:7003\n  \
        kittengrad aggregator status --json | jq '.cells[] | {from, complete_to_ms, waits_for}'\n\n\
        Everything that was acknowledged before the time of a cell is in the view. With --json, prints one line per \
        aggregator: what it answers at GET /status.\n\
        Exit code 0 if all aggregators that were asked are ready, else 1.")]
    Status(StatusArgs),
}

/// Runs a command of an aggregator.
pub(crate) async fn run(command: AggregatorCommand, global: &Global) -> anyhow::Result<ExitCode> {
    match command {
        AggregatorCommand::Run => serve(global).await,
        AggregatorCommand::Status(args) => status::run(args, global).await,
    }
}

/// Runs an aggregator.
async fn serve(global: &Global) -> anyhow::Result<ExitCode> {
    role::log_to_stderr()?;
    let config = Config::load(&locate(global.config.as_deref())?)?;
    let shutdown = shutdown_on_signal()?;
    let (listening, listens) = oneshot::channel::<run::Listening>();
    let is_json = global.json;
    let announce = async move {
        if let Ok(on) = listens.await {
            output::say(&format!(
                "aggregator listens: gRPC {}, http://{}",
                on.grpc, on.http
            ));
            if is_json {
                role::announce(&json!({
                    "grpc": format!("https://{}", on.grpc),
                    "http": format!("http://{}", on.http),
                }));
            }
        }
    };
    let (ended, ()) = tokio::join!(run::run(config, shutdown, listening), announce);
    ended?;
    Ok(ExitCode::SUCCESS)
}
