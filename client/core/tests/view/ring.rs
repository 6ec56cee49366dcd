//! The ring as `ring show --json` and `/api/ring` write it.

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

fn member(number: u8, role: Role, state: State) -> Identity {
    let addresses = Addresses {
        grpc: format!("peer-{number}.example.org:1"),
        ..Addresses::default()
    };
    member_at(addresses, number, role, state)
}

/// A member with a key of its own, and a certificate that nobody here reads.
fn member_at(addresses: Addresses, number: u8, role: Role, state: State) -> Identity {
    let overlay = Overlay {
        network: Id::of(&[b"a network"]),
        namespace: "demo".parse().unwrap(),
    };
    let certificate = |level: &str| format!("{level} of {number}").into_bytes().into();
    let fields = IdentityFields {
        seq: 1,
        state,
        role,
        addresses,
        chain: Chain::from_der(vec![certificate("level 1"), certificate("level 0")]).unwrap(),
    };
    Identity::sign(&overlay, &fields, &SigningKey::from_seed(&[number; 32])).unwrap()
}

fn key(number: u8) -> PublicKey {
    SigningKey::from_seed(&[number; 32]).public()
}

/// The JSON of a ring of three copies, whose members numbered `settled` are settled at block 9.
fn report(members: impl IntoIterator<Item = Identity>, settled: &[u8]) -> Value {
    let settled = settled.iter();
    report_of(
        members,
        settled.map(|number| (*number, Condition::Settled, Some(9))),
    )
}

/// The JSON of a ring of three copies. States are the number of a member, its condition and the height of its head.
fn report_of(
    members: impl IntoIterator<Item = Identity>,
    states: impl IntoIterator<Item = (u8, Condition, Option<u64>)>,
) -> Value {
    let members: Identities = members.into_iter().collect();
    let overlay = Overlay {
        network: Id::of(&[b"a network"]),
        namespace: "demo".parse().unwrap(),
    };
    let view = View::new(overlay, Replicas::default(), members).unwrap();
    let states = states.into_iter().map(|(number, condition, height)| {
        let head = height.map(|height| Head {
            incarnation: 7,
            height,
            hash: Id::of(&[&[number]]),
        });
        (
            key(number),
            MemberState {
                condition,
                head,
                cells: Vec::new(),
            },
        )
    });
    serde_json::to_value(RingReport::new(&view, &states.collect())).unwrap()
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
        "complete_to_ms": null, "cells": [],
    });
    assert_eq!(ring["aggregators"][0], expected);
    assert_eq!(ring["cover"], json!([]));
    assert_eq!(ring["uncovered"].as_array().unwrap().len(), 1);
}

#[test]
fn members_are_listed_with_their_condition_and_journal() {
    let aggregators = [8, 9].map(|number| member(number, Role::Aggregator, State::Active));
    let states = [
        (1, Condition::Settled, Some(9)),
        (2, Condition::Filling, Some(0)),
        (3, Condition::Starting, None),
        (8, Condition::Filling, Some(4)),
    ];
    let ring = report_of(peers(1..=4).chain(aggregators), states);
    assert_eq!(ring["namespace"], "demo");
    let listed = ["peers", "aggregators"].map(|kind| ring[kind].as_array().unwrap());
    assert_eq!(listed.map(Vec::len), [4, 2]);
    for (number, word, height) in [
        (1, "settled", Some(9)),
        (2, "filling", Some(0)),
        (3, "starting", None),
        (4, "unreachable", None),
        (8, "filling", Some(4)),
        (9, "unreachable", None),
    ] {
        let mut all = listed.into_iter().flatten();
        let found = all.find(|one| one["id"] == json!(key(number).to_string()));
        let found = found.unwrap();
        let head = height.map(|_| Id::of(&[&[number]]).to_string());
        assert_eq!(found["state"], word, "{number}");
        assert_eq!(found["incarnation"], json!(height.map(|_| 7)), "{number}");
        assert_eq!(found["height"], json!(height), "{number}");
        assert_eq!(found["head"], json!(head), "{number}");
    }
}

#[test]
fn cells_of_the_members_are_the_whole_circle_in_order() {
    let ring = report(peers(1..=5), &[1, 2, 3, 4, 5]);
    let listed = ring["peers"].as_array().unwrap();
    let points = listed.iter().map(|peer| peer["point"].as_str().unwrap());
    assert!(points.is_sorted());
    let before = listed.iter().cycle().skip(listed.len() - 1);
    for (peer, before) in listed.iter().zip(before) {
        assert_eq!(peer["cell"]["from"], before["cell"]["to"]);
        assert_ne!(peer["cell"]["from"], peer["cell"]["to"]);
    }
    let shares = listed.iter().map(|peer| peer["share"].as_f64().unwrap());
    assert!((shares.sum::<f64>() - 1.0).abs() < 1e-9);
    // Each holds three of five cells.
    assert_eq!(ring["cover"].as_array().unwrap().len(), 2);
    assert_eq!(ring["uncovered"], json!([]));
}

#[test]
fn only_settled_members_cover_the_circle() {
    let states = [
        (1, Condition::Settled, Some(9)),
        (2, Condition::Filling, Some(9)),
        (3, Condition::Starting, Some(9)),
        (4, Condition::Unreachable, Some(9)),
    ];
    let ring = report_of(peers(1..=4), states);
    // It holds three of four cells.
    let (cover, uncovered) = (&ring["cover"], &ring["uncovered"]);
    let lengths = [cover, uncovered].map(|arcs| arcs.as_array().unwrap().len());
    assert_eq!(lengths, [1, 1]);
    assert_eq!(cover[0]["peer"], json!(key(1).to_string()));
    assert_eq!(cover[0]["from"], uncovered[0]["to"]);
    assert_eq!(cover[0]["to"], uncovered[0]["from"]);
    let peers = ring["peers"].as_array().unwrap();
    let missing = peers.iter().filter(|peer| peer["cell"] == uncovered[0]);
    assert_eq!(missing.count(), 1);
}

#[test]
fn addresses_have_the_scheme_of_their_protocol() {
    let addresses = Addresses {
        grpc: "grpc.example.org:1".to_owned(),
        quic: "quic.example.org:2".to_owned(),
        http: "http.example.org:3".to_owned(),
    };
    let silent = Addresses::default();
    let members = [
        member_at(addresses.clone(), 1, Role::Peer, State::Active),
        member_at(addresses, 8, Role::Aggregator, State::Active),
        member_at(silent, 9, Role::Aggregator, State::Active),
    ];
    let ring = report(members, &[]);
    let peer = &ring["peers"][0];
    assert_eq!(peer["grpc"], "https://grpc.example.org:1");
    assert_eq!(peer["quic"], "quic.example.org:2");
    assert_eq!(peer["http"], "http://http.example.org:3");
    for (number, grpc, http) in [
        (8, "https://grpc.example.org:1", "http://http.example.org:3"),
        (9, "", ""),
    ] {
        let mut all = ring["aggregators"].as_array().unwrap().iter();
        let found = all.find(|one| one["id"] == json!(key(number).to_string()));
        let found = found.unwrap();
        assert_eq!(
            (&found["grpc"], &found["http"]),
            (&json!(grpc), &json!(http))
        );
    }
}
