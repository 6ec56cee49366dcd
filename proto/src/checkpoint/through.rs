//! Positions in other journals: the list beside a checkpoint, which signs its root.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_ring::{KeyRange, KeyRanges};
use prost::Message;

use super::{CheckpointError, arcs};
use crate::{
    block::{Head, arc_to_wire},
    id::{Id, PublicKey},
    limits::{HOLD_ARCS_MAX, RING_MEMBERS_MAX, THROUGH_BYTES_MAX, THROUGH_ENTRY_BYTES_MAX},
    merkle::Tree,
    wire,
};

/// A block of another journal. Every item of that journal up to it, in the arcs that both owners hold settled, is in
/// the set of the checkpoint's signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Through {
    /// Incarnation, height and hash of the block.
    pub head: Head,
    /// The arcs for which this speaks. `None` for all arcs that both hold settled.
    pub arcs: Option<KeyRanges>,
}

impl Through {
    /// Whether this speaks for every point of `arc`, if both owners hold it settled.
    #[must_use]
    pub fn speaks_for(&self, arc: KeyRange) -> bool {
        self.arcs.as_ref().is_none_or(|arcs| arcs.covers(arc))
    }

    fn encode(&self, peer: PublicKey) -> Bytes {
        let listed = self.arcs.as_ref().map_or(&[][..], KeyRanges::arcs);
        let entry = wire::Through {
            peer: Bytes::copy_from_slice(peer.as_bytes()),
            incarnation: self.head.incarnation,
            height: self.head.height,
            hash: Bytes::copy_from_slice(self.head.hash.as_bytes()),
            arcs: listed.iter().map(arc_to_wire).collect(),
        };
        entry.encode_to_vec().into()
    }

    /// Reads an entry, which has one encoding.
    fn decode(bytes: &Bytes) -> Result<(PublicKey, Self), String> {
        if bytes.len() > THROUGH_ENTRY_BYTES_MAX {
            return Err(format!("it has {} bytes", bytes.len()));
        }
        let entry = wire::Through::decode(bytes.clone()).map_err(|e| e.to_string())?;
        if entry.arcs.len() > HOLD_ARCS_MAX {
            return Err(format!("it has {} arcs", entry.arcs.len()));
        }
        let listed = entry.arcs.iter();
        let listed = listed.map(|arc| Ok((arcs::from_wire(Some(arc))?, ())));
        let listed = listed.collect::<Result<Vec<_>, String>>()?;
        if !arcs::is_canonical(&listed) {
            return Err("its arcs do not ascend, overlap, or are not merged".to_owned());
        }
        let peer = PublicKey::from_slice(&entry.peer).map_err(|e| e.to_string())?;
        let head = Head {
            incarnation: entry.incarnation,
            height: entry.height,
            hash: Id::from_slice(&entry.hash).map_err(|e| e.to_string())?,
        };
        let arcs = listed.into_iter().map(|(arc, ())| arc);
        let arcs: KeyRanges = arcs.collect();
        let arcs = (!arcs.is_empty()).then_some(arcs);
        let found = Self { head, arcs };
        match found.encode(peer) == *bytes {
            true => Ok((peer, found)),
            false => Err("it is not in its one encoding".to_owned()),
        }
    }
}

/// Positions in other journals, at most one of each. A clone shares them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThroughList(Arc<BTreeMap<PublicKey, Through>>);

impl ThroughList {
    /// The position in the journal of `peer`.
    #[must_use]
    pub fn get(&self, peer: &PublicKey) -> Option<&Through> {
        self.0.get(peer)
    }

    /// All positions, ascending by key.
    pub fn iter(&self) -> impl Iterator<Item = (&PublicKey, &Through)> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all entries.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.to_wire().iter().map(Bytes::len).sum()
    }

    /// The tree head over the entries.
    #[must_use]
    pub fn root(&self) -> Id {
        root_of(&self.to_wire())
    }

    /// The entries as they travel.
    #[must_use]
    pub fn to_wire(&self) -> Vec<Bytes> {
        let entries = self.0.iter();
        entries
            .map(|(peer, through)| through.encode(*peer))
            .collect()
    }

    /// Reads the entries beside a checkpoint of `signer`, without comparing their root.
    ///
    /// # Errors
    /// For too many or malformed entries, entries that do not ascend by key, and an entry of `signer`.
    pub fn from_wire(entries: Vec<Bytes>, signer: PublicKey) -> Result<Self, CheckpointError> {
        check_size(&entries)?;
        let mut list = BTreeMap::new();
        for (entry, bytes) in entries.iter().enumerate() {
            let read = Through::decode(bytes);
            let (peer, through) = read.map_err(|why| CheckpointError::Entry { entry, why })?;
            let is_next = list.last_key_value().is_none_or(|(last, _)| *last < peer);
            if peer == signer || !is_next {
                return Err(CheckpointError::EntryOrder { entry, peer });
            }
            list.insert(peer, through);
        }
        Ok(Self(Arc::new(list)))
    }
}

/// Takes positions in any order. Of two of one journal the later one counts. A position that speaks for no arc is left
/// out: without arcs, its entry would speak for all.
impl FromIterator<(PublicKey, Through)> for ThroughList {
    fn from_iter<I: IntoIterator<Item = (PublicKey, Through)>>(positions: I) -> Self {
        let speaks = |through: &Through| through.arcs.as_ref().is_none_or(|arcs| !arcs.is_empty());
        let mut list: BTreeMap<_, _> = positions.into_iter().collect();
        list.retain(|_, through| speaks(through));
        Self(Arc::new(list))
    }
}

/// The tree head over entries as they travel.
pub(super) fn root_of(entries: &[Bytes]) -> Id {
    Tree::new(entries.iter().map(|entry| &entry[..])).root()
}

/// Checks the number of entries and of their bytes.
pub(super) fn check_size(entries: &[Bytes]) -> Result<(), CheckpointError> {
    let bytes = entries.iter().map(Bytes::len).sum();
    if entries.len() > RING_MEMBERS_MAX || bytes > THROUGH_BYTES_MAX {
        let entries = entries.len();
        return Err(CheckpointError::ThroughSize { entries, bytes });
    }
    Ok(())
}
