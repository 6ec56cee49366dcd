//! The one program: parses the command line, runs the command, and turns its end into an exit code.

mod bench;
mod cli;
mod commands;
mod global;
mod output;
mod prepare;
mod sample;

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(unparsed) => return answer(&unparsed),
    };
    kittengrad_pki::tls::install_provider();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&anyhow::anyhow!("cannot start threads: {error}")),
    };
    let ended = runtime.block_on(commands::run(cli));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    ended.unwrap_or_else(|error| output::fail(&error))
}

/// Ends a command line without a command: prints the version or the help text that it asks for, or the error.
fn answer(unparsed: &clap::Error) -> ExitCode {
    let is_json = std::env::args_os().any(|argument| argument == "--json");
    if !is_json || unparsed.use_stderr() {
        unparsed.exit();
    }
    if unparsed.kind() != ErrorKind::DisplayVersion {
        output::say(unparsed.render().to_string().trim_end());
        return ExitCode::SUCCESS;
    }
    let version = serde_json::json!({"name": "kittengrad", "version": env!("CARGO_PKG_VERSION")});
    output::json(&version).map_or_else(|error| output::fail(&error), |()| ExitCode::SUCCESS)
}
