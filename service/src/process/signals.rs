//! Ending when the system or a person says so.

use std::{io, process};

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of what a second Ctrl-C ended: 128 and the number of the signal.
const INTERRUPTED: i32 = 130;

/// The system does not let the process listen for signals.
#[derive(Debug, Error)]
#[error("cannot listen for signals: {0}")]
pub struct SignalError(#[from] io::Error);

/// Gives a token that is cancelled by Ctrl-C or a request to terminate. A second Ctrl-C ends the process at once.
///
/// # Errors
/// If the system refuses.
pub fn shutdown_on_signal() -> Result<CancellationToken, SignalError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = CancellationToken::new();
    let cancelled = shutdown.clone();
    // The one task without an owner: it lives until the process exits.
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
