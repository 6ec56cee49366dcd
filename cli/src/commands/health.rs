//! `kittengrad health`: are the processes alive and ready?

use std::{process::ExitCode, time::Duration};

use clap::Args;
use serde_json::{Value, json};

use super::http::{Asked, members};
use crate::{global::Global, output};

/// How long one process may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The processes to ask.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kittengrad --config DIR/client.toml health\n  \
    kittengrad health --http http://127.0.0.1:7003\n\n\
    Exit code 0 if all are ready, else 1. A member that shares the address of its pages \
    with another one counts as not ready: ask it with --http."
)]
pub(crate) struct HealthArgs {
    /// Ask only this process, by the address of its pages
    #[arg(long, value_name = "URL", value_parser = super::http::parse_url)]
    http: Option<String>,
}

/// Asks each process for `/readyz`.
pub(crate) async fn run(args: HealthArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let asked = match args.http {
        Some(url) => vec![Asked {
            role: "process",
            id: String::new(),
            page: Ok(url),
        }],
        None => members(global)?,
    };
    let mut is_well = true;
    for Asked { role, id, page } in asked {
        let (is_ready, reasons) = match &page {
            Ok(url) => ready(url).await,
            Err(why) => (false, vec![why.clone()]),
        };
        let url = page.unwrap_or_default();
        is_well &= is_ready;
        let word = if is_ready { "ready" } else { "not ready" };
        let why = reasons.join("; ");
        if global.json {
            output::even_if_gone(output::json(
                &json!({"role": role, "id": id, "http": url, "ready": is_ready, "reasons": reasons}),
            ))?;
        } else {
            output::line(
                format!(
                    "{role:<10} {:<9} {word:<9} {url} {why}",
                    id.get(..8).unwrap_or("")
                )
                .trim_end(),
            )?;
        }
    }
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn ready(url: &str) -> (bool, Vec<String>) {
    let ask = async {
        let client = super::http::client(PATIENCE)?;
        let answer = client.get(format!("{url}/readyz")).send().await?;
        let is_ready = answer.status().is_success();
        let page: Value = answer.json().await.unwrap_or_default();
        let reasons = page["reasons"].as_array().cloned().unwrap_or_default();
        let reasons = reasons
            .iter()
            .filter_map(|reason| reason.as_str().map(str::to_owned));
        anyhow::Ok((is_ready, reasons.collect()))
    };
    ask.await.unwrap_or_else(|error: anyhow::Error| {
        (false, vec![format!("it does not answer: {error:#}")])
    })
}
