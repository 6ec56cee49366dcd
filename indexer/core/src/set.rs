//! Sets: the elements of one canonical, with the records that are known.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kittengrad_proto::{id::RecordId, limits::RECORD_BYTES_MAX};
use thiserror::Error;

/// The version byte of [`Set::encode`].
const VERSION: u8 = 1;

/// Why stored bytes are not a set. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SetError {
    /// Written by another version of this program.
    #[error("stored set has version {0}; this program knows {VERSION}")]
    Version(u8),
    /// The bytes end too early or too late, elements are out of order, or a record is too large.
    #[error("stored set is damaged at byte {0}")]
    Damaged(usize),
}

/// The updates and retractions of one canonical, with their records and the canonical's own, as far as known.
///
/// A set only grows: elements are added, absent records are supplied, and nothing is ever replaced. So merging is
/// commutative, associative and idempotent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    record: Option<Bytes>,
    elements: BTreeMap<RecordId, Option<Bytes>>,
    bytes: usize,
}

impl Set {
    /// The canonical's own record.
    #[must_use]
    pub const fn record(&self) -> Option<&Bytes> {
        self.record.as_ref()
    }

    /// Updates and retractions; `None` where the record is absent.
    #[must_use]
    pub const fn elements(&self) -> &BTreeMap<RecordId, Option<Bytes>> {
        &self.elements
    }

    /// Adds an update or retraction; false if the set had it.
    pub fn add(&mut self, element: RecordId) -> bool {
        let is_new = !self.elements.contains_key(&element);
        if is_new {
            self.elements.insert(element, None);
        }
        is_new
    }

    /// Supplies the canonical's record; false if it was known.
    pub fn supply_record(&mut self, record: &Bytes) -> bool {
        let is_new = self.record.is_none();
        if is_new {
            self.bytes += record.len();
            self.record = Some(record.clone());
        }
        is_new
    }

    /// Supplies the record of an element; false if it was known, or the set has no such element.
    pub fn supply(&mut self, element: RecordId, record: &Bytes) -> bool {
        match self.elements.get_mut(&element) {
            Some(known @ None) => {
                self.bytes += record.len();
                *known = Some(record.clone());
                true
            }
            _ => false,
        }
    }

    /// Adds the elements and records of `other` that this set lacks.
    pub fn merge(&mut self, other: &Self) {
        if let Some(record) = &other.record {
            self.supply_record(record);
        }
        for (element, record) in &other.elements {
            self.add(*element);
            if let Some(record) = record {
                self.supply(*element, record);
            }
        }
    }

    /// Counts the absent records, the canonical's own included.
    #[must_use]
    pub fn absent_count(&self) -> usize {
        usize::from(self.record.is_none())
            + self
                .elements
                .values()
                .filter(|record| record.is_none())
                .count()
    }

    /// Lists the absent records, first the canonical's own. `canonical` is the name of this set.
    pub fn absent(&self, canonical: RecordId) -> impl Iterator<Item = RecordId> + '_ {
        let own = self.record.is_none().then_some(canonical);
        let elements = self.elements.iter();
        let absent = elements.filter(|(_, record)| record.is_none());
        own.into_iter().chain(absent.map(|(id, _)| *id))
    }

    /// Estimated memory of the set, in bytes.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.bytes + self.elements.len() * 128 + 128
    }

    /// Encodes the set for the store:
    ///
    /// ```text
    /// 1 byte   version
    /// u32      bytes of the canonical's record, 0 if it is absent; the record
    /// u32      number of elements; for each, ascending:
    ///            32 bytes  digest
    ///            u32       bytes of its record, 0 if it is absent; the record
    /// ```
    ///
    /// Integers are big-endian.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(9 + self.bytes + self.elements.len() * 36);
        out.put_u8(VERSION);
        put(&mut out, self.record.as_ref());
        out.put_u32(
            u32::try_from(self.elements.len()).expect("fewer elements than 2^32 fit into memory"),
        );
        for (element, record) in &self.elements {
            out.put_slice(element.as_bytes());
            put(&mut out, record.as_ref());
        }
        out.freeze()
    }

    /// Reads the bytes that [`Set::encode`] wrote, without copying records.
    ///
    /// # Errors
    /// If another version wrote them, or they are damaged.
    pub fn decode(bytes: Bytes) -> Result<Self, SetError> {
        let mut reader = Reader {
            total: bytes.len(),
            rest: bytes,
        };
        match reader.take(1)?.get_u8() {
            VERSION => {}
            other => return Err(SetError::Version(other)),
        }
        let record = reader.record()?;
        let count = reader.take(4)?.get_u32();
        let mut elements = BTreeMap::new();
        let mut size = record.as_ref().map_or(0, Bytes::len);
        for _ in 0..count {
            let digest: [u8; 32] = reader.take(32)?[..]
                .try_into()
                .map_err(|_| reader.damaged())?;
            let element = RecordId::new(digest);
            if elements
                .last_key_value()
                .is_some_and(|(last, _)| *last >= element)
            {
                return Err(reader.damaged());
            }
            let record = reader.record()?;
            size += record.as_ref().map_or(0, Bytes::len);
            elements.insert(element, record);
        }
        if reader.rest.is_empty() {
            Ok(Self {
                record,
                elements,
                bytes: size,
            })
        } else {
            Err(reader.damaged())
        }
    }
}

