//! Lookups: reads sets and records from a store, within limits.

use std::collections::BTreeSet;

use bytes::Bytes;
use kittengrad_journal::{Store, Tip, publisher_chain};
use kittengrad_proto::{
    id::{IdError, PublicKey, RecordId},
    limits::{
        GET_RECORD_MAX, LOOKUP_BYTES_MAX, LOOKUP_CANONICALS_MAX, MESSAGE_BYTES_MAX,
        RECORD_BYTES_MAX,
    },
    namespace::Overlay,
    record::{Summary, check},
    wire,
};

use crate::status::{ErrorCode, Refusal, check_namespace};

/// Records in one read of the store. A request for large records then reads few that do not fit its answer.
const RECORDS_AT_ONCE: usize = 64;

/// The limits of one answer to a lookup.
#[derive(Debug, Clone, Copy)]
pub struct PageMax {
    /// Names of updates in all sets together, at least 1.
    pub updates: usize,
    /// Bytes of records.
    pub record_bytes: usize,
}

/// The limits of one message.
impl Default for PageMax {
    fn default() -> Self {
        Self {
            updates: LOOKUP_BYTES_MAX / 2 / 32,
            record_bytes: LOOKUP_BYTES_MAX,
        }
    }
}

/// Answers a lookup with the sets in `store`. `own` is the key of the store's owner.
///
/// `tip` must be read before the call, so that the answer is at least as new. A set that does not fit ends early and
/// has `more`; the caller asks for it alone. Records that do not fit are left empty; the caller fetches them by id.
///
/// # Errors
/// If the request is malformed or beyond a limit, or the store cannot be read.
pub fn lookup(
    store: &dyn Store,
    request: &wire::LookupRequest,
    overlay: &Overlay,
    own: PublicKey,
    tip: Option<Tip>,
    max: PageMax,
) -> Result<wire::LookupResponse, Refusal> {
    let canonicals = canonicals(request, overlay)?;
    let after = after(request, canonicals.len())?;
    let mut sets = Vec::with_capacity(canonicals.len());
    let mut left = max.updates;
    for canonical in canonicals {
        // One more than fits, to see whether there are more.
        let mut updates = store.set_page(&canonical, after.as_ref(), left.saturating_add(1))?;
        let found = updates.as_ref().map_or(0, Vec::len);
        if let Some(updates) = &mut updates {
            updates.truncate(left);
        }
        sets.push((canonical, updates, found > left));
        left -= found.min(left);
    }
    let mut response = wire::LookupResponse {
        peer: Bytes::copy_from_slice(own.as_bytes()),
        head: tip.map(|tip| tip.head.to_wire()),
        sets: Vec::with_capacity(sets.len()),
        chains: Vec::new(),
    };
    let mut reader = Records {
        store,
        left_bytes: max.record_bytes,
        publishers: BTreeSet::new(),
    };
    for (canonical, updates, more) in sets {
        let set = reader.set(canonical, updates, request.records)?;
        response.sets.push(wire::Set { more, ..set });
    }
    for publisher in reader.publishers {
        if let Some(chain) = publisher_chain(store, publisher)? {
            response.chains.push(chain.to_wire());
        }
    }
    Ok(response)
}

/// Estimates the bytes of an answer about `asked` canonicals or records, at most those of a message. Counts a record of
/// the largest size for each and one more; most answers are smaller.
#[must_use]
pub const fn bytes_about(asked: usize) -> usize {
    let bytes = (asked + 1) * RECORD_BYTES_MAX;
    if bytes < MESSAGE_BYTES_MAX {
        bytes
    } else {
        MESSAGE_BYTES_MAX
    }
}

/// The canonicals of a lookup.
///
/// # Errors
/// If the request is malformed, beyond [`LOOKUP_CANONICALS_MAX`], or for another namespace.
pub fn canonicals(
    request: &wire::LookupRequest,
    overlay: &Overlay,
) -> Result<Vec<RecordId>, Refusal> {
    check_namespace(overlay, &request.namespace)?;
    names(&request.canonicals, "canonicals", LOOKUP_CANONICALS_MAX)
}

