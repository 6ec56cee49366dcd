//! The state of an aggregator for `GetRing`, for the status page and for readiness.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kittengrad_aggregator_core::{
    CellReport, Established, How, SourceReport, SourceState, Status, Uncovered,
};
use kittengrad_proto::{
    block::{Head, arc_to_wire},
    condition::Condition,
    id::PublicKey,
    namespace::Overlay,
    wire,
};
use kittengrad_ring::KeyRange;
use serde_json::{Value, json};

/// Age from which a status no longer describes the present.
const VIEW_AGE_MAX: Duration = Duration::from_secs(5);

/// The driver's status and its time. The driver makes a new one after each batch, several times a second.
pub(crate) struct StatusAt {
    pub(crate) view: Status,
    at: Instant,
}

impl StatusAt {
    pub(crate) fn new(view: Status) -> Self {
        let at = Instant::now();
        Self { view, at }
    }

    /// Returns the status as of `now`. A status of [`VIEW_AGE_MAX`] or older is not ready, complete or fresh: its
    /// driver hangs.
    pub(crate) fn as_of(&self, now: Instant) -> Cow<'_, Status> {
        let age = now.saturating_duration_since(self.at);
        if age < VIEW_AGE_MAX {
            return Cow::Borrowed(&self.view);
        }
        let mut view = self.view.clone();
        (view.is_complete, view.is_fresh, view.is_ready) = (false, false, false);
        let seconds = age.as_secs();
        view.reasons.push(format!(
            "the driver did nothing for {seconds} s: the disk hangs or is too slow"
        ));
        Cow::Owned(view)
    }
}

/// Statuses of this aggregator and its sources, for the answer over gRPC.
pub(crate) fn statuses(own: PublicKey, view: &Status) -> Vec<wire::MemberStatus> {
    let one = |key: &PublicKey, condition: Condition, head: Option<Head>| wire::MemberStatus {
        key: Bytes::copy_from_slice(key.as_bytes()),
        state: condition.to_string(),
        head: head.as_ref().map(Head::to_wire),
    };
    let condition = if view.is_complete {
        Condition::Settled
    } else {
        Condition::Filling
    };
    let own = one(&own, condition, view.tip.map(|tip| tip.head));
    let source = |report: &SourceReport| {
        let condition = match (report.state, report.is_settled) {
            (SourceState::Waiting | SourceState::Lying, _) => Condition::Unreachable,
            (_, true) => Condition::Settled,
            (_, false) => Condition::Filling,
        };
        one(&report.source, condition, report.head)
    };
    std::iter::once(own)
        .chain(view.sources.iter().map(source))
        .collect()
}

/// The completeness of each cell, for the answer over gRPC.
pub(crate) fn cells(view: &Status) -> Vec<wire::CellCompleteness> {
    let key = |key: &PublicKey| Bytes::copy_from_slice(key.as_bytes());
    let cell = |cell: &CellReport| wire::CellCompleteness {
        cell: Some(arc_to_wire(&cell.arc)),
        complete_to_ms: cell.complete_to_ms,
        needed: u32::try_from(cell.needed).unwrap_or(u32::MAX),
        established: cell.established.iter().map(|of| key(&of.peer)).collect(),
        waits_for: cell.waits_for.iter().map(key).collect(),
    };
    view.cells.iter().map(cell).collect()
}

/// Makes the JSON of the status page.
pub(crate) fn status_page(own: PublicKey, overlay: &Overlay, view: &Status) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "role": "aggregator",
        "id": own.to_string(),
        "namespace": overlay.namespace.as_str(),
        "network": overlay.network.to_string(),
        "ring": view.ring.map(|ring| ring.to_string()),
        "complete_to_ms": view.complete_to_ms,
        "tolerates": view.tolerates,
        "complete": view.is_complete,
        "fresh": view.is_fresh,
        "ready": view.is_ready,
        "reasons": view.reasons,
        "sources": view.sources.iter().map(source).collect::<Vec<_>>(),
        "cells": view.cells.iter().map(cell).collect::<Vec<_>>(),
        "uncovered": view.uncovered.iter().map(uncovered).collect::<Vec<_>>(),
        "head": head(view.tip.map(|tip| tip.head)),
        "elements": view.elements,
        "records_absent": view.records_absent,
    })
}

fn source(report: &SourceReport) -> Value {
    json!({
        "id": report.source.to_string(),
        "mode": report.mode.as_str(),
        "arc": arc(&report.arc),
        "state": report.state.as_str(),
        "settled": report.is_settled,
        "position": head(report.position),
        "head": head(report.head),
        "lag_ms": report.lag_ms,
        "queued": report.queued,
        "reason": report.reason,
    })
}

fn cell(cell: &CellReport) -> Value {
    let established = |of: &Established| {
        let by = match &of.how {
            How::Read => Vec::new(),
            How::Vouched(by) => by.iter().map(PublicKey::to_string).collect(),
        };
        json!({
            "peer": of.peer.to_string(),
            "how": if by.is_empty() { "read" } else { "vouched" },
            "by": by,
            "height": of.head.height,
        })
    };
    json!({
        "from": cell.arc.from.to_string(),
        "to": cell.arc.to.to_string(),
        "complete_to_ms": cell.complete_to_ms,
        "needed": cell.needed,
        "established": cell.established.iter().map(established).collect::<Vec<_>>(),
        "waits_for": cell.waits_for.iter().map(PublicKey::to_string).collect::<Vec<_>>(),
    })
}

fn uncovered(uncovered: &Uncovered) -> Value {
    json!({
        "from": uncovered.arc.from.to_string(),
        "to": uncovered.arc.to.to_string(),
        "since_ms": uncovered.since_ms,
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

fn arc(arc: &KeyRange) -> Value {
    json!({ "from": arc.from.to_string(), "to": arc.to.to_string(), "share": arc.share() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_view_of_a_driver_that_hangs_is_not_green() {
        let shown = StatusAt::new(Status {
            is_complete: true,
            is_fresh: true,
            is_ready: true,
            ..Status::default()
        });
        assert!(shown.as_of(shown.at).is_ready);
        let later = shown.as_of(shown.at + VIEW_AGE_MAX);
        assert!(!later.is_ready && !later.is_complete && !later.is_fresh);
        assert!(later.reasons[0].contains("5 s"), "{:?}", later.reasons);
    }
}
