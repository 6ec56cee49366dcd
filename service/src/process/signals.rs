//! Shutdown on signals.

use std::{io, process};

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code after a second Ctrl-C: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// The system does not let the process listen for signals.
#[derive(Debug, Error)]
#[error("cannot listen for signals: {0}")]
pub struct SignalError(#[from] io::Error);

/// A token that SIGINT (Ctrl-C) or SIGTERM cancels. A SIGINT after that ends the process at once.
///
/// # Errors
/// If the system refuses the handlers.
pub fn shutdown_on_signal() -> Result<CancellationToken, SignalError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = CancellationToken::new();
    let cancelled = shutdown.clone();
    // The only task without an owner: it runs until the process exits.
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        cancelled.cancel();
        if interrupt.recv().await.is_some() {
            process::exit(INTERRUPTED);
        }
    });
    Ok(shutdown)
}
