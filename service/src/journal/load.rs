//! Loading blocks from the store as frames, with the bodies that a reader asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use kittengrad_journal::{Store, StoreError, StoredBlock, place::Place};
use kittengrad_proto::{
    block::{Bitmap, Item},
    id::{Id, RecordId},
    limits::{
        BLOCK_BYTES_MAX, BLOCK_ITEMS_MAX, FRAMES_BYTES_MAX, HEADER_BYTES_MAX, MESSAGE_BYTES_MAX,
        RECORD_BYTES_MAX,
    },
    namespace::Overlay,
    transaction::Transaction,
    wire::{self, WithBodies},
};
use prost::Message;

/// Bytes of one frame with the chains that its transactions name. The elements that a block adds always fit; repeats
/// of canonicals may be left out.
pub(super) const FRAME_BYTES_MAX: usize = BLOCK_BYTES_MAX + FRAMES_BYTES_MAX;
/// Bytes of tags and lengths around one body, and around one record.
const BODY_BYTES: usize = 32;
const RECORD_BYTES: usize = 8;
const _: () = assert!(FRAME_BYTES_MAX + RECORD_BYTES_MAX < MESSAGE_BYTES_MAX);
// `BLOCK_BYTES_MAX` counts items, transactions, records and chains. A frame adds the header and the tags of bodies and
// records, which fit `FRAMES_BYTES_MAX`: no record has less than 64 bytes.
const _: () = assert!(
    HEADER_BYTES_MAX
        + BLOCK_ITEMS_MAX * (BODY_BYTES + RECORD_BYTES)
        + BLOCK_BYTES_MAX / 64 * RECORD_BYTES
        < FRAMES_BYTES_MAX
);

/// The source of blocks.
pub(super) struct Source {
    pub(super) overlay: Overlay,
    pub(super) store: Arc<dyn Store>,
    /// Decoded chains. Never locked during a read of the store.
    chains: Mutex<BTreeMap<Id, Arc<wire::Chain>>>,
}

/// Chains kept in memory: more than publishers are active at one time.
const CHAINS_MAX: usize = 4_096;

impl Source {
    pub(super) const fn new(overlay: Overlay, store: Arc<dyn Store>) -> Self {
        Self {
            overlay,
            store,
            chains: Mutex::new(BTreeMap::new()),
        }
    }

    /// A certificate chain, if the store has it.
    fn chain(&self, id: &Id) -> Result<Option<Arc<wire::Chain>>, StoreError> {
        let known = || self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chain) = known().get(id) {
            return Ok(Some(Arc::clone(chain)));
        }
        let Some(bytes) = self.store.chain(id)? else {
            return Ok(None);
        };
        let chain = Arc::new(wire::Chain::decode(bytes).map_err(damaged)?);
        let mut known = known();
        if known.len() >= CHAINS_MAX {
            known.clear();
        }
        known.insert(*id, Arc::clone(&chain));
        Ok(Some(chain))
    }
}

/// A block ready to send to readers that asked for `bodies` or less.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) place: Place,
    pub(super) bodies: WithBodies,
    frame: wire::FrameBlock,
    /// The chain of each transaction, in the order of the frame's bodies. Empty below [`WithBodies::Records`].
    chains: Vec<NamedChain>,
    /// An estimate for the frame with all its chains.
    pub(super) bytes: usize,
}

/// The id of a transaction's chain, and the chain if the store has it.
type NamedChain = (Id, Option<Arc<wire::Chain>>);

impl Loaded {
    /// Loads the bodies of a block: one read for all its transactions, one for its updates, one for its canonicals.
    pub(super) fn load(
        source: &Source,
        stored: StoredBlock,
        bodies: WithBodies,
    ) -> Result<Self, StoreError> {
        let StoredBlock { block, offset } = stored;
        let place = Place {
            incarnation: block.header.incarnation,
            height: block.header.height,
        };
        let mut frame = wire::FrameBlock {
            header: Some(block.header.signed().to_wire()),
            bodies: Vec::new(),
            items: Vec::new(),
            offset,
            through: block.through.to_wire(),
        };
        let mut chains = Vec::new();
        if bodies != WithBodies::Unspecified {
            let items = block.decode_items().map_err(damaged)?;
            frame.bodies = transactions(&*source.store, &items)?;
            if bodies == WithBodies::Records {
                let items_bytes: usize = block
                    .items
                    .iter()
                    .map(|item| item.len() + RECORD_BYTES)
                    .sum();
                let taken_bytes = frame.encoded_len() + items_bytes + items.len() * BODY_BYTES;
                let room_bytes = FRAME_BYTES_MAX.saturating_sub(taken_bytes);
                chains = add_records(source, &items, &mut frame.bodies, room_bytes)?;
            }
        }
        frame.items = block.items;
        let bytes = frame.encoded_len() + chains_bytes(&chains);
        Ok(Self {
            place,
            bodies,
            frame,
            chains,
            bytes,
        })
    }

