//! `GET /api/search`: the hits of a search, page by page.

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use kittengrad_client_core::view::json::PublisherNames as _;
use kittengrad_indexer_core::Publishers;
use kittengrad_proto::id::PublicKey;
use serde::{Deserialize, Serialize};

use super::{App, failure::Failure};
use crate::{
    index::Snapshot,
    search::{self, Facets, Hit, LIMIT_DEFAULT, Search},
};

/// The parameters of a search.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    /// Words, as a person types them.
    q: String,
    /// `entity` or `artefact`; empty for both.
    #[serde(rename = "type")]
    kind: String,
    /// Key or name of a publisher.
    publisher: String,
    /// CID of a canonical that hits link to.
    to: String,
    /// The token of the page before.
    next: Option<String>,
    /// Most hits of the page.
    limit: Option<usize>,
    /// Whether to count hits by type and publisher.
    facets: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    query: String,
    total: usize,
    took_us: u64,
    hits: Vec<HitJson>,
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<FacetsJson>,
}

#[derive(Debug, Serialize)]
struct HitJson {
    canonical: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    identifier: Option<String>,
    /// A line that tells the document from others of the same name.
    summary: String,
    score: f32,
    /// Time of the newest head by its publisher's clock, in Unix milliseconds; 0 without a head.
    updated_ms: u64,
    /// Names, or keys of publishers without a name; in the order of `publisher_keys`.
    publishers: Vec<String>,
    publisher_keys: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FacetsJson {
    types: Vec<FacetJson>,
    publishers: Vec<FacetJson>,
}

#[derive(Debug, Serialize)]
struct FacetJson {
    value: String,
    name: Option<String>,
    count: u64,
}

pub(super) async fn search(
    State(app): State<App>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Answer>, Failure> {
    let Query(asked) = asked.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    app.read(move |app, current| answer(app, &current, asked))
        .await
        .map(Json)
}

fn answer(app: &App, current: &Arc<Snapshot>, asked: Asked) -> Result<Answer, Failure> {
    let began = Instant::now();
    let search = parse(&asked, &current.publishers)?;
    let limit = asked.limit.unwrap_or(LIMIT_DEFAULT);
    let found = search::search(current, &app.0.pages, &search, asked.next.as_deref(), limit)?;
    let publishers = &found.snapshot.publishers;
    let facets = if asked.facets {
        Some(search::facets(&found.snapshot, &search)?)
    } else {
        None
    };
    let took = began.elapsed();
    app.0.parts.metrics.searches.inc();
    app.0
        .parts
        .metrics
        .search_seconds
        .observe(took.as_secs_f64());
    Ok(Answer {
        query: asked.q,
        total: found.total,
        took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        hits: found
            .hits
            .into_iter()
            .map(|hit| hit_json(hit, publishers))
            .collect(),
        next: found.next,
        facets: facets.map(|facets| facets_json(facets, publishers)),
    })
}

fn parse(asked: &Asked, publishers: &Publishers) -> Result<Search, Failure> {
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let kind = some(&asked.kind)
        .map(|kind| kind.parse())
        .transpose()
        .map_err(Failure::bad_request)?;
    let links_to = some(&asked.to)
        .map(|cid| cid.parse())
        .transpose()
        .map_err(Failure::bad_request)?;
    let keys = |text: String| match text.parse::<PublicKey>() {
        Ok(key) => vec![key],
        Err(_) => publishers.named(&text).collect(),
    };
    let publishers = some(&asked.publisher).map(keys);
    Ok(Search {
        words: asked.q.trim().to_owned(),
        publisher: asked.publisher.trim().to_owned(),
        kind,
        publishers,
        links_to,
    })
}

fn hit_json(hit: Hit, publishers: &Publishers) -> HitJson {
    let brief = hit.brief;
    let named = |key: &String| name_of(key, publishers).unwrap_or_else(|| key.clone());
    HitJson {
        canonical: brief.canonical,
        kind: brief.kind,
        name: brief.name,
        identifier: brief.identifier,
        summary: brief.summary,
        score: hit.score,
        updated_ms: brief.updated_ms,
        publishers: brief.publishers.iter().map(named).collect(),
        publisher_keys: brief.publishers,
    }
}

fn facets_json(facets: Facets, publishers: &Publishers) -> FacetsJson {
    let plain = |(value, count): (String, u64)| FacetJson {
        value,
        name: None,
        count,
    };
    let named = |(value, count): (String, u64)| FacetJson {
        name: name_of(&value, publishers),
        value,
        count,
    };
    FacetsJson {
        types: facets.types.into_iter().map(plain).collect(),
        publishers: facets.publishers.into_iter().map(named).collect(),
    }
}

fn name_of(key: &str, publishers: &Publishers) -> Option<String> {
    publishers.name(&key.parse().ok()?).map(str::to_owned)
}
