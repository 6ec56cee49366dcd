//! Members with fixed keys, and with certificates that no test here reads.

use kittengrad_overlay::{identities::Identities, view::View};
use kittengrad_proto::{
    certificate::{Chain, Role},
    id::{Id, PublicKey, RecordId},
    identity::{Addresses, Identity, IdentityFields, State},
    namespace::Overlay,
    signed::{Signer, SigningKey},
};
use kittengrad_ring::Replicas;

pub(crate) fn overlay() -> Overlay {
    Overlay {
        network: Id::of(&[b"a network"]),
        namespace: "laws".parse().unwrap(),
    }
}

/// The key of a member.
pub(crate) fn key(number: u8) -> PublicKey {
    signer(number).public()
}

fn signer(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

/// The identity of a member, reachable at a port that is its `seq`.
pub(crate) fn identity(number: u8, seq: u64, role: Role, state: State) -> Identity {
    let certificate = |level: &str| format!("{level} of {number}").into_bytes().into();
    let fields = IdentityFields {
        seq,
        state,
        role,
        addresses: Addresses {
            grpc: format!("peer.example.org:{seq}"),
            ..Addresses::default()
        },
        chain: Chain::from_der(vec![certificate("level 1"), certificate("level 0")]).unwrap(),
    };
    Identity::sign(&overlay(), &fields, &signer(number)).unwrap()
}

/// A peer that is in the ring.
pub(crate) fn peer(number: u8) -> Identity {
    identity(number, 1, Role::Peer, State::Active)
}

/// The ring of peers number 1 to `peers`, with more members.
pub(crate) fn view(peers: u8, replicas: u8, more: impl IntoIterator<Item = Identity>) -> View {
    let members: Identities = (1..=peers).map(peer).chain(more).collect();
    View::new(overlay(), Replicas::new(replicas).unwrap(), members).unwrap()
}

/// Canonicals all round the circle.
pub(crate) fn canonicals() -> impl Iterator<Item = RecordId> {
    (0..=u8::MAX).map(|byte| RecordId::of(&[byte]))
}
