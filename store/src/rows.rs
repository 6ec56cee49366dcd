//! Rows: keys and values of each column family. Integers are big-endian. Every value starts with a version.
//!
//! ```text
//! blocks        incarnation (8) ‖ height (8)
//!               → 1 ‖ offset (8) ‖ signature (64) ‖ length (4) ‖ body of the header
//!                 ‖ (length (2) ‖ item)… ‖ (length (2) ‖ position beside the checkpoint)…
//! elements      canonical (32)                  → 1 ‖ incarnation (8) ‖ height (8) ‖ index (4)
//!               canonical (32) ‖ update (32)    → the same; a bare insert comes before all updates
//! transactions  id (32)                         → 1 ‖ transaction
//! records       digest (32)                     → 1 ‖ record
//! chains        id (32)                         → 1 ‖ chain
//! state         any bytes of the owner          → 1 ‖ any bytes of the owner
//! meta          "owner"                         → format (1) ‖ network (32) ‖ key (32) ‖ namespace
//! ```

use bytes::Bytes;
use kittengrad_journal::{Locator, StoredBlock};
use kittengrad_proto::{
    block::{Block, Header},
    id::RecordId,
    limits::{ITEM_BYTES_MAX, THROUGH_ENTRY_BYTES_MAX},
    namespace::Overlay,
    signed::SIGNATURE_BYTES,
    transaction::Element,
    wire,
};
use thiserror::Error;

/// The version of all rows.
pub(crate) const VERSION: u8 = 1;
/// The format of a store: of its rows and of the signed objects in them. Format 1 had blocks of version 1, whose journals
/// do not say what their owners hold. Format 2 had no tree over the blocks, and the headers of format 3 do not
/// refer to a `hold`.
pub(crate) const FORMAT: u8 = 4;

const _: () = assert!(ITEM_BYTES_MAX <= u16::MAX as usize);
const _: () = assert!(THROUGH_ENTRY_BYTES_MAX <= u16::MAX as usize);

/// Why a row cannot be read: the store is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum RowError {
    /// The value has an unknown version.
    #[error("version {found:?} instead of {VERSION}")]
    Version {
        /// The version; `None` if the value is empty.
        found: Option<u8>,
    },
    /// The key or the value is too short or too long for its format.
    #[error("wrong length of {bytes} bytes")]
    Length {
        /// Bytes found.
        bytes: usize,
    },
    /// The value is malformed, or belongs to another key.
    #[error("{0}")]
    Content(String),
}

/// The key of an element: 32 or 64 bytes.
pub(crate) struct ElementKey {
    bytes: [u8; 64],
    length: usize,
}

impl ElementKey {
    pub(crate) fn new(element: &Element) -> Self {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(element.canonical.as_bytes());
        if let Some(update) = &element.update {
            bytes[32..].copy_from_slice(update.as_bytes());
        }
        Self {
            bytes,
            length: if element.update.is_some() { 64 } else { 32 },
        }
    }
}

