//! Records that transactions wait for, until the end of the wait (rfd 7).

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_proto::id::RecordId;

use crate::io::Fetch;

/// The wanted records, with the bytes of those that arrived.
#[derive(Debug, Default)]
pub(crate) struct Wants(BTreeMap<RecordId, Want>);

#[derive(Debug)]
struct Want {
    canonical: RecordId,
    /// Monotonic time of the last fetch.
    asked_ms: u64,
    came: Option<Bytes>,
    /// The number of transactions that wait for it.
    users: usize,
}

impl Wants {
    /// Adds a transaction that waits for a record. The first one fetches it.
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

    /// Removes a transaction that waited for a record. The last one drops it.
    pub(crate) fn release(&mut self, record: &RecordId) {
        if let Some(want) = self.0.get_mut(record) {
            want.users -= 1;
            if want.users == 0 {
                self.0.remove(record);
            }
        }
    }

    /// Takes bytes that arrived, under their hash. Bytes that no transaction wants are dropped.
    pub(crate) fn came(&mut self, bytes: Bytes) {
        if let Some(want) = self.0.get_mut(&RecordId::of(&bytes)) {
            want.came = Some(bytes);
        }
    }

    /// The record, if it arrived.
    pub(crate) fn get(&self, record: &RecordId) -> Option<&Bytes> {
        self.0.get(record)?.came.as_ref()
    }

    /// Fetches a record again if it did not arrive within `after_ms` of the last fetch.
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

    /// The number of wanted records, arrived or not.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_fetched_until_it_came() {
        let bytes = Bytes::from_static(b"a record");
        let canonical = RecordId::new([1; 32]);
        let fetch = Fetch {
            canonical,
            record: RecordId::of(&bytes),
        };
        let (mut wants, mut fetches) = (Wants::default(), Vec::new());
        wants.add(fetch, 0, &mut fetches);
        wants.retry(99, 100, &mut fetches);
        assert_eq!(fetches, [fetch]);
        wants.retry(100, 100, &mut fetches);
        assert_eq!(fetches, [fetch; 2]);
        wants.came(bytes.clone());
        wants.retry(1_000, 100, &mut fetches);
        assert_eq!(fetches, [fetch; 2]);
        assert_eq!(wants.get(&fetch.record), Some(&bytes));
    }

    #[test]
    fn a_record_that_two_transactions_want_is_fetched_once() {
        let bytes = Bytes::from_static(b"a record");
        let fetch = Fetch {
            canonical: RecordId::new([1; 32]),
            record: RecordId::of(&bytes),
        };
        let (mut wants, mut fetches) = (Wants::default(), Vec::new());
        wants.add(fetch, 1_000, &mut fetches);
        wants.add(fetch, 1_050, &mut fetches);
        assert_eq!((fetches.len(), wants.len()), (1, 1));
        wants.retry(1_099, 100, &mut fetches);
        assert_eq!(fetches.len(), 1, "100 ms after the first fetch");
        wants.retry(1_100, 100, &mut fetches);
        assert_eq!(fetches, [fetch; 2]);

        wants.came(bytes.clone());
        wants.came(Bytes::from_static(b"another record"));
        assert_eq!(wants.len(), 1, "nobody wants the other one");
        wants.release(&fetch.record);
        assert_eq!(wants.get(&fetch.record), Some(&bytes));
        wants.release(&fetch.record);
        assert_eq!((wants.get(&fetch.record), wants.len()), (None, 0));
        // Wanted again, it is fetched again.
        wants.add(fetch, 2_000, &mut fetches);
        assert_eq!(fetches, [fetch; 3]);
    }
}
