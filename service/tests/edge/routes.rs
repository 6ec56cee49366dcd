//! Routes: the holders of canonicals, within one message.

use bytes::Bytes;
use kittengrad_proto::{
    certificate::{Chain, Role},
    error::ErrorCode,
    id::{Id, RecordId},
    identity::{Addresses, Identity, IdentityFields, State},
    limits::{LOOKUP_CANONICALS_MAX, MESSAGE_BYTES_MAX},
    namespace::Overlay,
    signed::SigningKey,
    wire,
};
use kittengrad_service::route::route;
use prost::Message;

fn overlay() -> Overlay {
    Overlay {
        network: Id::ZERO,
        namespace: "works".parse().unwrap(),
    }
}

/// A peer with two certificates of so many bytes each.
fn peer(certificate_bytes: usize) -> Identity {
    let fields = IdentityFields {
        seq: 1,
        state: State::Active,
        role: Role::Peer,
        addresses: Addresses::default(),
        chain: Chain::from_der(vec![Bytes::from(vec![1; certificate_bytes]); 2]).unwrap(),
    };
    Identity::sign(&overlay(), &fields, &SigningKey::from_seed(&[7; 32])).unwrap()
}

fn request(canonicals: usize) -> wire::RouteRequest {
    let canonicals = (0..canonicals).map(|number| RecordId::of(&number.to_be_bytes()));
    wire::RouteRequest {
        namespace: "works".to_owned(),
        canonicals: RecordId::concat(&canonicals.collect::<Vec<_>>()),
    }
}

#[test]
fn every_canonical_is_answered_with_its_holders_in_order() {
    let peer = peer(400);
    let found = route(&request(3), &overlay(), |_| vec![&peer; 3]).unwrap();
    let named: Vec<_> = found.replicas.iter().map(|r| &r.canonical[..]).collect();
    let asked = request(3).canonicals;
    assert_eq!(named, asked.chunks(32).collect::<Vec<_>>());
    assert!(found.replicas.iter().all(|r| r.peers.len() == 3));
}

#[test]
fn answer_fits_a_message_and_always_brings_something() {
    let peer = peer(4_000);
    let asked = request(LOOKUP_CANONICALS_MAX);
    let found = route(&asked, &overlay(), |_| vec![&peer; 255]).unwrap();
    assert!(found.encoded_len() <= MESSAGE_BYTES_MAX);
    assert!((1..LOOKUP_CANONICALS_MAX).contains(&found.replicas.len()));
}

#[test]
fn too_many_canonicals_are_refused() {
    let refused = route(&request(LOOKUP_CANONICALS_MAX + 1), &overlay(), |_| {
        Vec::new()
    });
    assert_eq!(refused.unwrap_err().code(), ErrorCode::TooLarge);
}