/// The update after which a lookup resumes. Only a lookup of one canonical may have one.
fn after(request: &wire::LookupRequest, canonicals: usize) -> Result<Option<RecordId>, Refusal> {
    if request.after.is_empty() {
        return Ok(None);
    }
    let invalid = |why: String| Refusal::new(ErrorCode::Invalid, why);
    if canonicals != 1 {
        let why = format!("after is set for {canonicals} canonicals; at most 1");
        return Err(invalid(why));
    }
    let after = RecordId::from_slice(&request.after);
    after.map(Some).map_err(|e| invalid(format!("after: {e}")))
}

/// Answers with the bytes of records. Absent records, and records beyond [`LOOKUP_BYTES_MAX`] in all, are left empty:
/// a caller that got at least one asks again for the others.
///
/// # Errors
/// If the request is malformed or beyond a limit, or the store cannot be read.
pub fn get_record(
    store: &dyn Store,
    request: &wire::GetRecordRequest,
    overlay: &Overlay,
) -> Result<wire::GetRecordResponse, Refusal> {
    check_namespace(overlay, &request.namespace)?;
    let ids = names(&request.digests, "digests", GET_RECORD_MAX)?;
    let mut reader = Records {
        store,
        left_bytes: LOOKUP_BYTES_MAX,
        publishers: BTreeSet::new(),
    };
    Ok(wire::GetRecordResponse {
        records: reader.read(&ids)?,
    })
}

/// The ids in `bytes`, 32 bytes each, at most `max`. `field` names them in a refusal.
pub(crate) fn names(bytes: &[u8], field: &str, max: usize) -> Result<Vec<RecordId>, Refusal> {
    if bytes.len() > max * 32 {
        let message = format!("{} {field} in one request; at most {max}", bytes.len() / 32);
        return Err(Refusal::new(ErrorCode::TooLarge, message));
    }
    RecordId::list_from_slice(bytes)
        .map_err(|error: IdError| Refusal::new(ErrorCode::Invalid, format!("{field}: {error}")))
}

/// Reads records until `left_bytes` are used up.
struct Records<'a> {
    store: &'a dyn Store,
    left_bytes: usize,
    /// The publishers of the statements that were read.
    publishers: BTreeSet<PublicKey>,
}

impl Records<'_> {
    fn set(
        &mut self,
        canonical: RecordId,
        updates: Option<Vec<RecordId>>,
        with_records: bool,
    ) -> Result<wire::Set, Refusal> {
        let exists = updates.is_some();
        let updates = updates.unwrap_or_default();
        let (mut record, mut records) = (Bytes::new(), Vec::new());
        if with_records && exists {
            let ids: Vec<_> = std::iter::once(canonical)
                .chain(updates.iter().copied())
                .collect();
            records = self.read(&ids)?;
            record = records.remove(0);
            let publishers = records.iter().filter_map(|record| publisher(record));
            self.publishers.extend(publishers);
        }
        let canonical = Bytes::copy_from_slice(canonical.as_bytes());
        Ok(wire::Set {
            canonical,
            exists,
            updates: RecordId::concat(&updates),
            record,
            records,
            more: false,
        })
    }

    /// The records with these ids, in the same order. An absent record, and one that does not fit, is empty.
    fn read(&mut self, ids: &[RecordId]) -> Result<Vec<Bytes>, Refusal> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(RECORDS_AT_ONCE) {
            if self.left_bytes == 0 {
                break;
            }
            for record in self.store.records(ids)? {
                let record = record.unwrap_or_default();
                let fits = record.len() <= self.left_bytes;
                // The first record that does not fit ends the answer, so that only its end is left out.
                self.left_bytes = if fits {
                    self.left_bytes - record.len()
                } else {
                    0
                };
                found.push(if fits { record } else { Bytes::new() });
            }
        }
        found.resize(ids.len(), Bytes::new());
        Ok(found)
    }
}

fn publisher(record: &[u8]) -> Option<PublicKey> {
    match check(record) {
        Ok(Summary::Statement { publisher, .. }) => Some(publisher),
        _ => None,
    }
}
