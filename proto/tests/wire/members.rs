//! Identities, heartbeats and signed heads say what was signed, by the key that they name.

use kittengrad_proto::{
    block::{Block, BlockError, Header, HeaderError},
    certificate::{CertificateError, Chain, Role},
    id::IdError,
    identity::{Addresses, Heartbeat, Identity, IdentityError, IdentityFields, State},
    limits::ADDRESS_BYTES_MAX,
    signed::{Ed25519, Kind, Signed, SignedError},
    signed_head::SignedHead,
    wire,
};
use prost::Message as _;

use crate::samples::{TIME_MS, WORLD, heartbeat, identity, ordinary, overlay};

fn signed(kind: Kind, body: &impl prost::Message) -> Option<wire::Signed> {
    let body = body.encode_to_vec().into();
    Some(Signed::new(kind, body, &WORLD.peers[0].key).to_wire())
}

fn body(identity: &Identity) -> wire::Identity {
    wire::Identity::decode(identity.signed().body().clone()).unwrap()
}

type Change = fn(&mut wire::Identity);

/// Reads the sample after this change.
fn changed(change: Change) -> Result<Identity, IdentityError> {
    let mut body = body(&identity(7, State::Active));
    change(&mut body);
    Identity::from_wire(signed(Kind::Identity, &body), overlay())
}

#[test]
fn an_identity_says_what_was_signed() {
    let fields = IdentityFields {
        seq: 7,
        state: State::Joining,
        role: Role::Peer,
        addresses: Addresses {
            grpc: "grpc:1".to_owned(),
            quic: "quic:2".to_owned(),
            http: "http:3".to_owned(),
        },
        chain: WORLD.peers[0].chain.clone(),
    };
    let found = Identity::sign(overlay(), &fields, &WORLD.peers[0].key).unwrap();
    let body = body(&found);
    assert_eq!(
        [body.grpc, body.quic, body.http],
        ["grpc:1", "quic:2", "http:3"]
    );
    assert_eq!(found.key, WORLD.peers[0].public);
    let found = IdentityFields {
        seq: found.seq,
        state: found.state,
        role: found.role,
        addresses: found.addresses,
        chain: found.chain,
    };
    assert_eq!(found, fields);
}

#[test]
fn a_state_has_the_number_that_it_always_had() {
    for (state, number) in [(State::Joining, 1), (State::Active, 2), (State::Leaving, 3)] {
        let sample = identity(7, state);
        assert_eq!((sample.state, body(&sample).state), (state, number));
    }
}

#[test]
fn an_identity_that_lacks_a_part_is_refused() {
    assert_eq!(changed(|_| {}), Ok(identity(7, State::Active)));
    let cases: [(&str, Change); 5] = [
        ("no state", |body| body.state = 0),
        ("an unknown state", |body| body.state = 4),
        ("no role", |body| body.role = 0),
        ("an unknown role", |body| body.role = 6),
        ("no chain", |body| body.chain = None),
    ];
    for (what, change) in cases {
        let refused = changed(change);
        assert!(
            matches!(refused, Err(IdentityError::Malformed(_))),
            "{what}: {refused:?}"
        );
    }
    let half_a_key = IdError::Length {
        what: "a public key",
        bytes: 16,
    };
    let refused = changed(|body| body.key.truncate(16));
    assert_eq!(refused, Err(half_a_key.into()));
    let refused = changed(|body| body.chain.as_mut().unwrap().certificates.truncate(1));
    assert_eq!(refused, Err(CertificateError::Count(1).into()));
}

