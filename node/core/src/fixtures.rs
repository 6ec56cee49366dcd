//! Rings and their members for the tests of this crate.

use std::sync::Arc;

use kittengrad_overlay::view::View;
use kittengrad_proto::{
    block::Head,
    certificate::{Chain, Role},
    id::Id,
    identity::{Addresses, Identity, IdentityFields, State},
    signed::Signer as _,
};
use kittengrad_ring::Replicas;
use kittengrad_support::journals::{FakeKey, overlay};

/// Keys in the order of their places on the circle.
pub(crate) fn keys(count: u8) -> Vec<FakeKey> {
    let mut keys: Vec<_> = (1..=count).map(FakeKey).collect();
    keys.sort_by_key(|key| key.public().point());
    keys
}

/// The identity of a member, with certificates of its own.
pub(crate) fn identity(key: FakeKey) -> Identity {
    let certificate = |level: &str| format!("{level} of {}", key.0).into_bytes().into();
    let chain = Chain::from_der(vec![certificate("level 1"), certificate("level 0")]);
    let fields = IdentityFields {
        seq: 1,
        state: State::Active,
        role: Role::Peer,
        addresses: Addresses::default(),
        chain: chain.unwrap(),
    };
    Identity::sign(&overlay(), &fields, &key).unwrap()
}

/// The ring of some members as one of them sees it.
pub(crate) fn view_of(me: FakeKey, members: &[FakeKey], replicas: u8) -> Arc<View> {
    let identities = members.iter().map(|key| identity(*key)).collect();
    let replicas = Replicas::new(replicas).unwrap();
    let view = View::new(overlay(), replicas, identities).unwrap();
    Arc::new(view.seen_by(me.public()).unwrap())
}

/// A head of a block that no disk has.
pub(crate) fn head(incarnation: u64, height: u64) -> Head {
    let hash = Id::of(&[b"a block that was lost"]);
    Head {
        incarnation,
        height,
        hash,
    }
}
