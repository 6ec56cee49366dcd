//! The state of an aggregator for `GetRing`, for the status page and for readiness.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kittengrad_aggregator_core::{SourceReport, SourceState, Status};
use kittengrad_proto::{
    block::Head, condition::Condition, id::PublicKey, namespace::Overlay, wire,
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

/// Makes the JSON of the status page.
pub(crate) fn status_page(own: PublicKey, overlay: &Overlay, view: &Status) -> Value {
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
        "records_absent": view.records_absent,
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
