//! What all long-running commands share: logs, and ending on a signal.

use std::{io::IsTerminal, path::Path};

use anyhow::Context;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::output::{self, Usage};

/// Chooses what is logged, in the form of `tracing`: `info`, `kittengrad_node=debug,info`.
const LOG_VARIABLE: &str = "KITTENGRAD_LOG";

/// The exit code of what a second Ctrl-C ended: 128 and the number of the signal.
const INTERRUPTED: i32 = 130;

/// What is to be logged, by the text of the variable; `info` without one.
fn filter(text: Option<&str>) -> Result<EnvFilter, Usage> {
    let text = text
        .filter(|text| !text.trim().is_empty())
        .unwrap_or("info");
    EnvFilter::builder().parse(text).map_err(|error| {
        Usage(format!(
            "{LOG_VARIABLE} is {text:?}: {error}; write a level (error, warn, info, debug, trace) or \
             kittengrad_node=debug,info"
        ))
    })
}

fn filter_from_env() -> Result<EnvFilter, Usage> {
    let text = std::env::var_os(LOG_VARIABLE).map(|text| text.to_string_lossy().into_owned());
    filter(text.as_deref())
}

/// Logs to standard error.
///
/// # Errors
/// [`Usage`] if the environment says nonsense about what to log.
pub(crate) fn log_to_stderr() -> anyhow::Result<()> {
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter_from_env()?)
        .with_ansi(is_terminal)
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

/// Says on standard output where a process listens. Whoever reads that may go away then: the process goes on.
pub(crate) fn announce(value: &impl Serialize) {
    if let Err(error) = output::even_if_gone(output::json(value)) {
        output::error(&error);
    }
}

/// Logs to a file, appending.
pub(crate) fn log_to_file(path: &Path) -> anyhow::Result<()> {
    let filter = filter_from_env()?;
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot write the log {}", path.display()))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file))
        .init();
    Ok(())
}

/// A token that is cancelled by Ctrl-C or a request to terminate. A second Ctrl-C does not wait for the end.
pub(crate) fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let shutdown = CancellationToken::new();
    let cancelled = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        cancelled.cancel();
        if interrupt.recv().await.is_some() {
            std::process::exit(INTERRUPTED);
        }
    });
    Ok(shutdown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_log_is_a_level_or_levels_of_parts_and_nothing_else() {
        for text in [
            None,
            Some(""),
            Some("debug"),
            Some("kittengrad_node=debug,info"),
        ] {
            assert!(filter(text).is_ok(), "{text:?}");
        }
        for text in ["kittengrad=loud", "a=b=c"] {
            assert!(filter(Some(text)).is_err(), "{text}");
        }
    }
}
