//! One version of the ring: its members, which of them this process is, and the geometry that follows.

use std::{collections::BTreeMap, sync::Arc};

use kittengrad_proto::{
    block::Holds,
    certificate::{Role, Root},
    id::{Id, PublicKey, RecordId},
    identity::{Identity, IdentityError, State, ring_id},
    namespace::Overlay,
    signed::Verifier,
};
use kittengrad_ring::{KeyRange, KeyRanges, Point, Replicas, Ring, RingError};
use thiserror::Error;

use crate::identities::Identities;

/// Why a process cannot have its own view: it is not in the ring. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("peer {0} is not in the ring; `kittengrad network add` adds it to the network file")]
pub struct StrangerError(pub PublicKey);

/// The part of the circle that one member owns in one ring.
///
/// The arc is part of the identity: a cell of the same owner in another ring is another cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The key of its owner.
    pub owner: PublicKey,
    from: Point,
    to: Point,
}

impl Cell {
    const fn new(owner: PublicKey, arc: KeyRange) -> Self {
        Self {
            owner,
            from: arc.from,
            to: arc.to,
        }
    }

    /// The arc that its owner owns.
    #[must_use]
    pub const fn arc(&self) -> KeyRange {
        KeyRange::new(self.from, self.to)
    }
}

/// One version of the ring: keys, states and the geometry that follows. It never changes; a newer one replaces it.
/// Code that needs a view for longer than one decision reads it from a channel, because members come, go and change
/// addresses.
#[derive(Debug, Clone)]
pub struct View {
    overlay: Overlay,
    identities: Arc<Identities>,
    ring: Ring,
    ring_id: Id,
    /// The members of the ring by their points.
    keys: BTreeMap<Point, PublicKey>,
    /// The arc that each member of the ring holds.
    held: BTreeMap<PublicKey, KeyRange>,
    /// The member that this process is; `None` for a client, an aggregator or an indexer.
    me: Option<PublicKey>,
    /// The arcs that this process keeps, cut at the borders of cells.
    arcs_here: Holds,
}

impl View {
    /// The ring of the active and leaving peers among `identities`, as a client sees it. The identities must be
    /// verified.
    ///
    /// Joining peers count in the ring's id, but are not in the ring yet.
    ///
    /// # Errors
    /// If there is no peer.
    pub fn new(
        overlay: Overlay,
        replicas: Replicas,
        identities: Identities,
    ) -> Result<Self, RingError> {
        let peers = || identities.iter().filter(|member| member.role == Role::Peer);
        let ring_id = ring_id(replicas, peers().map(|peer| (&peer.key, peer.state)));
        let in_ring = peers().filter(|peer| peer.state != State::Joining);
        let keys: BTreeMap<_, _> = in_ring.map(|peer| (peer.key.point(), peer.key)).collect();
        let ring = Ring::new(keys.keys().copied(), replicas)?;
        let held = |(point, key): (&Point, &PublicKey)| Some((*key, ring.held(*point)?));
        let held = keys.iter().filter_map(held).collect();
        Ok(Self {
            overlay,
            identities: Arc::new(identities),
            ring,
            ring_id,
            keys,
            held,
            me: None,
            arcs_here: Holds::default(),
        })
    }

    /// The same view as the member `me` sees it.
    ///
    /// # Errors
    /// If `me` is not in the ring.
    pub fn seen_by(self, me: PublicKey) -> Result<Self, StrangerError> {
        if !self.held.contains_key(&me) {
            return Err(StrangerError(me));
        }
        Ok(self.with_me(Some(me)))
    }

    fn with_me(mut self, me: Option<PublicKey>) -> Self {
        self.me = me;
        let cells = self.cells_here();
        let mut arcs: Vec<_> = cells.iter().map(Cell::arc).collect();
        arcs.sort_by_key(|arc| arc.from);
        self.arcs_here = Holds::new(arcs).expect("the cells of a ring do not overlap");
        self
    }

    /// The view with additional identities; `None` if all of them are known.
    ///
    /// # Errors
    /// If one of them does not verify. Then none is added.
    pub fn learn(
        &self,
        heard: impl IntoIterator<Item = Identity>,
        root: &Root,
        verifier: &dyn Verifier,
    ) -> Result<Option<Self>, IdentityError> {
        let mut identities = (*self.identities).clone();
        let mut is_newer = false;
        for identity in heard {
            if self.identities.get(&identity.key) != Some(&identity) {
                identity.verify(root, verifier)?;
                is_newer |= identities.insert(identity);
            }
        }
        if !is_newer {
            return Ok(None);
        }
        // A ring is empty only if every peer says that it is joining. Then the old view stays.
        let newer = Self::new(self.overlay.clone(), self.replication(), identities).ok();
        Ok(newer.map(|newer| {
            let me = self.me.filter(|me| newer.held.contains_key(me));
            newer.with_me(me)
        }))
    }

    /// Network and namespace, which every signed body names.
    #[must_use]
    pub const fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The geometry, in which members are points.
    #[must_use]
    pub const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The id of the ring: keys and states of all peers, including joining ones.
    #[must_use]
    pub const fn ring_id(&self) -> Id {
        self.ring_id
    }

    /// The configured number of copies of each set.
    #[must_use]
    pub fn replication(&self) -> Replicas {
        self.ring.replication()
    }

