//! The partners: their connections, hellos and clocks.
//!
//! | file | contents |
//! | --- | --- |
//! | `link` | one partner, with the reading positions in both journals |
//! | `greet` | links that come up and go down, hellos, heartbeats |
//! | `clock` | whether this peer's clock is near enough to the partners' clocks to sign |

mod clock;
pub(crate) mod greet;
pub(crate) mod link;

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use kittengrad_journal::{self as journal, Store, Write};
use kittengrad_overlay::view::View;
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::id::PublicKey;

use crate::{
    catch_up::{follow::Following, wants::Wants},
    io::Fatal,
    kept,
    partners::link::Link,
};

/// All members that share a cell with this peer, connected or not.
#[derive(Default)]
pub(crate) struct Partners {
    links: BTreeMap<PublicKey, Link>,
}

impl Partners {
    /// Adopts a view: makes a link for each new partner, with its position and head on disk, and drops the links of
    /// members that are no longer partners.
    pub(crate) fn look(
        &mut self,
        view: &View,
        wants: &mut Wants,
        plants: Plants,
        store: &dyn Store,
    ) -> Result<(), Fatal> {
        let held = view.held_here();
        let partners: BTreeSet<_> = view.partners().into_iter().collect();
        let known: Vec<_> = self.links.keys().copied().collect();
        for gone in known.into_iter().filter(|key| !partners.contains(key)) {
            self.links.remove(&gone);
            wants.lost(gone);
        }
        for link in self.links.values_mut() {
            link.following.hold(&held);
        }
        for partner in partners {
            if let Entry::Vacant(empty) = self.links.entry(partner) {
                let applied = journal::applied(store, partner, &held)?;
                let following = Following::new(partner, applied, &held, plants);
                let seen = kept::seen(partner, view.overlay(), store)?;
                empty.insert(Link::new(following, seen));
            }
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    pub(crate) fn get(&self, key: &PublicKey) -> Option<&Link> {
        self.links.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &PublicKey) -> Option<&mut Link> {
        self.links.get_mut(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PublicKey, &Link)> {
        self.links.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&PublicKey, &mut Link)> {
        self.links.iter_mut()
    }

    pub(crate) fn keys(&self) -> Vec<PublicKey> {
        self.links.keys().copied().collect()
    }

    /// Takes the writes of positions in partners' journals and of seen heads, of those that changed.
    pub(crate) fn take_positions(&mut self, plants: Plants) -> Vec<Write> {
        let mut writes = Vec::new();
        for (partner, link) in &mut self.links {
            writes.extend(link.following.take_dirty());
            let seen = link.take_dirty_seen();
            let seen = seen.filter(|_| !plants.has(Plant::SeenNotKept));
            writes.extend(seen.map(|head| kept::keep_seen(*partner, head)));
        }
        writes
    }
}
