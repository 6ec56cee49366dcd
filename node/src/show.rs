//! The state of a peer for `GetRing`, for the status page, and for readiness.

use bytes::Bytes;
use kittengrad_node_core::{Status, StatusOf};
use kittengrad_overlay::view::View;
use kittengrad_proto::{block::Head, condition::Condition, id::PublicKey, wire};
use kittengrad_ring::KeyRange;
use serde_json::{Value, json};

const fn condition(is_up: bool, is_open: bool, is_settled: bool) -> Condition {
    match (is_up, is_open, is_settled) {
        (false, ..) => Condition::Unreachable,
        (true, false, _) => Condition::Starting,
        (true, true, false) => Condition::Filling,
        (true, true, true) => Condition::Settled,
    }
}

/// This peer's own condition.
pub(crate) const fn own_condition(status: &Status) -> Condition {
    condition(true, status.is_open, status.is_settled)
}

/// The states of this peer and its partners, for the answer to `GetRing`.
pub(crate) fn statuses(me: PublicKey, status: &Status) -> Vec<wire::MemberStatus> {
    let one = |key: &PublicKey, condition: Condition, head: Option<Head>| wire::MemberStatus {
        key: Bytes::copy_from_slice(key.as_bytes()),
        state: condition.to_string(),
        head: head.as_ref().map(Head::to_wire),
    };
    let own = one(&me, own_condition(status), status.tip.map(|tip| tip.head));
    let partner = |(key, of): &(PublicKey, StatusOf)| {
        one(key, condition(of.is_up, of.is_open, of.is_settled), of.head)
    };
    std::iter::once(own)
        .chain(status.partners.iter().map(partner))
        .collect()
}

/// The status page, as JSON.
pub(crate) fn status_page(me: PublicKey, view: &View, status: &Status) -> Value {
    let head = |head: Option<Head>| {
        head.map(|head| {
            json!({
                "incarnation": head.incarnation,
                "height": head.height,
                "hash": head.hash.to_string(),
            })
        })
    };
    let arc = |arc: KeyRange| json!({ "from": arc.from.to_string(), "to": arc.to.to_string(), "share": arc.share() });
    let partners: Vec<_> = status
        .partners
        .iter()
        .map(|(key, of)| {
            json!({
                "id": key.to_string(),
                "state": condition(of.is_up, of.is_open, of.is_settled).as_str(),
                "head": head(of.head),
                "applied": head(of.applied),
            })
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "role": "peer",
        "id": me.to_string(),
        "point": me.point().to_string(),
        "namespace": view.overlay().namespace.as_str(),
        "network": view.overlay().network.to_string(),
        "ring": view.ring_id().to_string(),
        "held": view.held(&me).map(arc),
        "state": own_condition(status).as_str(),
        "head": head(status.tip.map(|tip| tip.head)),
        "elements": status.tip.map_or(0, |tip| tip.offset),
        "missing": status.missing,
        "waiting": status.waiting,
        "clock_behind_ms": status.clock_behind_ms,
        "partners": partners,
    })
}

/// The reasons why this peer is not ready; empty if it is ready.
pub(crate) fn not_ready(status: &Status) -> Vec<String> {
    let mut reasons: Vec<_> = status.why_clock.clone().into_iter().collect();
    if !status.is_open {
        let up = status.partners.iter().filter(|(_, of)| of.is_up).count();
        reasons.push(format!(
            "starting: {up} of {} partners are reachable",
            status.partners.len()
        ));
    } else if !status.is_settled && status.missing > 0 {
        reasons.push(format!(
            "filling: {} transactions are missing",
            status.missing
        ));
    } else if !status.is_settled {
        reasons.push(format!("filling: {}", waits_for(&status.partners)));
    }
    reasons
}

/// The partners that keep a peer without missing transactions from being settled: unreachable ones, those with journals
/// not read to the head, and those that are filling too and so prove nothing.
fn waits_for(partners: &[(PublicKey, StatusOf)]) -> String {
    let of = |is_one: fn(&StatusOf) -> bool, label: &str| {
        let found = partners.iter().filter(|(_, of)| is_one(of));
        let keys: Vec<_> = found.map(|(key, _)| format!("{key:?}")).collect();
        (!keys.is_empty()).then(|| format!("{label} {}", keys.join(", ")))
    };
    let groups = [
        of(|of| !of.is_up, "it waits for"),
        of(|of| of.is_up && !is_read(of), "it reads the journals of"),
        of(
            |of| of.is_up && is_read(of) && !of.is_settled,
            "not settled:",
        ),
    ];
    let groups: Vec<_> = groups.into_iter().flatten().collect();
    if groups.is_empty() {
        "it is about to be settled".to_owned()
    } else {
        groups.join("; ")
    }
}

fn is_read(of: &StatusOf) -> bool {
    let place = |head: Head| (head.incarnation, head.height);
    of.head.map(place) <= of.applied.map(place)
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::id::Id;

    use super::*;

    /// A partner with a head of height 9, of which this peer has applied block `applied`.
    fn partner(number: u8, is_up: bool, is_settled: bool, applied: u64) -> (PublicKey, StatusOf) {
        let head = |height| Head {
            incarnation: 1,
            height,
            hash: Id::ZERO,
        };
        let of = StatusOf {
            is_up,
            is_open: is_up,
            is_settled,
            head: Some(head(9)),
            applied: Some(head(applied)),
        };
        (PublicKey::new([number; 32]), of)
    }

    #[test]
    fn a_filling_peer_says_whom_it_waits_for() {
        let status = |partners, missing| Status {
            clock_behind_ms: 0,
            why_clock: None,
            tip: None,
            statement: None,
            is_open: true,
            is_settled: false,
            missing,
            waiting: 0,
            waiting_bytes: 0,
            partners,
        };
        let partners = vec![
            partner(1, false, false, 0),
            partner(2, true, true, 4),
            partner(3, true, false, 9),
            partner(4, true, true, 9),
        ];
        assert_eq!(
            not_ready(&status(partners.clone(), 0)),
            [
                "filling: it waits for 01010101; it reads the journals of 02020202; not settled: 03030303"
            ]
        );
        assert_eq!(
            not_ready(&status(partners, 7)),
            ["filling: 7 transactions are missing"]
        );
        assert_eq!(
            not_ready(&status(vec![partner(4, true, true, 9)], 0)),
            ["filling: it is about to be settled"]
        );
    }
}