impl AsRef<[u8]> for ElementKey {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The update in the key of an element. `None` for a bare insert.
pub(crate) fn update_of_key(key: &[u8]) -> Result<Option<RecordId>, RowError> {
    let length = RowError::Length { bytes: key.len() };
    match key.split_at_checked(32) {
        Some((_, [])) => Ok(None),
        Some((_, update)) => RecordId::from_slice(update).map(Some).map_err(|_| length),
        None => Err(length),
    }
}

/// The element of a key.
pub(crate) fn element_of_key(key: &[u8]) -> Result<Element, RowError> {
    let update = update_of_key(key)?;
    let canonical = key.get(..32).and_then(|of| RecordId::from_slice(of).ok());
    let canonical = canonical.ok_or(RowError::Length { bytes: key.len() })?;
    Ok(Element { canonical, update })
}

pub(crate) fn locator_value(locator: &Locator) -> [u8; LOCATOR_BYTES] {
    let mut value = [0; LOCATOR_BYTES];
    value[0] = VERSION;
    value[1..9].copy_from_slice(&locator.incarnation.to_be_bytes());
    value[9..17].copy_from_slice(&locator.height.to_be_bytes());
    value[17..].copy_from_slice(&locator.index.to_be_bytes());
    value
}

pub(crate) fn locator(value: &[u8]) -> Result<Locator, RowError> {
    let mut rest = body(value)?;
    let length = || RowError::Length { bytes: value.len() };
    let mut take = || take_u64(&mut rest).ok_or_else(length);
    let (incarnation, height) = (take()?, take()?);
    let index = take_array(&mut rest)
        .map(u32::from_be_bytes)
        .ok_or_else(length)?;
    if rest.is_empty() {
        Ok(Locator {
            incarnation,
            height,
            index,
        })
    } else {
        Err(length())
    }
}

pub(crate) fn block_key(incarnation: u64, height: u64) -> [u8; BLOCK_KEY_BYTES] {
    let mut key = [0; BLOCK_KEY_BYTES];
    key[..8].copy_from_slice(&incarnation.to_be_bytes());
    key[8..].copy_from_slice(&height.to_be_bytes());
    key
}

/// The incarnation and the height in the key of a block.
pub(crate) fn of_block_key(key: &[u8]) -> Result<(u64, u64), RowError> {
    let mut rest = key;
    let parts = (take_u64(&mut rest), take_u64(&mut rest));
    match parts {
        (Some(incarnation), Some(height)) if rest.is_empty() => Ok((incarnation, height)),
        _ => Err(RowError::Length { bytes: key.len() }),
    }
}

pub(crate) fn block_value(stored: &StoredBlock) -> Vec<u8> {
    let wire = stored.block.header.signed().to_wire();
    let through = stored.block.through.to_wire();
    let entries = || stored.block.items.iter().chain(&through);
    let bytes = entries().map(|entry| 2 + entry.len()).sum::<usize>();
    let mut value = Vec::with_capacity(1 + 8 + SIGNATURE_BYTES + 4 + wire.body.len() + bytes);
    value.push(VERSION);
    value.extend_from_slice(&stored.offset.to_be_bytes());
    value.extend_from_slice(&wire.signature);
    let body_bytes = u32::try_from(wire.body.len()).expect("a header has at most HEADER_BYTES_MAX");
    value.extend_from_slice(&body_bytes.to_be_bytes());
    value.extend_from_slice(&wire.body);
    for entry in entries() {
        let bytes = u16::try_from(entry.len()).expect("an entry has at most ITEM_BYTES_MAX");
        value.extend_from_slice(&bytes.to_be_bytes());
        value.extend_from_slice(entry);
    }
    value
}

/// Decodes a block. Its items must be those that its header signs.
pub(crate) fn block(
    (incarnation, height): (u64, u64),
    value: Bytes,
    overlay: &Overlay,
) -> Result<StoredBlock, RowError> {
    let Parts {
        offset,
        header,
        mut items,
    } = parts(value)?;
    let bytes = items.len();
    let mut list = Vec::new();
    while !items.is_empty() {
        let item = take_bytes::<2>(&mut items).ok_or(RowError::Length { bytes })?;
        list.push(item);
    }
    let content = |error: &dyn std::fmt::Display| RowError::Content(error.to_string());
    let header = Header::from_wire(Some(header), overlay).map_err(|e| content(&e))?;
    let items = list.len().min(header.item_count as usize);
    let through = list.split_off(items);
    let block = Block::from_parts(header, list, through).map_err(|e| content(&e))?;
    is_named(&block.header, incarnation, height)?;
    Ok(StoredBlock { block, offset })
}

/// Decodes the header of a block without its items.
pub(crate) fn header(
    (incarnation, height): (u64, u64),
    value: Bytes,
    overlay: &Overlay,
) -> Result<Header, RowError> {
    let Parts { header, .. } = parts(value)?;
    let header =
        Header::from_wire(Some(header), overlay).map_err(|e| RowError::Content(e.to_string()))?;
    is_named(&header, incarnation, height)?;
    Ok(header)
}

fn is_named(header: &Header, incarnation: u64, height: u64) -> Result<(), RowError> {
    if (header.incarnation, header.height) == (incarnation, height) {
        return Ok(());
    }
    let (i, h) = (header.incarnation, header.height);
    Err(RowError::Content(format!(
        "the row holds block {h} of incarnation {i}"
    )))
}

/// The parts of the value of a block.
struct Parts {
    offset: u64,
    header: wire::Signed,
    items: Bytes,
}

fn parts(value: Bytes) -> Result<Parts, RowError> {
    let length = RowError::Length { bytes: value.len() };
    let mut rest = tail(value)?;
    let split = |rest: &mut Bytes| {
        let mut offset = [0; 8];
        offset.copy_from_slice(rest.get(..8)?);
        drop(rest.split_to(8));
        let signature = (rest.len() >= SIGNATURE_BYTES).then(|| rest.split_to(SIGNATURE_BYTES))?;
        let body = take_bytes::<4>(rest)?;
        Some((u64::from_be_bytes(offset), wire::Signed { body, signature }))
    };
    let (offset, header) = split(&mut rest).ok_or(length)?;
    Ok(Parts {
        offset,
        header,
        items: rest,
    })
}

/// Writes the version and then `bytes` into `buffer`, which many values reuse.
pub(crate) fn versioned<'b>(buffer: &'b mut Vec<u8>, bytes: &[u8]) -> &'b [u8] {
    buffer.clear();
    buffer.push(VERSION);
    buffer.extend_from_slice(bytes);
    buffer
}

/// The bytes after the version.
pub(crate) fn body(value: &[u8]) -> Result<&[u8], RowError> {
    match value.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        found => Err(RowError::Version {
            found: found.map(|(version, _)| *version),
        }),
    }
}

/// The bytes after the version, without a copy.
pub(crate) fn tail(mut value: Bytes) -> Result<Bytes, RowError> {
    body(&value)?;
    Ok(value.split_off(1))
}

/// Takes a length of `N` bytes, and then that many bytes.
fn take_bytes<const N: usize>(rest: &mut Bytes) -> Option<Bytes> {
    let length = rest
        .get(..N)?
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    if rest.len() - N < length {
        return None;
    }
    drop(rest.split_to(N));
    Some(rest.split_to(length))
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    take_array(rest).map(u64::from_be_bytes)
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, more) = rest.split_first_chunk()?;
    *rest = more;
    Some(*first)
}

pub(crate) const LOCATOR_BYTES: usize = 1 + 8 + 8 + 4;
const BLOCK_KEY_BYTES: usize = 8 + 8;
