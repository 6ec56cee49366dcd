//! Who is in the ring and which of them this peer is.

use kittengrad_proto::{
    id::{Id, PublicKey, RecordId},
    identity::{State, ring_id},
    namespace::Overlay,
};
use kittengrad_ring::{KeyRange, Replicas, Ring, RingError};
use thiserror::Error;

/// Why members make no ring with this peer in it. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MembershipError {
    /// The members make no ring.
    #[error("the network's peers make no ring: {0}")]
    Ring(#[from] RingError),
    /// This peer is not among them.
    #[error("peer {0} is not in the network file: add it with `kittengrad network add`")]
    Stranger(PublicKey),
}

/// The ring with the keys of its members, seen from one of them.
#[derive(Debug, Clone)]
pub struct Membership {
    overlay: Overlay,
    ring: Ring,
    /// By ring index.
    keys: Vec<PublicKey>,
    me: usize,
    id: Id,
}

impl Membership {
    /// The ring of the active and leaving ones of `peers`, as `me` sees it.
    ///
    /// # Errors
    /// If there is no such ring, or `me` is not in it.
    pub fn new(
        overlay: Overlay,
        replicas: Replicas,
        peers: &[(PublicKey, State)],
        me: PublicKey,
    ) -> Result<Self, MembershipError> {
        let in_ring = peers.iter().filter(|(_, state)| *state != State::Joining);
        let mut keys: Vec<_> = in_ring.map(|(key, _)| *key).collect();
        let ring = Ring::new(keys.iter().map(PublicKey::point), replicas)?;
        keys.sort_unstable_by_key(PublicKey::point);
        let me = keys
            .iter()
            .position(|key| *key == me)
            .ok_or(MembershipError::Stranger(me))?;
        let id = ring_id(replicas, peers.iter().map(|(key, state)| (key, *state)));
        Ok(Self {
            overlay,
            ring,
            keys,
            me,
            id,
        })
    }

    /// Network and namespace.
    #[must_use]
    pub const fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The geometry.
    #[must_use]
    pub const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Names this ring.
    #[must_use]
    pub const fn id(&self) -> Id {
        self.id
    }

    /// This peer's index in the ring.
    #[must_use]
    pub const fn me(&self) -> usize {
        self.me
    }

    /// This peer's key.
    #[must_use]
    pub fn my_key(&self) -> PublicKey {
        self.keys[self.me]
    }

    /// The key of a member.
    #[must_use]
    pub fn key(&self, member: usize) -> PublicKey {
        self.keys[member]
    }

    /// The index of the member with this key.
    #[must_use]
    pub fn index_of(&self, key: &PublicKey) -> Option<usize> {
        let index = self.ring.index_of(key.point())?;
        (self.keys[index] == *key).then_some(index)
    }

    /// Whether a member holds a canonical.
    #[must_use]
    pub fn holds(&self, member: usize, canonical: &RecordId) -> bool {
        self.ring.holds(member, canonical.point())
    }

    /// Whether this peer holds a canonical.
    #[must_use]
    pub fn holds_here(&self, canonical: &RecordId) -> bool {
        self.holds(self.me, canonical)
    }

    /// Whether every member holds everything.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        self.ring.members().len() <= self.ring.replication().get()
    }

    /// The arc that this peer holds.
    #[must_use]
    pub fn held(&self) -> KeyRange {
        self.ring.held(self.me)
    }

    /// Everybody with whom this peer shares a cell.
    #[must_use]
    pub fn partners(&self) -> Vec<PublicKey> {
        self.ring
            .partners(self.me)
            .into_iter()
            .map(|member| self.keys[member])
            .collect()
    }

    /// The cells that this peer holds, by their owners.
    #[must_use]
    pub fn cells(&self) -> Vec<usize> {
        self.ring.shared_cells(self.me, self.me)
    }
}
