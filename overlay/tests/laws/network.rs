//! A network whose members have certificates, made of fixed keys.

use kittengrad_overlay::{identities::Identities, view::View};
use kittengrad_proto::{
    certificate::{Chain, Role},
    id::PublicKey,
    identity::{Addresses, Identity, IdentityError, IdentityFields, State},
    namespace::Overlay,
    signed::{Ed25519, Signer, SigningKey},
};
use kittengrad_ring::Replicas;
use kittengrad_support::tower::{Tower, level1_params, level2_params};

/// A root, and the name of a network below it.
pub(crate) struct Network {
    pub(crate) tower: Tower,
    pub(crate) overlay: Overlay,
}

/// A key with the certificates of its role.
#[derive(Clone)]
pub(crate) struct Member {
    key: [u8; 32],
    role: Role,
    chain: Chain,
}

impl Member {
    pub(crate) fn public(&self) -> PublicKey {
        SigningKey::from_seed(&self.key).public()
    }
}

impl Network {
    pub(crate) fn new() -> Self {
        let tower = Tower::new();
        let overlay = Overlay {
            network: tower.trusted().network(),
            namespace: "demo".parse().unwrap(),
        };
        Self { tower, overlay }
    }

    /// The member whose key has this byte in its seed 32 times.
    pub(crate) fn member(&self, seed: u8, role: Role) -> Member {
        self.named([seed; 32], &format!("Member {seed}"), role)
    }

    /// The member with this seed of its key.
    pub(crate) fn named(&self, key: [u8; 32], name: &str, role: Role) -> Member {
        let level0 = &self.tower.level0;
        let level1 = level0.issue_to(&key, level1_params(name, role));
        let chain = self.tower.chain(&[&level1]);
        Member { key, role, chain }
    }

    /// The member with this byte in its seed, certified by the registrar.
    pub(crate) fn leaf(&self, seed: u8, role: Role) -> Member {
        let registrar = &self.tower.registrar;
        let leaf = registrar.issue(level2_params(&format!("Member {seed}"), role), seed);
        let chain = self.tower.leaf(&leaf, registrar);
        let key = [seed; 32];
        Member { key, role, chain }
    }

    /// The same member with the certificates of another.
    pub(crate) fn uncertified(&self, member: &Member) -> Member {
        let chain = self.tower.member(&self.tower.peer);
        Member {
            chain,
            ..member.clone()
        }
    }

    /// A member's statement about itself.
    pub(crate) fn identity(&self, member: &Member, grpc: &str, seq: u64, state: State) -> Identity {
        let addresses = Addresses {
            grpc: grpc.to_owned(),
            ..Addresses::default()
        };
        self.reachable(member, addresses, seq, state)
    }

    /// A member's statement about itself, with all its addresses.
    pub(crate) fn reachable(
        &self,
        member: &Member,
        addresses: Addresses,
        seq: u64,
        state: State,
    ) -> Identity {
        let fields = IdentityFields {
            seq,
            state,
            role: member.role,
            addresses,
            chain: member.chain.clone(),
        };
        Identity::sign(&self.overlay, &fields, &SigningKey::from_seed(&member.key)).unwrap()
    }

    /// The statement of an active member at an address.
    pub(crate) fn at(&self, member: &Member, grpc: &str, seq: u64) -> Identity {
        self.identity(member, grpc, seq, State::Active)
    }

    /// The ring of these identities, as the first of them sees it.
    pub(crate) fn view(&self, members: &[Identity]) -> View {
        let all: Identities = members.iter().cloned().collect();
        let view = View::new(self.overlay.clone(), Replicas::default(), all).unwrap();
        view.seen_by(members[0].key).unwrap()
    }

    /// What `view` learns of the identities that it hears.
    pub(crate) fn learn(
        &self,
        view: &View,
        heard: impl IntoIterator<Item = Identity>,
    ) -> Result<Option<View>, IdentityError> {
        view.learn(heard, &self.tower.trusted(), &Ed25519)
    }
}
