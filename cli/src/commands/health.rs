//! `kittengrad health`: are the processes alive and ready?

use std::{fs, process::ExitCode, time::Duration};

use clap::Args;
use kittengrad_client::config::{ClientConfig, locate};
use kittengrad_overlay::file::NetworkFile;
use serde_json::{Value, json};

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

/// A process to ask and its address, or the reason why it cannot be asked.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    role: &'static str,
    id: String,
    page: Result<String, String>,
}

fn members(global: &Global) -> anyhow::Result<Vec<Asked>> {
    let config = ClientConfig::load(&locate(global.config.as_deref())?)?;
    let view = NetworkFile::load(&config.network, fs::read_to_string)?.view()?;
    let known: Vec<_> = view
        .identities()
        .iter()
        .map(|member| {
            let page = member.addresses.http.as_str();
            (member.role.as_str(), member.key.to_string(), page)
        })
        .collect();
    let mut asked = pages(&known);
    let indexer = config
        .indexer
        .map(|url| url.trim_end_matches('/').to_owned());
    if let Some(indexer) = indexer
        && !asked
            .iter()
            .any(|known| known.page.as_ref() == Ok(&indexer))
    {
        asked.push(Asked {
            role: "indexer",
            id: String::new(),
            page: Ok(indexer),
        });
    }
    Ok(asked)
}

/// Where each member is asked. Two with one address, as on loopback of two machines, are asked nowhere: one of them
/// would answer for both.
fn pages(members: &[(&'static str, String, &str)]) -> Vec<Asked> {
    let page = |page: &str| {
        if page.is_empty() {
            return Err("the network file has no address of its pages: pass --http".to_owned());
        }
        match members
            .iter()
            .filter(|(_, _, other)| *other == page)
            .count()
        {
            1 => Ok(format!("http://{page}")),
            count => Err(format!(
                "the network file has {page} for {count} members: run this on each machine with --http"
            )),
        }
    };
    members
        .iter()
        .map(|(role, id, address)| Asked {
            role,
            id: id.clone(),
            page: page(address),
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_answers_for_another_or_is_left_out() {
        let members = [
            ("peer", "a".to_owned(), "10.0.0.1:7003"),
            ("peer", "b".to_owned(), "127.0.0.1:7003"),
            ("peer", "c".to_owned(), "127.0.0.1:7003"),
            ("aggregator", "d".to_owned(), ""),
        ];
        let pages = pages(&members).into_iter().map(|asked| asked.page);
        let words = pages.map(|page| page.unwrap_or_else(|why| why));
        let words: Vec<_> = words.collect();
        assert_eq!(words[0], "http://10.0.0.1:7003");
        for why in &words[1..3] {
            assert!(why.contains("127.0.0.1:7003 for 2 members"), "{why}");
        }
        assert!(words[3].contains("no address"));
    }
}
