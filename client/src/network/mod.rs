//! The network as a client or member knows it: the root, who takes part, and the ring that follows.
//!
//! ```no_run
//! use kittengrad_client::network::Network;
//! use kittengrad_proto::id::RecordId;
//!
//! let network = Network::load("network.toml".as_ref())?;
//! let canonical: RecordId = "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy".parse()?;
//! for peer in network.holders(&canonical) {
//!     println!("{} at {}", peer.key, peer.addresses.grpc);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod file;

use std::{collections::BTreeMap, path::Path};

use kittengrad_proto::{
    certificate::{Role, Root},
    id::{Id, PublicKey, RecordId},
    identity::{Identity, IdentityError, State, ring_id},
    namespace::Overlay,
    signed::Ed25519,
};
use kittengrad_ring::{Replicas, Ring, RingError};

pub use error::{MemberFault, NetworkError, Place};
pub use file::NetworkFile;

/// Who takes part in a namespace of a network, and what follows from that. Everybody in it was verified.
#[derive(Debug, Clone)]
pub struct Network {
    overlay: Overlay,
    root: Root,
    members: BTreeMap<PublicKey, Identity>,
    /// Active and leaving peers by their points, as the ring has them.
    peers: Vec<PublicKey>,
    ring: Ring,
    ring_id: Id,
}

impl Network {
    /// Reads and checks a network file.
    ///
    /// # Errors
    /// If the file cannot be read, is no network file, or has no peer.
    pub fn load(path: &Path) -> Result<Self, NetworkError> {
        NetworkFile::load(path)?.network()
    }

    /// The network of `members`, which were verified. Of several identities of a key the newest counts.
    ///
    /// # Errors
    /// If there is no peer to make a ring of.
    fn new(
        overlay: Overlay,
        root: Root,
        replicas: Replicas,
        members: impl IntoIterator<Item = Identity>,
    ) -> Result<Self, RingError> {
        let mut newest = BTreeMap::new();
        for member in members {
            keep_newest(&mut newest, member);
        }
        let in_ring =
            |member: &&Identity| member.role == Role::Peer && member.state != State::Joining;
        let mut peers: Vec<_> = newest
            .values()
            .filter(in_ring)
            .map(|member| member.key)
            .collect();
        peers.sort_by_key(PublicKey::point);
        let ring = Ring::new(peers.iter().map(PublicKey::point), replicas)?;
        let all = newest.values().filter(|member| member.role == Role::Peer);
        let ring_id = ring_id(replicas, all.map(|member| (&member.key, member.state)));
        Ok(Self {
            overlay,
            root,
            members: newest,
            peers,
            ring,
            ring_id,
        })
    }

    /// Takes in identities heard of from others. `None` if all of it was known.
    ///
    /// # Errors
    /// If one of them does not verify; nothing is taken in then.
    pub fn learn(&self, heard: Vec<Identity>) -> Result<Option<Self>, IdentityError> {
        let mut members = self.members.clone();
        let mut is_newer = false;
        for identity in heard {
            if self.members.get(&identity.key) != Some(&identity) {
                identity.verify(&self.root, &Ed25519)?;
                is_newer |= keep_newest(&mut members, identity);
            }
        }
        if !is_newer {
            return Ok(None);
        }
        let (overlay, root) = (self.overlay.clone(), self.root.clone());
        // A ring can only be empty if every peer says that it is joining; then the old one is kept.
        Ok(Self::new(overlay, root, self.replicas(), members.into_values()).ok())
    }

    /// Network and namespace, as every signed body names them.
    #[must_use]
    pub const fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The certificate everything hangs on.
    #[must_use]
    pub const fn root(&self) -> &Root {
        &self.root
    }

    /// Copies of each set.
    #[must_use]
    pub fn replicas(&self) -> Replicas {
        self.ring.replication()
    }

    /// The ring of active and leaving peers.
    #[must_use]
    pub const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Names the ring: keys and states of all peers, joining ones too.
    #[must_use]
    pub const fn ring_id(&self) -> Id {
        self.ring_id
    }

    /// All members of all roles, ascending by key.
    pub fn members(&self) -> impl Iterator<Item = &Identity> {
        self.members.values()
    }

    /// The peers in the order of the ring: the first is member 0 of [`Network::ring`].
    pub fn peers(&self) -> impl Iterator<Item = &Identity> {
        self.peers.iter().filter_map(|key| self.members.get(key))
    }

    /// Peers that fill their arcs and are not in the ring yet, ascending by key.
    pub fn joining(&self) -> impl Iterator<Item = &Identity> {
        self.of_role(Role::Peer)
            .filter(|member| member.state == State::Joining)
    }

    /// The aggregators, ascending by key.
    pub fn aggregators(&self) -> impl Iterator<Item = &Identity> {
        self.of_role(Role::Aggregator)
    }

    /// The indexers, ascending by key.
    pub fn indexers(&self) -> impl Iterator<Item = &Identity> {
        self.of_role(Role::Indexer)
    }

    /// The member with this key.
    #[must_use]
    pub fn member(&self, key: &PublicKey) -> Option<&Identity> {
        self.members.get(key)
    }

    /// The key of a member of the ring.
    #[must_use]
    pub fn key_of(&self, index: usize) -> Option<PublicKey> {
        self.peers.get(index).copied()
    }

    /// The place of a key in the ring, if it is in it.
    #[must_use]
    pub fn index_of(&self, key: &PublicKey) -> Option<usize> {
        self.members
            .contains_key(key)
            .then(|| self.ring.index_of(key.point()))
            .flatten()
    }

    /// The peers that hold a canonical, the owner first.
    #[must_use]
    pub fn holders(&self, canonical: &RecordId) -> Vec<&Identity> {
        let keys = self
            .ring
            .replicas_of(canonical.point())
            .into_iter()
            .filter_map(|i| self.peers.get(i));
        keys.filter_map(|key| self.members.get(key)).collect()
    }

    /// The keys of the peers that hold all of some canonicals, in the order of the first one's replicas.
    #[must_use]
    pub fn holders_of_all<'a>(
        &self,
        canonicals: impl IntoIterator<Item = &'a RecordId>,
    ) -> Vec<PublicKey> {
        let mut canonicals = canonicals.into_iter();
        let Some(first) = canonicals.next() else {
            return Vec::new();
        };
        let mut holders = self.ring.replicas_of(first.point());
        for canonical in canonicals {
            holders.retain(|&holder| self.ring.holds(holder, canonical.point()));
        }
        holders
            .into_iter()
            .filter_map(|index| self.key_of(index))
            .collect()
    }

    fn of_role(&self, role: Role) -> impl Iterator<Item = &Identity> {
        self.members
            .values()
            .filter(move |member| member.role == role)
    }
}

/// Keeps the identity with the highest seq of each key; of two with one seq, the one with the greater id, so
/// that everybody keeps the same. Returns whether `identity` was kept.
fn keep_newest(members: &mut BTreeMap<PublicKey, Identity>, identity: Identity) -> bool {
    let rank = |identity: &Identity| (identity.seq, identity.signed().id());
    match members.get(&identity.key) {
        Some(known) if rank(known) >= rank(&identity) => false,
        _ => {
            members.insert(identity.key, identity);
            true
        }
    }
}
