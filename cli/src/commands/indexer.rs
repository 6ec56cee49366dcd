//! `kittengrad indexer run`.

use std::process::ExitCode;

use clap::Subcommand;
use kittengrad_client::config::locate;
use kittengrad_indexer::{config::Config, run};
use kittengrad_service::process::shutdown_on_signal;
use serde_json::json;
use tokio::sync::oneshot;

use super::role;
use crate::{global::Global, output};

/// Commands of an indexer.
#[derive(Debug, Subcommand)]
pub(crate) enum IndexerCommand {
    /// Run an indexer until SIGTERM or Ctrl-C
    #[command(
        after_help = "Examples:\n  kittengrad indexer run --config indexer/indexer.toml\n\n\
        deploy/indexer.toml documents every key."
    )]
    Run,
}

/// Runs an indexer.
pub(crate) async fn run(global: &Global) -> anyhow::Result<ExitCode> {
    role::log_to_stderr()?;
    let config = Config::load(&locate(global.config.as_deref())?)?;
    let shutdown = shutdown_on_signal()?;
    let (listening, listens) = oneshot::channel::<run::Listening>();
    let is_json = global.json;
    let announce = async move {
        if let Ok(on) = listens.await {
            output::say(&format!("indexer listens: http://{}", on.http));
            if is_json {
                role::announce(&json!({"http": format!("http://{}", on.http)}));
            }
        }
    };
    let (ended, ()) = tokio::join!(run::run(config, shutdown, listening), announce);
    ended?;
    Ok(ExitCode::SUCCESS)
}
