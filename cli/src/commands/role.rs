//! The shared parts of long-running commands: logs, and the addresses where they listen.

use std::{io::IsTerminal, path::Path};

use anyhow::Context;
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::output::{self, Usage};

/// Environment variable with the log filter of `tracing`: `info`, or `kittengrad_node=debug,info`.
const LOG_VARIABLE: &str = "KITTENGRAD_LOG";

/// The log filter in the variable; `info` by default.
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
/// [`Usage`] if the variable has no valid filter.
pub(crate) fn log_to_stderr() -> anyhow::Result<()> {
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter_from_env()?)
        .with_ansi(is_terminal)
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

/// Prints the addresses of a process on standard output. The process continues if the reader of the line is gone.
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
