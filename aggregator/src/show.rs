//! An aggregator's state in words: for `GetRing`, for the status page, for readiness.

use bytes::Bytes;
use kittengrad_aggregator_core::{SourceReport, SourceState, View};
use kittengrad_proto::{block::Head, id::PublicKey, namespace::Overlay, wire};
use kittengrad_ring::Arc;
use serde_json::{Value, json};

/// The sources and this aggregator, as they are answered over gRPC.
pub(crate) fn statuses(own: PublicKey, view: &View) -> Vec<wire::MemberStatus> {
    let one = |key: &PublicKey, state: &str, head: Option<Head>| wire::MemberStatus {
        key: Bytes::copy_from_slice(key.as_bytes()),
        state: state.to_owned(),
        head: head.as_ref().map(Head::to_wire),
    };
    let state = if view.is_complete {
        "settled"
    } else {
        "filling"
    };
    let own = one(&own, state, view.tip.map(|tip| tip.head));
    let source = |report: &SourceReport| {
        let state = match (report.state, report.is_settled) {
            (SourceState::Waiting | SourceState::Lying, _) => "unreachable",
            (_, true) => "settled",
            (_, false) => "filling",
        };
        one(&report.source, state, report.head)
    };
    std::iter::once(own)
        .chain(view.sources.iter().map(source))
        .collect()
}

/// The status page.
pub(crate) fn status_page(own: PublicKey, overlay: &Overlay, view: &View) -> Value {
    let source = |report: &SourceReport| {
        json!({
            "id": report.source.to_string(),
            "arc": arc(&report.arc),
            "state": report.state.as_str(),
            "settled": report.is_settled,
            "applied": head(report.position),
            "head": head(report.head),
            "head_time_ms": report.head_time_ms,
            "queued": report.queued,
            "reason": report.reason,
        })
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "role": "aggregator",
        "id": own.to_string(),
        "namespace": overlay.namespace.as_str(),
        "network": overlay.network.to_string(),
        "complete": view.is_complete,
        "fresh": view.is_fresh,
        "ready": view.is_ready,
        "reasons": view.reasons,
        "head": head(view.tip.map(|tip| tip.head)),
        "elements": view.tip.map_or(0, |tip| tip.offset),
        "records_wanted": view.records_wanted,
        "sources": view.sources.iter().map(source).collect::<Vec<_>>(),
        "uncovered": view.uncovered.iter().map(arc).collect::<Vec<_>>(),
    })
}

fn head(head: Option<Head>) -> Value {
    head.map_or(Value::Null, |head| {
        json!({
            "incarnation": head.incarnation,
            "height": head.height,
            "hash": head.hash.to_string(),
        })
    })
}

fn arc(arc: &Arc) -> Value {
    json!({ "from": arc.from.to_string(), "to": arc.to.to_string(), "share": arc.share() })
}
