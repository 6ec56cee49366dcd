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

use kittengrad_journal::{self as journal, Applied, Store, Write};
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
                let applied = match journal::applied(store, partner)? {
                    Some(Applied { follower, held }) => {
                        let follower = journal::show_hold(follower, view.overlay(), store)?;
                        Some(Applied { follower, held })
                    }
                    None => None,
                };
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
            if let Some(position) = link.following.take_dirty() {
                writes.push(position);
                writes.extend(link.following.take_hold());
            }
            let seen = link.take_dirty_seen();
            let seen = seen.filter(|_| !plants.has(Plant::SeenNotKept));
            writes.extend(seen.map(|head| kept::keep_seen(*partner, head)));
        }
        writes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kittengrad_journal::{Journal, MemoryStore};
    use kittengrad_proto::{
        block::{Block, Holds, Item},
        id::Id,
        identity::Heartbeat,
        signed::Signer,
        signed_head::SignedHead,
    };
    use kittengrad_support::journals::{Fake, FakeKey, overlay};

    use super::*;
    use crate::fixtures::{head, keys, view_of};

    /// The first block of a journal.
    fn genesis(key: FakeKey) -> Block {
        let gap = Item::Gap {
            incarnation: 6,
            from_height: 0,
        };
        let holds = Holds::whole();
        let mut journal = Journal::open(overlay(), Arc::new(key), 7, None, holds, &[gap]);
        journal.cut(1, &mut Vec::new()).unwrap().block
    }

    /// Applies the first block of a partner's journal.
    fn read(partners: &mut Partners, key: FakeKey) -> Block {
        let block = genesis(key);
        let link = partners.get_mut(&key.public()).unwrap();
        link.following.accept(&block, true, &Fake).unwrap();
        link.following.wait_for(Vec::new());
        block
    }

    fn look(partners: &mut Partners, view: &View, wants: &mut Wants, store: &MemoryStore) {
        partners.look(view, wants, Plants::NONE, store).unwrap();
    }

    #[test]
    fn a_position_counts_only_for_arcs_that_were_never_given_up() {
        let all = keys(8);
        let me = all[4];
        // A member beside this peer comes and goes, and this peer gives an arc up for that time.
        let fewer: Vec<_> = [0, 1, 2, 4, 5, 6, 7].map(|number| all[number]).to_vec();
        let (wide, narrow) = (view_of(me, &fewer, 3), view_of(me, &all, 3));
        let arc = |view: &View| view.held_here().arcs()[0];
        let (mut partners, mut wants) = (Partners::default(), Wants::default());
        let store = MemoryStore::default();
        look(&mut partners, &wide, &mut wants, &store);
        let partner = all[5];
        let target = read(&mut partners, partner).head();
        let reached = |partners: &Partners| {
            let following = &partners.get(&partner.public()).unwrap().following;
            [arc(&wide), arc(&narrow)].map(|arc| following.has_reached(arc, target))
        };
        assert_eq!(reached(&partners), [true, true]);
        look(&mut partners, &narrow, &mut wants, &store);
        look(&mut partners, &wide, &mut wants, &store);
        assert_eq!(reached(&partners), [false, true]);
    }

    #[test]
    fn positions_and_seen_heads_are_written_once_and_read_again() {
        let all = keys(3);
        let view = view_of(all[0], &all, 3);
        let (mut partners, mut wants) = (Partners::default(), Wants::default());
        let mut store = MemoryStore::default();
        look(&mut partners, &view, &mut wants, &store);
        assert_eq!(partners.take_positions(Plants::NONE), []);
        let block = read(&mut partners, all[1]);
        let beat = Heartbeat::sign(&overlay(), head(9, 9), 1, &all[2]);
        let link = partners.get_mut(&all[2].public()).unwrap();
        link.saw_heartbeat(&beat);
        let writes = partners.take_positions(Plants::NONE);
        // With the position comes the proof of the partner's hold.
        assert_eq!(writes.len(), 3);
        assert_eq!(partners.take_positions(Plants::NONE), []);
        store.commit(writes);
        // Another view changes nothing for a known partner.
        look(&mut partners, &view, &mut wants, &MemoryStore::default());
        let applied = |partners: &Partners, key: FakeKey| {
            let link = partners.get(&key.public()).unwrap();
            link.following.applied_head()
        };
        assert_eq!(applied(&partners, all[1]), Some(block.head()));
        // The next process reads both.
        let mut next = Partners::default();
        look(&mut next, &view, &mut wants, &store);
        assert_eq!(applied(&next, all[1]), Some(block.head()));
        assert_eq!(applied(&next, all[2]), None);
        let seen = |key: FakeKey| next.get(&key.public()).unwrap().seen();
        let expected = SignedHead::Heartbeat(Box::new(beat));
        assert_eq!((seen(all[1]), seen(all[2])), (None, Some(&expected)));
    }

    #[test]
    fn a_view_drops_former_partners_with_their_wants() {
        let all = keys(6);
        let me = all[2];
        let (mut partners, mut wants) = (Partners::default(), Wants::default());
        let store = MemoryStore::default();
        look(&mut partners, &view_of(me, &all, 3), &mut wants, &store);
        let (gone, staying) = (all[1].public(), all[3].public());
        partners.get_mut(&staying).unwrap().is_up = true;
        wants.add(Id::of(&[b"one"]), gone, 0);
        wants.add(Id::of(&[b"both"]), gone, 0);
        wants.add(Id::of(&[b"both"]), staying, 0);
        let fewer: Vec<_> = all.into_iter().filter(|key| key.public() != gone).collect();
        let view = view_of(me, &fewer, 3);
        look(&mut partners, &view, &mut wants, &store);
        assert!(partners.get(&gone).is_none());
        assert!(partners.get(&staying).unwrap().is_up, "the link stays");
        let keys: BTreeSet<_> = partners.keys().into_iter().collect();
        assert_eq!(keys, view.partners().into_iter().collect());
        assert_eq!((partners.len(), wants.len()), (keys.len(), 1));
    }
}