    /// Whether every member holds everything, because there are no more than R.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        self.ring.members().len() <= self.replication().get()
    }
}

/// The members.
impl View {
    /// The newest statement of every member.
    #[must_use]
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// The newest statement of the member with this key.
    #[must_use]
    pub fn member(&self, key: &PublicKey) -> Option<&Identity> {
        self.identities.get(key)
    }

    /// The members of the ring, in the order in which they stand on the circle.
    pub fn peers(&self) -> impl Iterator<Item = &Identity> {
        self.keys.values().filter_map(|key| self.member(key))
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

    fn of_role(&self, role: Role) -> impl Iterator<Item = &Identity> {
        self.identities
            .iter()
            .filter(move |member| member.role == role)
    }

    /// The key of the member that stands at `point`.
    #[must_use]
    pub fn key_at(&self, point: Point) -> Option<PublicKey> {
        self.keys.get(&point).copied()
    }

    fn keys_of(&self, points: Vec<Point>) -> Vec<PublicKey> {
        points
            .into_iter()
            .filter_map(|point| self.key_at(point))
            .collect()
    }
}

/// Cells and their holders.
impl View {
    /// Whether a key is a member of the ring.
    #[must_use]
    pub fn is_in_ring(&self, key: &PublicKey) -> bool {
        self.held.contains_key(key)
    }

    /// The cell that a member owns; `None` outside of the ring.
    #[must_use]
    pub fn cell(&self, owner: &PublicKey) -> Option<Cell> {
        let arc = self.ring.cell(owner.point())?;
        self.is_in_ring(owner).then(|| Cell::new(*owner, arc))
    }

    /// The cell of a canonical.
    #[must_use]
    pub fn cell_of(&self, canonical: &RecordId) -> Cell {
        self.cell_at(canonical.point())
    }

    /// The cell of a point.
    #[must_use]
    pub fn cell_at(&self, point: Point) -> Cell {
        let owner = self.keys[&self.ring.owner(point)];
        self.cell(&owner).expect("an owner is in the ring")
    }

    /// The members that keep a cell of this ring, its owner first.
    ///
    /// For a cell of another ring, the members that keep the point at its end.
    #[must_use]
    pub fn replicas(&self, cell: &Cell) -> Vec<PublicKey> {
        self.keys_of(self.ring.replicas_of(cell.to))
    }

    /// The arc that a member keeps; `None` outside of the ring.
    #[must_use]
    pub fn held(&self, member: &PublicKey) -> Option<KeyRange> {
        self.held.get(member).copied()
    }

    /// Whether a member keeps a canonical.
    #[must_use]
    pub fn holds(&self, member: &PublicKey, canonical: &RecordId) -> bool {
        self.held
            .get(member)
            .is_some_and(|held| held.contains(canonical.point()))
    }

    /// The keys of the peers that keep a canonical, its owner first.
    #[must_use]
    pub fn keys_holding(&self, canonical: &RecordId) -> Vec<PublicKey> {
        self.keys_of(self.ring.replicas_of(canonical.point()))
    }

    /// The peers that keep a canonical, its owner first.
    #[must_use]
    pub fn holders(&self, canonical: &RecordId) -> Vec<&Identity> {
        let keys = self.keys_holding(canonical);
        keys.iter().filter_map(|key| self.member(key)).collect()
    }

    /// The keys of the peers that keep all of some canonicals, in the order of the first one's replicas.
    #[must_use]
    pub fn holders_of_all<'a>(
        &self,
        canonicals: impl IntoIterator<Item = &'a RecordId>,
    ) -> Vec<PublicKey> {
        let mut canonicals = canonicals.into_iter();
        let Some(first) = canonicals.next() else {
            return Vec::new();
        };
        let mut holders = self.keys_holding(first);
        for canonical in canonicals {
            holders.retain(|holder| self.holds(holder, canonical));
        }
        holders
    }
}

/// Cells of this process. A process that is not in the ring holds nothing and has no partners.
impl View {
    /// The member that this process is.
    #[must_use]
    pub const fn me(&self) -> Option<PublicKey> {
        self.me
    }

    /// Whether this process keeps a canonical.
    #[must_use]
    pub fn holds_here(&self, canonical: &RecordId) -> bool {
        self.me.is_some_and(|me| self.holds(&me, canonical))
    }

    /// The arcs that this process keeps, cut at the borders of cells, as its journal says them.
    #[must_use]
    pub const fn arcs_here(&self) -> &Holds {
        &self.arcs_here
    }

    /// The arcs that this process keeps.
    #[must_use]
    pub fn held_here(&self) -> KeyRanges {
        let held = self.me.and_then(|me| self.held(&me));
        held.into_iter().collect()
    }

    /// All members that share a cell with this process, the closest first.
    #[must_use]
    pub fn partners(&self) -> Vec<PublicKey> {
        let me = self.me.map(|me| self.ring.partners(me.point()));
        self.keys_of(me.unwrap_or_default())
    }

    /// The cells that this process keeps, clockwise.
    #[must_use]
    pub fn cells_here(&self) -> Vec<Cell> {
        let cells = self.me.map(|me| {
            let me = me.point();
            self.ring.shared_cells(me, me)
        });
        let owners = self.keys_of(cells.unwrap_or_default());
        owners.iter().filter_map(|owner| self.cell(owner)).collect()
    }
}
