//! `kittengrad peer run`.

use std::process::ExitCode;

use clap::Subcommand;
use kittengrad_client::config::locate;
use kittengrad_node::{config::Config, run};
use kittengrad_service::process::shutdown_on_signal;
use serde_json::json;
use tokio::sync::oneshot;

use super::role;
use crate::{global::Global, output};

/// Commands of a peer.
#[derive(Debug, Subcommand)]
pub(crate) enum PeerCommand {
    /// Run a peer until SIGTERM or Ctrl-C
    #[command(
        after_help = "Examples:\n  kittengrad peer run --config peers/1/peer.toml\n  \
        KITTENGRAD_LOG=debug kittengrad peer run --config peers/1/peer.toml\n\n\
        `kittengrad demo --prepare --dir DIR` writes such files. By hand: `ca admit`, `network add`, \
        deploy/peer.toml."
    )]
    Run,
}

/// Runs a peer.
pub(crate) async fn run(global: &Global) -> anyhow::Result<ExitCode> {
    role::log_to_stderr()?;
    let config = Config::load(&locate(global.config.as_deref())?)?;
    let shutdown = shutdown_on_signal()?;
    let (listening, listens) = oneshot::channel::<run::Listening>();
    let is_json = global.json;
    let announce = async move {
        if let Ok(on) = listens.await {
            output::say(&format!(
                "peer listens: gRPC {}, QUIC {}, http://{}",
                on.grpc, on.quic, on.http
            ));
            if is_json {
                role::announce(&json!({
                    "grpc": format!("https://{}", on.grpc),
                    "quic": on.quic.to_string(),
                    "http": format!("http://{}", on.http),
                }));
            }
        }
    };
    let (ended, ()) = tokio::join!(run::run(config, shutdown, listening), announce);
    ended?;
    Ok(ExitCode::SUCCESS)
}