fn put(out: &mut BytesMut, record: Option<&Bytes>) {
    let record = record.map_or(&[][..], |record| &record[..]);
    out.put_u32(u32::try_from(record.len()).expect("a record is far below 4 GiB"));
    out.put_slice(record);
}

struct Reader {
    total: usize,
    rest: Bytes,
}

impl Reader {
    fn take(&mut self, bytes: usize) -> Result<Bytes, SetError> {
        if self.rest.len() < bytes {
            return Err(self.damaged());
        }
        Ok(self.rest.split_to(bytes))
    }

    fn record(&mut self) -> Result<Option<Bytes>, SetError> {
        let bytes = self.take(4)?.get_u32() as usize;
        if bytes > RECORD_BYTES_MAX {
            return Err(self.damaged());
        }
        let record = self.take(bytes)?;
        Ok(Some(record).filter(|record| !record.is_empty()))
    }

    fn damaged(&self) -> SetError {
        SetError::Damaged(self.total - self.rest.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arbitrary_set() -> impl Strategy<Value = Set> {
        // An id has the same record in all sets: the id is the record's hash.
        let element = (0..12_u8, any::<bool>());
        (any::<bool>(), prop::collection::vec(element, 0..12)).prop_map(|(has_record, elements)| {
            let mut set = Set::default();
            if has_record {
                set.supply_record(&Bytes::from_static(b"canonical"));
            }
            for (id, has_record) in elements {
                let element = RecordId::new([id; 32]);
                set.add(element);
                if has_record {
                    set.supply(element, &Bytes::from(vec![id; 3]));
                }
            }
            set
        })
    }

    fn merged(a: &Set, b: &Set) -> Set {
        let mut merged = a.clone();
        merged.merge(b);
        merged
    }

    proptest! {
        #[test]
        fn merging_is_commutative_associative_and_idempotent(
            a in arbitrary_set(), b in arbitrary_set(), c in arbitrary_set()
        ) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &a), a);
        }

        #[test]
        fn elements_are_those_of_a_grow_only_set(ids in prop::collection::vec(0..20_u8, 0..40)) {
            let mut model = crdts::GSet::new();
            let mut set = Set::default();
            for id in ids {
                let element = RecordId::new([id; 32]);
                let was_new = !model.contains(&element);
                model.insert(element);
                prop_assert_eq!(set.add(element), was_new);
            }
            prop_assert!(set.elements().keys().eq(model.read().iter()));
        }

        #[test]
        fn a_set_is_stored_and_read_back(set in arbitrary_set()) {
            prop_assert_eq!(Set::decode(set.encode()), Ok(set));
        }

        #[test]
        fn damaged_bytes_are_refused_or_another_set_and_never_a_panic(
            set in arbitrary_set(), at in any::<prop::sample::Index>(), flip in 1..=255_u8
        ) {
            let mut bytes = set.encode().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert_ne!(Set::decode(bytes.clone().into()), Ok(set));
            bytes.truncate(at);
            prop_assert!(Set::decode(bytes.into()).is_err());
        }
    }

    #[test]
    fn a_record_is_supplied_to_elements_of_the_set_only_and_once() {
        let (element, record) = (RecordId::new([1; 32]), Bytes::from_static(b"r"));
        let mut set = Set::default();
        assert!(!set.supply(element, &record));
        assert!(set.add(element) && !set.add(element));
        assert_eq!(set.absent_count(), 2);
        assert!(set.supply(element, &record) && !set.supply(element, &record));
        assert!(set.supply_record(&record) && !set.supply_record(&record));
        assert_eq!(set.absent_count(), 0);
    }
}
