//! The members of a network by key, each with its newest statement about itself.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    convert::Infallible,
};

use crdts::{CmRDT, CvRDT};
use kittengrad_proto::{id::PublicKey, identity::Identity};

/// Verified identities, one per key: the one with the highest [rank](Identity::rank).
///
/// This is a map of last-writer-wins registers. The rank ends with the identity's own id, so that all members keep the
/// same one of two statements with equal numbers. Example: of (seq 3, id 9a…) and (seq 3, id 41…), the first is kept in
/// either order of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identities {
    by_key: BTreeMap<PublicKey, Identity>,
}

impl Identities {
    /// Adds a statement. Returns whether it is the newest of its key.
    pub fn insert(&mut self, identity: Identity) -> bool {
        match self.by_key.entry(identity.key) {
            Entry::Vacant(empty) => drop(empty.insert(identity)),
            Entry::Occupied(mut known) if known.get().rank() < identity.rank() => {
                known.insert(identity);
            }
            Entry::Occupied(_) => return false,
        }
        true
    }

    /// The newest statement of a key.
    #[must_use]
    pub fn get(&self, key: &PublicKey) -> Option<&Identity> {
        self.by_key.get(key)
    }

    /// All identities, ascending by key.
    pub fn iter(&self) -> impl Iterator<Item = &Identity> {
        self.by_key.values()
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

impl FromIterator<Identity> for Identities {
    fn from_iter<I: IntoIterator<Item = Identity>>(identities: I) -> Self {
        let mut all = Self::default();
        for identity in identities {
            all.insert(identity);
        }
        all
    }
}

impl CmRDT for Identities {
    type Op = Identity;
    type Validation = Infallible;

    fn validate_op(&self, _: &Identity) -> Result<(), Infallible> {
        Ok(())
    }

    fn apply(&mut self, identity: Identity) {
        self.insert(identity);
    }
}

impl CvRDT for Identities {
    type Validation = Infallible;

    fn validate_merge(&self, _: &Self) -> Result<(), Infallible> {
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        for identity in other.by_key.into_values() {
            self.insert(identity);
        }
    }
}
