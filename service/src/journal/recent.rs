//! A cache of the newest blocks. Live readers share it, instead of each reading the store.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use kittengrad_journal::place::Place;
use kittengrad_proto::wire::WithBodies;

use super::load::Loaded;

/// Bytes kept.
const RECENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The cached blocks, ascending by place.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    blocks: VecDeque<Arc<Loaded>>,
    bytes: usize,
}

impl Recent {
    /// The cached blocks from `place` on, without a gap, that have `bodies` or more. Ends with the block that reaches
    /// `bytes_max`.
    pub(super) fn from(
        &self,
        place: Place,
        bodies: WithBodies,
        bytes_max: usize,
    ) -> Vec<Arc<Loaded>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0;
        let first = kept.blocks.partition_point(|loaded| loaded.place < place);
        let mut next = place;
        let mut found = Vec::new();
        for loaded in kept.blocks.range(first..) {
            if loaded.place != next || loaded.bodies < bodies || bytes >= bytes_max {
                break;
            }
            bytes += loaded.bytes;
            next.height += 1;
            found.push(Arc::clone(loaded));
        }
        found
    }

    /// Adds blocks, and drops the oldest beyond [`RECENT_BYTES_MAX`].
    pub(super) fn keep(&self, loaded: &[Arc<Loaded>]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut *kept;
        for loaded in loaded {
            let at = kept
                .blocks
                .partition_point(|other| other.place < loaded.place);
            match kept
                .blocks
                .get_mut(at)
                .filter(|other| other.place == loaded.place)
            {
                Some(same) if same.bodies >= loaded.bodies => continue,
                Some(same) => kept.bytes -= std::mem::replace(same, Arc::clone(loaded)).bytes,
                None => kept.blocks.insert(at, Arc::clone(loaded)),
            }
            kept.bytes += loaded.bytes;
        }
        while kept.bytes > RECENT_BYTES_MAX {
            let Some(oldest) = kept.blocks.pop_front() else {
                break;
            };
            kept.bytes -= oldest.bytes;
        }
    }
}
