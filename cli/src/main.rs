//! The one program: parses the command line, runs the command, and turns its end into an exit code.

mod bench;
mod cli;
mod commands;
mod output;
mod prepare;
mod sample;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
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
