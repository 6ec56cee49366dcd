//! The ring as `ring show --json` and `/api/ring` write it.

use std::collections::BTreeMap;

use kittengrad_client_core::view::ring::{MemberState, RingReport};
use kittengrad_overlay::{identities::Identities, view::View};
use kittengrad_proto::{
    block::Head,
    certificate::{Chain, Role},
    condition::Condition,
    id::{Id, PublicKey},
    identity::{Addresses, Identity, IdentityFields, State},
    namespace::Overlay,
    signed::{Signer, SigningKey},
};
use kittengrad_ring::Replicas;
use serde_json::{Value, json};

/// A member with a key of its own, and a certificate that nobody here reads.
fn member(number: u8, role: Role, state: State) -> Identity {
    let overlay = Overlay {
        network: Id::of(&[b"a network"]),
        namespace: "demo".parse().unwrap(),
    };
    let certificate = |level: &str| format!("{level} of {number}").into_bytes().into();
    let fields = IdentityFields {
        seq: 1,
        state,
        role,
        addresses: Addresses {
            grpc: format!("peer-{number}.example.org:1"),
            ..Addresses::default()
        },
        chain: Chain::from_der(vec![certificate("level 1"), certificate("level 0")]).unwrap(),
    };
    Identity::sign(&overlay, &fields, &SigningKey::from_seed(&[number; 32])).unwrap()
}

fn key(number: u8) -> PublicKey {
    SigningKey::from_seed(&[number; 32]).public()
}

/// The JSON of a ring of three copies, whose members numbered `settled` are settled at block 9.
fn report(members: impl IntoIterator<Item = Identity>, settled: &[u8]) -> Value {
    let members: Identities = members.into_iter().collect();
    let overlay = Overlay {
        network: Id::of(&[b"a network"]),
        namespace: "demo".parse().unwrap(),
    };
    let view = View::new(overlay, Replicas::default(), members).unwrap();
    let head = Head {
        incarnation: 7,
        height: 9,
        hash: Id::ZERO,
    };
    let state = MemberState {
        condition: Condition::Settled,
        head: Some(head),
    };
    let states: BTreeMap<_, _> = settled
        .iter()
        .map(|number| (key(*number), state.clone()))
        .collect();
    serde_json::to_value(RingReport::new(&view, &states)).unwrap()
}

fn peers(numbers: impl IntoIterator<Item = u8>) -> impl Iterator<Item = Identity> {
    numbers
        .into_iter()
        .map(|number| member(number, Role::Peer, State::Active))
}

#[test]
fn a_joining_peer_is_listed_last_and_has_no_cell() {
    let joining = member(4, Role::Peer, State::Joining);
    let ring = report(peers(1..=3).chain([joining]), &[1, 2, 3, 4]);
    let listed = ring["peers"].as_array().unwrap();
    assert_eq!(listed.len(), 4);
    assert!(
        listed[..3]
            .iter()
            .all(|peer| peer["cell"]["from"].is_string())
    );
    let last = &listed[3];
    assert_eq!(last["id"], json!(key(4).to_string()));
    assert_eq!(last["point"], json!(key(4).point().to_string()));
    assert_eq!((&last["cell"], &last["share"]), (&Value::Null, &json!(0.0)));
    assert_eq!(
        (&last["state"], &last["height"]),
        (&json!("settled"), &json!(9))
    );
    let cover = ring["cover"].as_array().unwrap();
    assert!(cover.iter().all(|source| source["peer"] != last["id"]));
}

#[test]
fn the_only_member_owns_the_whole_circle() {
    let ring = report(peers([1]), &[1]);
    let peer = &ring["peers"][0];
    assert_eq!(peer["cell"]["from"], peer["cell"]["to"]);
    assert_eq!(peer["share"], json!(1.0));
    assert_eq!(ring["cover"][0]["peer"], peer["id"]);
    assert_eq!(ring["uncovered"], json!([]));
    assert_eq!((&ring["replicas"], &ring["quorum"]), (&json!(3), &json!(2)));
}

#[test]
fn a_member_that_nobody_heard_of_is_unreachable() {
    let aggregator = member(9, Role::Aggregator, State::Active);
    let ring = report(peers([1]).chain([aggregator]), &[]);
    let expected = json!({
        "id": key(1).to_string(), "point": key(1).point().to_string(),
        "state": "unreachable", "cell": ring["peers"][0]["cell"], "share": 1.0,
        "incarnation": null, "height": null, "head": null,
        "grpc": "https://peer-1.example.org:1", "quic": "", "http": "",
    });
    assert_eq!(ring["peers"][0], expected);
    let expected = json!({
        "id": key(9).to_string(), "state": "unreachable",
        "incarnation": null, "height": null, "head": null,
        "grpc": "https://peer-9.example.org:1", "http": "",
    });
    assert_eq!(ring["aggregators"][0], expected);
    assert_eq!(ring["cover"], json!([]));
    assert_eq!(ring["uncovered"].as_array().unwrap().len(), 1);
}
