//! Records that transactions wait for, up to the time that rfd 7 gives them.

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_proto::id::RecordId;

use crate::io::Fetch;

/// What is waited for, by whom, and what came.
#[derive(Debug, Default)]
pub(crate) struct Wants(BTreeMap<RecordId, Want>);

#[derive(Debug)]
struct Want {
    canonical: RecordId,
    /// Monotonic time of the last fetch.
    asked_ms: u64,
    came: Option<Bytes>,
    /// Transactions that wait for it.
    users: usize,
}

impl Wants {
    /// One more transaction waits for a record; it is fetched if nobody did so yet.
    pub(crate) fn add(&mut self, fetch: Fetch, now_ms: u64, fetches: &mut Vec<Fetch>) {
        let want = self.0.entry(fetch.record).or_insert_with(|| {
            fetches.push(fetch);
            Want {
                canonical: fetch.canonical,
                asked_ms: now_ms,
                came: None,
                users: 0,
            }
        });
        want.users += 1;
    }

    /// A transaction no longer waits for it.
    pub(crate) fn release(&mut self, record: &RecordId) {
        if let Some(want) = self.0.get_mut(record) {
            want.users -= 1;
            if want.users == 0 {
                self.0.remove(record);
            }
        }
    }

    /// Bytes came. They are what they are named, or nobody wants them.
    pub(crate) fn came(&mut self, bytes: Bytes) {
        if let Some(want) = self.0.get_mut(&RecordId::of(&bytes)) {
            want.came = Some(bytes);
        }
    }

    /// The record, if it came.
    pub(crate) fn get(&self, record: &RecordId) -> Option<&Bytes> {
        self.0.get(record)?.came.as_ref()
    }

    /// Fetches again what was asked for `after_ms` ago or earlier, and did not come.
    pub(crate) fn retry(&mut self, now_ms: u64, after_ms: u64, fetches: &mut Vec<Fetch>) {
        for (record, want) in &mut self.0 {
            if want.came.is_none() && now_ms.saturating_sub(want.asked_ms) >= after_ms {
                want.asked_ms = now_ms;
                fetches.push(Fetch {
                    canonical: want.canonical,
                    record: *record,
                });
            }
        }
    }

    /// How many records are waited for.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
