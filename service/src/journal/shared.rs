//! The state that all readers of a journal share: the store, the newest blocks, and the limit on parallel reads.

use std::sync::Arc;

use kittengrad_journal::{
    Store, StoreError, Tip,
    place::{self, Beginning, Extent, Place, Start},
};
use kittengrad_proto::{
    id::PublicKey,
    limits::FRAMES_BYTES_MAX,
    wire::{self, WithBodies, cursor_problem::Kind},
};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    load::{Loaded, Source},
    pulse::Pulse,
    recent::Recent,
};
use crate::status::Refusal;

/// Reads of the store at one time. Further reads wait.
const READS_MAX: usize = 4;
/// Blocks in one read.
const READ_BLOCKS_MAX: usize = 1_024;
/// A reader fewer blocks than this behind the head is live: it shares the blocks that it loads with other readers.
const LIVE_BLOCKS: u64 = 256;

/// One journal and its readers' shared state.
pub(super) struct Shared {
    pub(super) own: PublicKey,
    pub(super) pulse: Pulse,
    pub(super) shutdown: CancellationToken,
    source: Arc<Source>,
    recent: Recent,
    /// Held by the one live reader that loads blocks while the others wait.
    loading: Mutex<()>,
    reads: Arc<Semaphore>,
}

/// The result of reading from a place on.
pub(super) enum Read {
    /// Blocks, and the place after them.
    Blocks {
        loaded: Vec<Arc<Loaded>>,
        next: Place,
    },
    /// No block until the head moves.
    Level,
    /// The block at the place is missing.
    Problem(wire::CursorProblem),
}

impl Shared {
    pub(super) fn new(
        own: PublicKey,
        pulse: Pulse,
        shutdown: CancellationToken,
        source: Source,
    ) -> Self {
        Self {
            own,
            pulse,
            shutdown,
            source: Arc::new(source),
            recent: Recent::default(),
            loading: Mutex::new(()),
            reads: Arc::new(Semaphore::new(READS_MAX)),
        }
    }

    /// Reads the store on a blocking thread, at most [`READS_MAX`] at a time.
    pub(super) async fn on_store<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Source) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let permit = Arc::clone(&self.reads).acquire_owned().await;
        let permit = permit.map_err(|error| Refusal::internal(&error))?;
        let source = Arc::clone(&self.source);
        // A caller that goes away does not end the read, so the permit is held until the read ends.
        let read = move || {
            let done = read(&source);
            drop(permit);
            done
        };
        let done = tokio::task::spawn_blocking(read).await;
        Ok(done.map_err(|error| Refusal::internal(&error))??)
    }

    /// The place where a subscription begins, or a problem with its cursor.
    pub(super) async fn start(&self, from: Beginning, tip: Option<Tip>) -> Result<Start, Refusal> {
        let own = self.own;
        self.on_store(move |source| place::start(from, own, tip, &*source.store))
            .await
    }

    /// The first block in the store.
    pub(super) async fn oldest(&self, tip: Tip) -> Result<Place, Refusal> {
        let first = Place {
            incarnation: tip.head.incarnation,
            height: 0,
        };
        let oldest = self
            .on_store(move |source| place::oldest(Some(tip), &*source.store))
            .await?;
        Ok(oldest.unwrap_or(first))
    }

    /// Blocks from `place` on, up to `tip`. Ends with the block that reaches [`FRAMES_BYTES_MAX`].
    pub(super) async fn read(
        &self,
        place: Place,
        tip: Tip,
        bodies: WithBodies,
    ) -> Result<Read, Refusal> {
        let head = Place::of(tip.head);
        if place > head {
            return Ok(Read::Level);
        }
        let is_live =
            place.incarnation == head.incarnation && head.height - place.height < LIVE_BLOCKS;
        if !is_live {
            return self.load(place, tip, bodies).await;
        }
        if let Some(read) = self.recent(place, bodies) {
            return Ok(read);
        }
        let _turn = self.loading.lock().await;
        if let Some(read) = self.recent(place, bodies) {
            return Ok(read);
        }
        let read = self.load(place, tip, bodies).await?;
        if let Read::Blocks { loaded, .. } = &read {
            self.recent.keep(loaded);
        }
        Ok(read)
    }

    fn recent(&self, place: Place, bodies: WithBodies) -> Option<Read> {
        let loaded = self.recent.from(place, bodies, FRAMES_BYTES_MAX);
        let next = loaded.last()?.place.next();
        Some(Read::Blocks { loaded, next })
    }

    async fn load(&self, place: Place, tip: Tip, bodies: WithBodies) -> Result<Read, Refusal> {
        let own = self.own;
        self.on_store(move |source| load(source, own, place, tip, bodies))
            .await
    }
}

/// Loads blocks from `place` on. At the end of an incarnation it goes on with the next one.
fn load(
    source: &Source,
    own: PublicKey,
    mut place: Place,
    tip: Tip,
    bodies: WithBodies,
) -> Result<Read, StoreError> {
    let store = &*source.store;
    let mut loaded = Vec::new();
    let mut bytes = 0;
    while place <= Place::of(tip.head) && bytes < FRAMES_BYTES_MAX && loaded.len() < READ_BLOCKS_MAX
    {
        if let Some(stored) = store.block(place.incarnation, place.height)? {
            let block = Loaded::load(source, stored, bodies)?;
            bytes += block.bytes;
            loaded.push(Arc::new(block));
            place = place.next();
            continue;
        }
        match place::extent(place.incarnation, tip, store)? {
            Extent::Known {
                last,
                following: Some(following),
            } if place.height > last => {
                place = following;
            }
            _ if loaded.is_empty() => return Ok(Read::Problem(gone(own, place, tip, store)?)),
            _ => break,
        }
    }
    Ok(if loaded.is_empty() {
        Read::Level
    } else {
        Read::Blocks {
            loaded,
            next: place,
        }
    })
}

/// The problem for a reader whose next block disappeared from the store.
fn gone(
    own: PublicKey,
    place: Place,
    tip: Tip,
    store: &dyn Store,
) -> Result<wire::CursorProblem, StoreError> {
    let cursor = kittengrad_proto::cursor::Cursor {
        journal: own,
        incarnation: place.incarnation,
        height: place.height.checked_sub(1),
    };
    Ok(
        match place::start(Beginning::Cursor(cursor), own, Some(tip), store)? {
            Start::Problem(problem) => problem,
            Start::At(_) => {
                place::cursor_problem(Kind::TooOld, own, place::oldest(Some(tip), store)?)
            }
        },
    )
}
