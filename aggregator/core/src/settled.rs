//! The arcs in which a source is settled, as its journal lists them. Kept across restarts.
//!
//! ```text
//! key   = 0x41 ‖ key of the source (32 bytes)
//! value = version (1 byte) ‖ incarnation (8, big-endian) ‖ settled arcs, each from (32) ‖ to (32)
//! ```
//! A source proves that its part of the circle is complete only once it is settled there. Before that, elements may
//! exist that its journal does not list yet, even if it was read to its head.

use bytes::Bytes;
use kittengrad_journal::{Store, Write, read_arcs, write_arcs};
use kittengrad_proto::{block::Item, id::PublicKey};
use kittengrad_ring::{KeyRange, KeyRanges};

use crate::io::Fatal;

const KIND: u8 = 0x41;
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 9;
/// Arcs remembered of one source, at most. A peer of a network with fixed membership lists one.
const ARCS_MAX: usize = 64;

/// The arcs in which a source is settled: everything that they ever had is in its set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    incarnation: u64,
    arcs: Vec<KeyRange>,
}

impl Settled {
    /// Reads the arcs of a source from the store. None if they were never written.
    pub(crate) fn load(source: PublicKey, store: &dyn Store) -> Result<Self, Fatal> {
        let Some(value) = store.state(&key(source))? else {
            return Ok(Self::default());
        };
        let damaged = || Fatal::Settled {
            source_key: source,
            bytes: value.len(),
        };
        let (head, arcs) = value.split_at_checked(HEAD_BYTES).ok_or_else(damaged)?;
        let arcs = read_arcs(arcs).ok_or_else(damaged)?;
        if head[0] != VERSION {
            return Err(damaged());
        }
        let mut incarnation = [0; 8];
        incarnation.copy_from_slice(&head[1..]);
        Ok(Self {
            incarnation: u64::from_be_bytes(incarnation),
            arcs,
        })
    }

    /// Takes the items of the next block of `incarnation`. A new incarnation starts without arcs. Returns whether the
    /// arcs changed.
    pub(crate) fn take(&mut self, incarnation: u64, items: &[Item]) -> bool {
        let before = self.clone();
        if incarnation != self.incarnation {
            *self = Self {
                incarnation,
                arcs: Vec::new(),
            };
        }
        for item in items {
            match item {
                Item::Hold(holds) => self.seal(&holds.ranges()),
                Item::Settled(settled) => settled.arcs().iter().for_each(|arc| self.add(*arc)),
                Item::Drop(dropped) => self.arcs.retain(|arc| !dropped.overlaps(*arc)),
                Item::Transaction { .. } | Item::Gap { .. } => {}
            }
        }
        *self != before
    }

    fn add(&mut self, arc: KeyRange) {
        if self.arcs.len() < ARCS_MAX && !self.arcs.contains(&arc) {
            self.arcs.push(arc);
        }
    }

    /// Keeps only the parts of the arcs that are still held.
    fn seal(&mut self, held: &KeyRanges) {
        let kept = |arc: &KeyRange| -> Vec<_> {
            let held = held.arcs().iter();
            held.flat_map(|held| arc.intersect(*held)).collect()
        };
        self.arcs = self.arcs.iter().flat_map(kept).collect();
        self.arcs.truncate(ARCS_MAX);
    }

    /// Whether one of the settled arcs contains `arc`.
    pub(crate) fn covers(&self, arc: &KeyRange) -> bool {
        self.arcs
            .iter()
            .any(|settled| settled.is_whole() || settled.intersect(*arc) == [*arc])
    }

    /// Makes the write of the arcs.
    pub(crate) fn keep(&self, source: PublicKey) -> Write {
        let mut value = vec![VERSION];
        value.extend_from_slice(&self.incarnation.to_be_bytes());
        write_arcs(&self.arcs, &mut value);
        Write::State(key(source), value.into())
    }
}

fn key(source: PublicKey) -> Bytes {
    [&[KIND], &source.as_bytes()[..]].concat().into()
}

#[cfg(test)]
mod tests {
    use kittengrad_journal::MemoryStore;
    use kittengrad_ring::Point;

    use super::*;

    fn arc(from: u8, to: u8) -> KeyRange {
        KeyRange::new(Point::new([from; 32]), Point::new([to; 32]))
    }

    fn settles(from: u8, to: u8) -> Item {
        Item::Settled(arc(from, to).into())
    }

