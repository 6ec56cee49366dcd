//! A peer's state in words: for `GetRing`, for the status page, for readiness.

use bytes::Bytes;
use kittengrad_node_core::{Membership, Status, StatusOf};
use kittengrad_proto::{block::Head, id::PublicKey, wire};
use serde_json::{Value, json};

/// The state of a member in one word.
const fn word(is_up: bool, is_open: bool, is_settled: bool) -> &'static str {
    match (is_up, is_open, is_settled) {
        (false, ..) => "unreachable",
        (true, false, _) => "starting",
        (true, true, false) => "filling",
        (true, true, true) => "settled",
    }
}

/// This peer's own state.
pub(crate) const fn own_state(status: &Status) -> &'static str {
    word(true, status.is_open, status.is_settled)
}

/// This peer and its partners, as they are answered over gRPC.
pub(crate) fn statuses(membership: &Membership, status: &Status) -> Vec<wire::MemberStatus> {
    let one = |key: &PublicKey, state: &str, head: Option<Head>| wire::MemberStatus {
        key: Bytes::copy_from_slice(key.as_bytes()),
        state: state.to_owned(),
        head: head.as_ref().map(Head::to_wire),
    };
    let own = one(
        &membership.my_key(),
        own_state(status),
        status.tip.map(|tip| tip.head),
    );
    let partner = |(key, of): &(PublicKey, StatusOf)| {
        one(key, word(of.is_up, of.is_open, of.is_settled), of.head)
    };
    std::iter::once(own)
        .chain(status.partners.iter().map(partner))
        .collect()
}

/// The status page.
pub(crate) fn status_page(membership: &Membership, status: &Status) -> Value {
    let head = |head: Option<Head>| {
        head.map(|head| {
            json!({
                "incarnation": head.incarnation,
                "height": head.height,
                "hash": head.hash.to_string(),
            })
        })
    };
    let held = membership.held();
    let partners: Vec<_> = status
        .partners
        .iter()
        .map(|(key, of)| {
            json!({
                "id": key.to_string(),
                "state": word(of.is_up, of.is_open, of.is_settled),
                "head": head(of.head),
                "applied": head(of.applied),
            })
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "role": "peer",
        "id": membership.my_key().to_string(),
        "point": membership.my_key().point().to_string(),
        "namespace": membership.overlay().namespace.as_str(),
        "network": membership.overlay().network.to_string(),
        "ring": membership.id().to_string(),
        "held": { "from": held.from.to_string(), "to": held.to.to_string(), "share": held.share() },
        "state": own_state(status),
        "head": head(status.tip.map(|tip| tip.head)),
        "elements": status.tip.map_or(0, |tip| tip.offset),
        "missing": status.missing,
        "waiting": status.waiting,
        "clock_behind_ms": status.clock_behind_ms,
        "partners": partners,
    })
}

/// Why this peer is not ready; empty when it is.
pub(crate) fn not_ready(status: &Status) -> Vec<String> {
    let mut reasons = Vec::new();
    if status.is_clock_wrong {
        let seconds = status.clock_behind_ms / 1_000;
        reasons.push(format!("its clock is {seconds} s behind its partners'"));
    }
    if !status.is_open {
        let up = status.partners.iter().filter(|(_, of)| of.is_up).count();
        reasons.push(format!(
            "starting: {up} of {} partners are reachable",
            status.partners.len()
        ));
    } else if !status.is_settled {
        reasons.push(format!(
            "filling: {} transactions are missing",
            status.missing
        ));
    }
    reasons
}
