//! `kittengrad ca`: the certificates of a network.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Subcommand;
use kittengrad_pki::{
    authority::{Authority, default_validity},
    credentials::read_key,
    directory::{Admission, InitOptions},
};
use kittengrad_proto::{certificate::Role, signed::Signer};
use kittengrad_service::clock::unix_ms;
use serde_json::json;

use crate::{global::Global, output};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Commands of the certificate authority.
#[derive(Debug, Subcommand)]
pub(crate) enum CaCommand {
    /// Create the root of a new network, its Level-0 principal and the registrar that certifies clients
    #[command(after_help = "Examples:\n  kittengrad ca init --dir ca --name museums")]
    Init {
        /// Folder of the authority; created if it does not exist
        #[arg(long, default_value = "ca")]
        dir: PathBuf,
        /// Name of the network
        #[arg(long)]
        name: String,
    },
    /// Certify a peer, an aggregator, an indexer or a client
    #[command(
        after_help = "Examples:\n  kittengrad ca admit --role peer --name peer-1 --out peers/1\n  \
        kittengrad ca admit --role client --name tate --out publishers/tate\n  \
        kittengrad ca admit --role peer --name peer-1 --out peers/1 --key peers/1/key.pem   # renew"
    )]
    Admit {
        /// Role: peer, aggregator, indexer or client
        #[arg(long, value_parser = parse_role)]
        role: Role,
        /// Name in the certificate
        #[arg(long)]
        name: String,
        /// Folder for key.pem, chain.pem and root.pem; created if it does not exist
        #[arg(long)]
        out: PathBuf,
        /// Folder of the authority
        #[arg(long, default_value = "ca")]
        ca: PathBuf,
        /// Certify this key instead of a new one
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Days until the certificate expires [default: by role]
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=36_500))]
        days: Option<u64>,
        /// Print the changes without making them
        #[arg(long)]
        dry_run: bool,
    },
}

fn parse_role(text: &str) -> Result<Role, String> {
    match text.parse() {
        Ok(Role::Registrar) => Err("`kittengrad ca init` makes the registrar".to_owned()),
        Ok(role) => Ok(role),
        Err(error) => Err(format!(
            "{error}; choose peer, aggregator, indexer or client"
        )),
    }
}

/// Runs a command of the authority.
pub(crate) fn run(command: CaCommand, global: &Global) -> anyhow::Result<ExitCode> {
    match command {
        CaCommand::Init { dir, name } => {
            let made = Authority::init(
                &dir,
                &InitOptions {
                    name,
                    now_ms: unix_ms(),
                },
            )?;
            let network = made.authority.root().network();
            let done = if made.is_new { "made" } else { "exists" };
            output::say(&format!(
                "authority {done} in {}; network {network}",
                dir.display()
            ));
            if global.json {
                output::json(
                    &json!({"dir": dir, "network": network.to_string(), "new": made.is_new}),
                )?;
            }
        }
        CaCommand::Admit {
            role,
            name,
            out,
            ca,
            key,
            days,
            dry_run,
        } => {
            let authority = Authority::open(&ca)?;
            let existing_key = key
                .as_deref()
                .map(read_key)
                .transpose()
                .context("cannot read the key to certify")?;
            let validity = days.map_or_else(
                || default_validity(role),
                |days| DAY * u32::try_from(days).unwrap_or(u32::MAX),
            );
            let admission = Admission {
                role,
                name: &name,
                validity,
                existing_key,
                now_ms: unix_ms(),
            };
            if dry_run {
                let holder = authority.preview(&admission, &out)?;
                let left =
                    Duration::from_millis(holder.not_after_ms.saturating_sub(admission.now_ms));
                let days = left.as_secs() / DAY.as_secs();
                output::say(&format!(
                    "would admit {name} as {role} for {days} days into {}",
                    out.display()
                ));
                if global.json {
                    let key = admission.existing_key.as_ref();
                    output::json(&json!({
                        "id": key.map(|key| key.public().to_string()),
                        "role": role.as_str(),
                        "name": name,
                        "dir": out,
                        "not_after_ms": holder.not_after_ms,
                        "dry_run": true,
                    }))?;
                }
                return Ok(ExitCode::SUCCESS);
            }
            let admitted = authority.admit(&admission, &out)?;
            let holder = admitted.credentials.holder();
            output::say(&format!(
                "{role} {name} has key {}; credentials are in {}",
                holder.key,
                out.display()
            ));
            if global.json {
                output::json(&json!({
                    "id": holder.key.to_string(),
                    "role": role.as_str(),
                    "name": name,
                    "dir": out,
                    "not_after_ms": holder.not_after_ms,
                    "dry_run": false,
                }))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
