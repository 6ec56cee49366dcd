//! `kittengrad search`: asks an indexer.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use kittengrad_proto::record::CanonicalType;
use serde_json::Value;

use super::Session;
use crate::{
    commands::http,
    global::Global,
    output::{
        self, Usage, paint,
        text::{clean, count, cut, micros},
    },
};

/// Bytes of an indexer's answer.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Columns of a hit's summary.
const SUMMARY_CHARS_MAX: usize = 96;
/// How long an indexer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The search.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    kittengrad search turner\n  \
    kittengrad search '\"snow storm\" -venice' --type artefact\n  \
    kittengrad search 'turn*' --publisher tate --limit 5 --json\n  \
    kittengrad search turner --next TOKEN                       # the next page\n\n\
    All words must occur; \"quoted words\" in that order; -word must not occur; wor* matches a prefix.")]
pub(crate) struct SearchArgs {
    /// Words
    #[arg(required = true)]
    words: Vec<String>,
    /// Find only this type: entity or artefact
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<CanonicalType>,
    /// Find only documents with a head of this publisher, by name or key
    #[arg(long, value_name = "NAME")]
    publisher: Option<String>,
    /// Hits on a page
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: Option<u16>,
    /// Continue after an earlier page, whose "next" this is
    #[arg(long, value_name = "TOKEN")]
    next: Option<String>,
}

/// Searches.
pub(crate) async fn run(args: SearchArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    let found = ask(&indexer(&session)?, &parameters(&args)).await?;
    if global.json {
        output::json(&found)?;
    } else {
        show(&found)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The address of the indexer: the one in the configuration, else the first of the network.
fn indexer(session: &Session) -> anyhow::Result<String> {
    if let Some(url) = &session.config.indexer {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    let view = session.client.view();
    let mut addresses = view.indexers().map(|indexer| &indexer.addresses.http);
    let found = addresses
        .find(|address| !address.is_empty())
        .map(|address| format!("http://{address}"));
    let none = || {
        Usage(
            "no indexer in the configuration or the network file: add `indexer = \
                         \"http://host:port\"` to the configuration"
                .to_owned(),
        )
    };
    Ok(found.ok_or_else(none)?)
}

fn parameters(args: &SearchArgs) -> Vec<(&'static str, String)> {
    let mut parameters = vec![("q", args.words.join(" "))];
    parameters.extend(args.kind.map(|kind| ("type", kind.to_string())));
    parameters.extend(
        args.publisher
            .clone()
            .map(|publisher| ("publisher", publisher)),
    );
    parameters.extend(args.limit.map(|limit| ("limit", limit.to_string())));
    parameters.extend(args.next.clone().map(|next| ("next", next)));
    parameters
}

/// Asks the indexer; gives its answer as it is.
async fn ask(indexer: &str, parameters: &[(&str, String)]) -> anyhow::Result<Value> {
    let silent = || {
        format!("the indexer at {indexer} does not answer; `kittengrad health` asks all processes")
    };
    let request = http::client(PATIENCE)?
        .get(format!("{indexer}/api/search"))
        .query(parameters);
    let mut answer = request.send().await.with_context(silent)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.with_context(silent)? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            bail!("the indexer at {indexer} answers with more than {ANSWER_BYTES_MAX} bytes");
        }
        body.extend_from_slice(&piece);
    }
    let found = serde_json::from_slice::<Value>(&body);
    if !status.is_success() {
        let why = found
            .ok()
            .and_then(|found| Some(found.get("error")?.as_str()?.to_owned()));
        let why = why.unwrap_or_else(|| cut(&String::from_utf8_lossy(&body), 200));
        bail!("the indexer at {indexer} refuses ({status}): {why}");
    }
    found.with_context(|| {
        format!("{indexer} does not answer with JSON; check that it is an indexer")
    })
}

fn show(found: &Value) -> anyhow::Result<()> {
    let total = found["total"].as_u64().unwrap_or_default();
    let took = micros(found["took_us"].as_u64().unwrap_or_default());
    output::line(&paint::dim(&format!("{} in {took}", count(total, "hit"))))?;
    for hit in found["hits"].as_array().into_iter().flatten() {
        let text = |field: &str| clean(hit[field].as_str().unwrap_or_default());
        let name = match text("name") {
            name if name.is_empty() => paint::dim("without a name"),
            name => paint::bold(&name),
        };
        let publishers: Vec<_> = hit["publishers"]
            .as_array()
            .into_iter()
            .flatten()
            .map(publisher)
            .collect();
        output::line(&format!(
            "\n{name}  {}  {}",
            paint::dim(&text("type")),
            paint::green(&publishers.join(", "))
        ))?;
        let summary = cut(
            hit["summary"].as_str().unwrap_or_default(),
            SUMMARY_CHARS_MAX,
        );
        if !summary.is_empty() {
            output::line(&summary)?;
        }
        output::line(&paint::cyan(&text("canonical")))?;
    }
    if let Some(next) = found["next"].as_str() {
        output::line(&paint::dim(&format!("\nmore: --next {}", clean(next))))?;
    }
    Ok(())
}

/// The name of a publisher, or its key if no name is known.
fn publisher(value: &Value) -> String {
    let text = value
        .as_str()
        .or_else(|| value["name"].as_str())
        .or_else(|| value["publisher"].as_str());
    cut(text.unwrap_or_default(), 40)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_one_query_and_filters_are_given_on() {
        let args = SearchArgs {
            words: vec!["snow".to_owned(), "storm".to_owned()],
            kind: Some(CanonicalType::Artefact),
            publisher: Some("tate".to_owned()),
            limit: Some(5),
            next: None,
        };
        let expected = [
            ("q", "snow storm"),
            ("type", "artefact"),
            ("publisher", "tate"),
            ("limit", "5"),
        ];
        assert_eq!(
            parameters(&args),
            expected.map(|(key, value)| (key, value.to_owned()))
        );
    }

    #[test]
    fn a_publisher_is_shown_by_its_name_if_it_has_one() {
        assert_eq!(publisher(&json!("tate")), "tate");
        assert_eq!(
            publisher(&json!({"name": "tate", "publisher": "3f"})),
            "tate"
        );
        assert_eq!(publisher(&json!({"name": null, "publisher": "3f"})), "3f");
        assert_eq!(publisher(&json!(5)), "");
    }
}