    fn drops(from: u8, to: u8) -> Item {
        Item::Drop(arc(from, to).into())
    }

    #[test]
    fn what_is_kept_has_the_bytes_that_it_always_had() {
        let vectors = include_str!("../testdata/settled.txt");
        let vector = |name: &str| {
            let named = |line: &'static str| line.strip_prefix(name)?.strip_prefix(' ');
            vectors.lines().find_map(named).unwrap()
        };
        let hex = |bytes: &Bytes| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        let source = PublicKey::new([7; 32]);
        let mut settled = Settled::default();
        let arcs = [settles(1, 5), settles(5, 9)];
        settled.take(1_780_000_000_000, &arcs);
        let Write::State(key, value) = settled.keep(source) else {
            panic!("it is kept as state")
        };
        assert_eq!(hex(&key), vector("key"));
        assert_eq!(hex(&value), vector("value"));
    }

    #[test]
    fn settled_word_of_a_source_is_forgotten_with_its_incarnation() {
        let source = PublicKey::new([7; 32]);
        let mut settled = Settled::default();
        assert!(!settled.covers(&arc(1, 2)));
        assert!(settled.take(5, &[Item::Hold(arc(1, 9).into()), settles(1, 9)]));
        assert!(!settled.take(5, &[settles(1, 9)]));
        assert!(settled.covers(&arc(1, 2)) && settled.covers(&arc(1, 9)));
        assert!(!settled.covers(&arc(0, 2)) && !settled.covers(&arc(9, 1)));

        let mut store = MemoryStore::default();
        store.commit(vec![settled.keep(source)]);
        assert_eq!(Settled::load(source, &store), Ok(settled.clone()));

        assert!(settled.take(6, &[]));
        assert!(!settled.covers(&arc(1, 2)));
    }

    #[test]
    fn a_dropped_arc_is_no_longer_settled() {
        let mut settled = Settled::default();
        settled.take(1, &[settles(1, 5), settles(5, 9)]);
        settled.take(1, &[drops(6, 7)]);
        assert!(settled.covers(&arc(1, 5)) && !settled.covers(&arc(5, 6)));
    }

    #[test]
    fn a_source_is_settled_where_any_of_its_arcs_is() {
        let mut settled = Settled::default();
        let arcs = [settles(1, 5), settles(5, 9)];
        assert!(settled.take(1, &arcs));
        assert!(settled.covers(&arc(2, 4)) && settled.covers(&arc(6, 9)));
        assert!(!settled.covers(&arc(4, 6)), "across two arcs");
        assert!(!settled.take(1, &[drops(9, 12)]), "another arc");
        assert!(settled.take(1, &[drops(2, 3)]));
        assert!(!settled.covers(&arc(3, 5)) && settled.covers(&arc(5, 9)));
        assert!(settled.take(1, &[settles(1, 5)]), "settled again");
        assert!(settled.covers(&arc(1, 5)));
    }

    #[test]
    fn a_source_that_is_settled_everywhere_covers_every_arc() {
        let mut settled = Settled::default();
        settled.take(1, &[settles(5, 5)]);
        assert!(settled.covers(&arc(1, 2)) && settled.covers(&arc(9, 1)));
        assert!(settled.covers(&arc(0, 0)));
    }

    #[test]
    fn an_arc_that_is_no_longer_held_is_no_longer_settled() {
        let mut settled = Settled::default();
        settled.take(1, &[settles(1, 5), settles(5, 9)]);
        assert!(!settled.take(1, &[Item::Hold(arc(1, 9).into())]));
        assert!(settled.take(1, &[Item::Hold(arc(3, 7).into())]));
        assert!(settled.covers(&arc(3, 5)) && settled.covers(&arc(5, 7)));
        assert!(!settled.covers(&arc(2, 5)) && !settled.covers(&arc(5, 8)));
    }

    #[test]
    fn a_damaged_value_is_said_to_be_damaged() {
        let source = PublicKey::new([7; 32]);
        for value in [&b""[..], &[9; 9], &[1; 10], &[1; 72]] {
            let mut store = MemoryStore::default();
            store.commit(vec![Write::State(
                key(source),
                Bytes::copy_from_slice(value),
            )]);
            let damaged = Fatal::Settled {
                source_key: source,
                bytes: value.len(),
            };
            assert_eq!(Settled::load(source, &store), Err(damaged));
        }
    }
}