    /// The frame for a reader that wants `bodies`, at most those that were loaded. Includes the chains that are not in
    /// `sent`, and adds them to it.
    pub(super) fn frame(&self, bodies: WithBodies, sent: &mut ChainsSent) -> wire::FrameBlock {
        let mut frame = wire::FrameBlock {
            header: self.frame.header.clone(),
            items: self.frame.items.clone(),
            bodies: Vec::new(),
            offset: self.frame.offset,
            through: self.frame.through.clone(),
        };
        match bodies {
            WithBodies::Unspecified => {}
            WithBodies::Transactions => {
                let alone = |body: &wire::Body| alone(body.transaction.clone());
                frame.bodies = self.frame.bodies.iter().map(alone).collect();
            }
            WithBodies::Records => {
                frame.bodies.clone_from(&self.frame.bodies);
                for (body, (id, chain)) in frame.bodies.iter_mut().zip(&self.chains) {
                    if let Some(chain) = chain
                        && sent.insert(*id)
                    {
                        body.chain = Some(wire::Chain::clone(chain));
                    }
                }
            }
        }
        frame
    }
}

/// The chains that were sent to one reader.
#[derive(Debug, Default)]
pub(super) struct ChainsSent(BTreeSet<Id>);

/// Chains remembered for one reader. Beyond it a chain may be sent twice, which is harmless.
const CHAINS_SENT_MAX: usize = 65_536;

impl ChainsSent {
    /// Adds a chain. Returns whether it was new.
    fn insert(&mut self, id: Id) -> bool {
        if self.0.len() >= CHAINS_SENT_MAX {
            self.0.clear();
        }
        self.0.insert(id)
    }
}

/// Bodies with the transactions that a block lists, in order, without records and chains.
fn transactions(store: &dyn Store, items: &[Item]) -> Result<Vec<wire::Body>, StoreError> {
    let ids: Vec<Id> = listed(items).map(|(id, _)| id).collect();
    let found = ids.iter().zip(store.transactions(&ids)?);
    let bodies = found.map(|(id, signed)| {
        let gone = || StoreError::Damaged(format!("transaction {id} is missing"));
        let signed = wire::Signed::decode(signed.ok_or_else(gone)?).map_err(damaged)?;
        Ok(alone(Some(signed)))
    });
    bodies.collect()
}

fn listed(items: &[Item]) -> impl Iterator<Item = (Id, &Bitmap)> {
    items.iter().filter_map(|item| match item {
        Item::Transaction { id, bitmap, .. } => Some((*id, bitmap)),
        _ => None,
    })
}

const fn alone(transaction: Option<wire::Signed>) -> wire::Body {
    wire::Body {
        transaction,
        records: Vec::new(),
        chain: None,
    }
}

/// Adds the records of the elements that `items` add, as far as they fit `room_bytes`. Returns the chains of the
/// transactions.
fn add_records(
    source: &Source,
    items: &[Item],
    bodies: &mut [wire::Body],
    mut room_bytes: usize,
) -> Result<Vec<NamedChain>, StoreError> {
    let mut wanted = Wanted::default();
    let mut chains = Vec::with_capacity(bodies.len());
    for (number, ((_, bitmap), body)) in listed(items).zip(&*bodies).enumerate() {
        let transaction = Transaction::from_wire(body.transaction.clone(), &source.overlay);
        let transaction = transaction.map_err(damaged)?;
        wanted.of(number, &transaction, bitmap);
        let chain = transaction.envelope().chain;
        chains.push((chain, source.chain(&chain)?));
    }
    room_bytes = room_bytes.saturating_sub(chains_bytes(&chains));
    for mut wanted in [wanted.updates, wanted.canonicals] {
        // Sorted like the store, so that neighbours are read together.
        wanted.sort_unstable_by_key(|(_, id)| *id);
        let ids: Vec<RecordId> = wanted.iter().map(|(_, id)| *id).collect();
        for ((number, _), record) in wanted.into_iter().zip(source.store.records(&ids)?) {
            let framed_bytes = |record: &Bytes| record.len() + RECORD_BYTES;
            if let Some(record) = record.filter(|record| framed_bytes(record) <= room_bytes) {
                room_bytes -= framed_bytes(&record);
                bodies[number].records.push(record);
            }
        }
    }
    Ok(chains)
}

/// Bytes of the chains of a frame. A chain counts once.
fn chains_bytes(chains: &[NamedChain]) -> usize {
    let each: BTreeMap<_, _> = chains
        .iter()
        .filter_map(|(id, chain)| Some((id, chain.as_ref()?)))
        .collect();
    each.values().map(|chain| chain.encoded_len()).sum()
}

/// Records to send, each with the index of its body.
#[derive(Default)]
struct Wanted {
    /// Records of added updates. `BLOCK_BYTES_MAX` bounds their bytes.
    updates: Vec<(usize, RecordId)>,
    /// Records of canonicals with an added element. The same canonical may repeat for many transactions.
    canonicals: Vec<(usize, RecordId)>,
}

impl Wanted {
    fn of(&mut self, number: usize, transaction: &Transaction, bitmap: &Bitmap) {
        let mut bit = 0;
        for entry in transaction.entries() {
            let added = self.updates.len();
            let is_bare = entry.updates.is_empty();
            let is_bare_added = is_bare && bitmap.is_set(bit);
            for (i, update) in entry.updates.iter().enumerate() {
                if bitmap.is_set(bit + i) {
                    self.updates.push((number, *update));
                }
            }
            if entry.insert && (is_bare_added || self.updates.len() > added) {
                self.canonicals.push((number, entry.canonical));
            }
            bit += if is_bare { 1 } else { entry.updates.len() };
        }
    }
}

fn damaged(error: impl ToString) -> StoreError {
    StoreError::Damaged(error.to_string())
}
