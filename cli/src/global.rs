//! The options of every command.

use std::path::PathBuf;

use clap::Args;

/// The options that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Configuration file [default: $KITTENGRAD_CONFIG, else ./kittengrad.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print newline-delimited JSON on standard output, and everything for people on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
}