#[test]
fn an_identity_has_addresses_of_bounded_length() {
    let longest = changed(|body| {
        let address = "x".repeat(ADDRESS_BYTES_MAX);
        (body.grpc, body.quic, body.http) = (address.clone(), address.clone(), address);
    });
    assert!(longest.is_ok(), "{longest:?}");
    let cases: [Change; 3] = [
        |body| body.grpc = "x".repeat(ADDRESS_BYTES_MAX + 1),
        |body| body.quic = "x".repeat(ADDRESS_BYTES_MAX + 1),
        |body| body.http = "x".repeat(ADDRESS_BYTES_MAX + 1),
    ];
    for too_long in cases {
        let refused = changed(too_long);
        assert!(
            matches!(refused, Err(IdentityError::Malformed(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn an_identity_has_the_key_and_role_of_its_certificates() {
    let [first, second, _] = &WORLD.peers;
    let sign = |role, chain: &Chain| {
        let fields = IdentityFields {
            seq: 1,
            state: State::Active,
            role,
            addresses: Addresses::default(),
            chain: chain.clone(),
        };
        let identity = Identity::sign(overlay(), &fields, &first.key).unwrap();
        identity.verify(&WORLD.root, &Ed25519)
    };
    let found = sign(Role::Peer, &first.chain).map(|holder| (holder.key, holder.role));
    assert_eq!(found, Ok((first.public, Role::Peer)));
    for (role, member) in [(Role::Peer, second), (Role::Aggregator, first)] {
        let refused = IdentityError::Holder {
            key: first.public,
            role,
            holder: member.public,
            holder_role: Role::Peer,
        };
        assert_eq!(sign(role, &member.chain), Err(refused));
    }
}

#[test]
fn a_heartbeat_that_lacks_a_part_is_refused() {
    let changed = |change: fn(&mut wire::Heartbeat)| {
        let mut body = wire::Heartbeat::decode(heartbeat().signed().body().clone()).unwrap();
        change(&mut body);
        Heartbeat::from_wire(signed(Kind::Heartbeat, &body), overlay())
    };
    assert_eq!(changed(|_| {}), Ok(heartbeat()));
    let refused = changed(|body| body.head = None);
    assert!(
        matches!(refused, Err(IdentityError::Malformed(_))),
        "{refused:?}"
    );
    let half = |what| IdentityError::Id(IdError::Length { what, bytes: 16 });
    let refused = changed(|body| body.peer.truncate(16));
    assert_eq!(refused, Err(half("a public key")));
    let refused = changed(|body| body.head.as_mut().unwrap().hash.truncate(16));
    assert_eq!(refused, Err(half("an id")));
}

#[test]
fn nobody_signs_in_the_name_of_another_member() {
    let by_second = |kind, signed: &Signed| {
        let body = signed.body().clone();
        Some(Signed::new(kind, body, &WORLD.peers[1].key).to_wire())
    };
    let forged = SignedError::Forged {
        key: WORLD.peers[0].public,
    };
    let sample = identity(7, State::Active);
    let wire = by_second(Kind::Identity, sample.signed());
    let found = Identity::from_wire(wire, overlay()).unwrap();
    let refused = IdentityError::Signed(forged.clone());
    assert_eq!(found.verify(&WORLD.root, &Ed25519), Err(refused.clone()));
    let wire = by_second(Kind::Heartbeat, heartbeat().signed());
    let found = Heartbeat::from_wire(wire, overlay()).unwrap();
    assert_eq!(found.verify(&Ed25519), Err(refused));
    let sample = ordinary();
    let wire = by_second(Kind::Block, sample.header.signed());
    let found = Header::from_wire(wire.clone(), overlay()).unwrap();
    let refused = HeaderError::Signed(forged);
    assert_eq!(found.verify(&Ed25519), Err(refused.clone()));
    let found = Block::from_wire(wire, sample.items, Vec::new(), overlay()).unwrap();
    assert_eq!(found.verify(&Ed25519), Err(BlockError::Header(refused)));
}

#[test]
fn a_signed_head_is_read_as_its_owner_signed_it() {
    let [owner, other, _] = &WORLD.peers;
    let later = Heartbeat::sign(overlay(), ordinary().head(), TIME_MS + 9, &owner.key);
    for sample in [
        SignedHead::Header(Box::new(ordinary().header)),
        SignedHead::Heartbeat(Box::new(later)),
    ] {
        assert_eq!(sample.head(), ordinary().head());
        let found = SignedHead::decode(sample.encode().into(), overlay());
        assert_eq!(found.as_ref(), Ok(&sample));
        assert_eq!(sample.verify(&owner.public, &Ed25519), Ok(()));
        let forged = SignedError::Forged { key: other.public };
        assert_eq!(sample.verify(&other.public, &Ed25519), Err(forged));
    }
    let neither = SignedHead::from_wire(wire::SignedHead { kind: None }, overlay());
    assert!(
        matches!(neither, Err(IdentityError::Malformed(_))),
        "{neither:?}"
    );
}
