//! Blocks made ready to send: items with as many bodies as were asked for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use kittengrad_journal::{Store, StoreError, StoredBlock};
use kittengrad_proto::{
    block::{Bitmap, Block, Item},
    id::{Id, RecordId},
    limits::{BLOCK_BYTES_MAX, FRAMES_BYTES_MAX, MESSAGE_BYTES_MAX},
    namespace::Overlay,
    transaction::Transaction,
    wire::{self, WithBodies},
};
use prost::Message;

use super::place::Place;

/// Bytes of records in one frame. What a block adds always fits; repeats of canonicals may be left out.
const FRAME_RECORDS_BYTES_MAX: usize = BLOCK_BYTES_MAX + FRAMES_BYTES_MAX;
const _: () = assert!(FRAME_RECORDS_BYTES_MAX < MESSAGE_BYTES_MAX);

/// What blocks are loaded from.
pub(super) struct Source {
    pub(super) overlay: Overlay,
    pub(super) store: Arc<dyn Store>,
    /// Chains decoded before. Whoever loads a block reads and writes it, for a moment each.
    chains: Mutex<BTreeMap<Id, Arc<wire::Chain>>>,
}

/// Chains kept in memory: as many publishers as speak at one time, with room.
const CHAINS_MAX: usize = 4_096;

impl Source {
    pub(super) const fn new(overlay: Overlay, store: Arc<dyn Store>) -> Self {
        Self {
            overlay,
            store,
            chains: Mutex::new(BTreeMap::new()),
        }
    }

    /// A certificate chain, if it is here.
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

/// A block ready to send at `bodies` or less.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) place: Place,
    pub(super) bodies: WithBodies,
    frame: wire::FrameBlock,
    /// Of each transaction the chain that it names, if that is here; empty below [`WithBodies::Records`].
    chains: Vec<(Id, Option<Arc<wire::Chain>>)>,
    /// About as many as the frame has.
    pub(super) bytes: usize,
}

/// A transaction item and its transaction.
struct Listed {
    bitmap: Bitmap,
    signed: Bytes,
}

impl Loaded {
    /// Reads what belongs to a block: one read for all its transactions, one for all its records.
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
        let mut chains = Vec::new();
        let bodies_of_items = if bodies == WithBodies::Unspecified {
            Vec::new()
        } else {
            let listed = listed(&*source.store, &block.decode_items().map_err(damaged)?)?;
            if bodies == WithBodies::Records {
                with_records(source, &listed, &mut chains)?
            } else {
                let alone = |listed: &Listed| {
                    let signed = wire::Signed::decode(listed.signed.clone()).map_err(damaged)?;
                    Ok(without_records(Some(signed)))
                };
                listed
                    .iter()
                    .map(alone)
                    .collect::<Result<_, StoreError>>()?
            }
        };
        let frame = wire::FrameBlock {
            header: Some(block.header.signed().to_wire()),
            items: block.items,
            bodies: bodies_of_items,
            offset,
        };
        let bytes = frame.encoded_len();
        Ok(Self {
            place,
            bodies,
            frame,
            chains,
            bytes,
        })
    }

    /// The frame for a reader that wants `bodies`, at most those that were loaded.
    pub(super) fn frame(&self, bodies: WithBodies) -> wire::FrameBlock {
        let shown = match bodies {
            WithBodies::Unspecified => Vec::new(),
            WithBodies::Transactions => self
                .frame
                .bodies
                .iter()
                .map(|body| without_records(body.transaction.clone()))
                .collect(),
            WithBodies::Records => self.frame.bodies.clone(),
        };
        wire::FrameBlock {
            header: self.frame.header.clone(),
            items: self.frame.items.clone(),
            bodies: shown,
            offset: self.frame.offset,
        }
    }

    /// The chains that are here of those that the transactions name, each with the number of its body.
    pub(super) fn chains(&self) -> impl Iterator<Item = (usize, Id, &wire::Chain)> {
        let all = self.chains.iter().enumerate();
        all.filter_map(|(number, (id, chain))| Some((number, *id, &**chain.as_ref()?)))
    }
}

/// The transactions of a block's items, in order.
fn listed(store: &dyn Store, items: &[Item]) -> Result<Vec<Listed>, StoreError> {
    let named = items.iter().filter_map(|item| match item {
        Item::Transaction { id, bitmap } => Some((*id, bitmap.clone())),
        _ => None,
    });
    let (ids, bitmaps): (Vec<Id>, Vec<Bitmap>) = named.unzip();
    let found = store.transactions(&ids)?;
    let mut listed = Vec::with_capacity(ids.len());
    for ((id, bitmap), signed) in ids.iter().zip(bitmaps).zip(found) {
        let signed =
            signed.ok_or_else(|| StoreError::Damaged(format!("transaction {id} is gone")))?;
        listed.push(Listed { bitmap, signed });
    }
    Ok(listed)
}

const fn without_records(transaction: Option<wire::Signed>) -> wire::Body {
    wire::Body {
        transaction,
        records: Vec::new(),
        chain: None,
    }
}

/// Bodies with the records of what their items add, and the chains that they name.
fn with_records(
    source: &Source,
    listed: &[Listed],
    chains: &mut Vec<(Id, Option<Arc<wire::Chain>>)>,
) -> Result<Vec<wire::Body>, StoreError> {
    let mut wanted = Wanted::default();
    let mut bodies = Vec::with_capacity(listed.len());
    for (number, listed) in listed.iter().enumerate() {
        let transaction =
            Transaction::decode(listed.signed.clone(), &source.overlay).map_err(damaged)?;
        wanted.of(number, &transaction, &listed.bitmap);
        let chain = transaction.envelope().chain;
        chains.push((chain, source.chain(&chain)?));
        bodies.push(without_records(Some(transaction.signed().to_wire())));
    }
    let mut bytes = 0;
    for wanted in [wanted.updates, wanted.canonicals] {
        let ids: Vec<RecordId> = wanted.iter().map(|(_, id)| *id).collect();
        for ((number, _), record) in wanted.into_iter().zip(source.store.records(&ids)?) {
            let Some(record) = record else { continue };
            if bytes + record.len() <= FRAME_RECORDS_BYTES_MAX {
                bytes += record.len();
                bodies[number].records.push(record);
            }
        }
    }
    Ok(bodies)
}

/// Records to send, each with the number of the body that it belongs to.
#[derive(Default)]
struct Wanted {
    /// Of updates that are added: a block's limit bounds their bytes.
    updates: Vec<(usize, RecordId)>,
    /// Of canonicals that come with something added; the same one may come again and again.
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

/// How many elements a block adds.
pub(super) fn added_elements(block: &Block) -> Result<u64, StoreError> {
    let items = block.decode_items().map_err(damaged)?;
    let added = items.iter().map(|item| match item {
        Item::Transaction { bitmap, .. } => bitmap.count() as u64,
        _ => 0,
    });
    Ok(added.sum())
}

fn damaged(error: impl ToString) -> StoreError {
    StoreError::Damaged(error.to_string())
}
