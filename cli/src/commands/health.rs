//! `kittengrad health`: are the processes alive and ready?

use std::{process::ExitCode, time::Duration};

use clap::Args;
use kittengrad_client::{
    config::{ClientConfig, locate},
    network::Network,
};
use serde_json::{Value, json};

use crate::{cli::Global, output};

/// How long one process may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What to ask.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kittengrad --config DIR/client.toml health\n  \
    kittengrad health --http http://127.0.0.1:7003\n\nExit code 0 if all of them are ready, else 1."
)]
pub(crate) struct HealthArgs {
    /// Ask this process only, by the address of its pages
    #[arg(long, value_name = "URL", value_parser = super::http::parse_url)]
    http: Option<String>,
}

/// Asks each process for `/readyz`.
pub(crate) async fn run(args: HealthArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let asked = match args.http {
        Some(url) => vec![("process".to_owned(), String::new(), url)],
        None => members(global)?,
    };
    let mut is_well = true;
    for (role, id, url) in asked {
        let (is_ready, reasons) = ready(&url).await;
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

fn members(global: &Global) -> anyhow::Result<Vec<(String, String, String)>> {
    let config = ClientConfig::load(&locate(global.config.as_deref())?)?;
    let network = Network::load(&config.network)?;
    let mut asked: Vec<_> = network
        .members()
        .filter(|member| !member.addresses.http.is_empty())
        .map(|member| {
            let url = format!("http://{}", member.addresses.http);
            (member.role.as_str().to_owned(), member.key.to_string(), url)
        })
        .collect();
    let indexer = config
        .indexer
        .map(|url| url.trim_end_matches('/').to_owned());
    if let Some(indexer) = indexer
        && !asked.iter().any(|(_, _, url)| *url == indexer)
    {
        asked.push(("indexer".to_owned(), String::new(), indexer));
    }
    Ok(asked)
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
