//! What every store must do, checked against the plainest model there is: a [`GSet`] of elements and the list
//! of everything that was ever written.

use bytes::Bytes;
use crdts::GSet;
use kittengrad_journal::{Locator, Store, Write};
use kittengrad_proto::{
    block::{Head, Header},
    id::{Id, RecordId},
    transaction::Element,
};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::journals::stored_block;

/// A store under test.
pub trait Subject {
    fn commit(&mut self, writes: Vec<Write>);
    /// Closes it and opens it again, where that means anything.
    fn reopen(&mut self);
    fn store(&self) -> &dyn Store;
}

/// What is done to a store.
#[derive(Debug, Clone)]
pub enum Step {
    Commit(Vec<Write>),
    Reopen,
}

/// Sequences of commits and reopenings over few names, so that they meet.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let commit = vec(write(), 0..20).prop_map(Step::Commit);
    vec(prop_oneof![4 => commit, 1 => Just(Step::Reopen)], 1..12)
}

/// Does the steps, and compares every answer with the model's after each.
pub fn check(subject: &mut impl Subject, steps: Vec<Step>) {
    let mut model = Model::default();
    compare(subject.store(), &model);
    for step in steps {
        match step {
            Step::Commit(writes) => {
                model.commit(&writes);
                subject.commit(writes);
            }
            Step::Reopen => subject.reopen(),
        }
        compare(subject.store(), &model);
    }
}

/// The oracle.
#[derive(Default)]
struct Model {
    set: GSet<Element>,
    written: Vec<Write>,
}

impl Model {
    fn commit(&mut self, writes: &[Write]) {
        for write in writes {
            if let Write::Element(element, _) = write {
                self.set.insert(*element);
            }
            self.written.push(write.clone());
        }
    }

    /// What was written last of all that `of` knows.
    fn last<T>(&self, of: impl Fn(&Write) -> Option<T>) -> Option<T> {
        self.written.iter().rev().find_map(of)
    }

    fn set(&self, canonical: RecordId) -> Option<Vec<RecordId>> {
        let elements: Vec<_> = self
            .set
            .read()
            .into_iter()
            .filter(|element| element.canonical == canonical)
            .collect();
        (!elements.is_empty()).then(|| {
            elements
                .into_iter()
                .filter_map(|element| element.update)
                .collect()
        })
    }

    fn locate(&self, wanted: Element) -> Option<Locator> {
        self.last(|write| match write {
            Write::Element(element, locator) if *element == wanted => Some(*locator),
            _ => None,
        })
    }

    fn transaction(&self, wanted: Id) -> Option<Bytes> {
        self.last(|write| match write {
            Write::Transaction(id, bytes) if *id == wanted => Some(bytes.clone()),
            _ => None,
        })
    }

    fn record(&self, wanted: RecordId) -> Option<Bytes> {
        self.last(|write| match write {
            Write::Record(id, bytes) if *id == wanted => Some(bytes.clone()),
            _ => None,
        })
    }

    fn chain(&self, wanted: Id) -> Option<Bytes> {
        self.last(|write| match write {
            Write::Chain(id, bytes) if *id == wanted => Some(bytes.clone()),
            _ => None,
        })
    }

    fn state(&self, wanted: &[u8]) -> Option<Bytes> {
        self.last(|write| match write {
            Write::State(key, value) if *key == wanted => Some(value.clone()),
            _ => None,
        })
    }

    fn states(&self, prefix: &[u8]) -> Vec<(Bytes, Bytes)> {
        let mut keys = state_keys();
        keys.retain(|key| key.starts_with(prefix));
        keys.into_iter()
            .filter_map(|key| Some((key.clone(), self.state(&key)?)))
            .collect()
    }

    fn incarnations(&self) -> Vec<Header> {
        let last = |incarnation: u64| {
            HEIGHTS.iter().rev().find_map(|height| {
                self.last(|write| match write {
                    Write::Block(stored) => {
                        let header = &stored.block.header;
                        let is_it = header.incarnation == incarnation && header.height == *height;
                        is_it.then(|| header.clone())
                    }
                    _ => None,
                })
            })
        };
        INCARNATIONS.into_iter().filter_map(last).collect()
    }
}

/// Every page of every length, from the beginning and after any update, in the set or not.
fn compare_pages(store: &dyn Store, canonical: &RecordId, set: Option<Vec<RecordId>>) {
    for after in digests()
        .map(RecordId::new)
        .into_iter()
        .map(Some)
        .chain([None])
    {
        for limit in [0, 1, 2, usize::MAX] {
            let expected = set.clone().map(|mut updates| {
                updates.retain(|update| after.is_none_or(|after| *update > after));
                updates.truncate(limit);
                updates
            });
            let page = store.set_page(canonical, after.as_ref(), limit);
            assert_eq!(page, Ok(expected), "after {after:?}, {limit} at most");
        }
    }
}

fn compare(store: &dyn Store, model: &Model) {
    let set = model.set.read();
    let elements = elements();
    let backwards: Vec<_> = elements.iter().rev().copied().collect();
    let twice: Vec<_> = elements.iter().flat_map(|element| [*element; 2]).collect();
    for asked in [&elements, &backwards, &twice, &Vec::new()] {
        let expected: Vec<_> = asked.iter().map(|element| set.contains(element)).collect();
        assert_eq!(store.contains(asked), Ok(expected));
    }
    for element in elements {
        assert_eq!(store.locate(&element), Ok(model.locate(element)));
    }
    for canonical in digests().map(RecordId::new) {
        let expected = model.set(canonical);
        assert_eq!(store.exists(&canonical), Ok(expected.is_some()));
        assert_eq!(store.set(&canonical), Ok(expected.clone()));
        compare_pages(store, &canonical, expected);
    }
    compare_bytes(store, model);
    for (incarnation, height) in INCARNATIONS
        .into_iter()
        .flat_map(|i| HEIGHTS.map(|h| (i, h)))
    {
        let expected = model.last(|write| match write {
            Write::Block(stored) => {
                let header = &stored.block.header;
                let is_it = (header.incarnation, header.height) == (incarnation, height);
                is_it.then(|| *stored.clone())
            }
            _ => None,
        });
        assert_eq!(store.block(incarnation, height), Ok(expected));
    }
    let incarnations = model.incarnations();
    let head: Option<Head> = incarnations.last().map(Header::head);
    assert_eq!(store.incarnations(), Ok(incarnations));
    assert_eq!(store.head(), Ok(head));
}

fn compare_bytes(store: &dyn Store, model: &Model) {
    let mut ids: Vec<_> = digests().map(Id::new).to_vec();
    let mut records: Vec<_> = digests().map(RecordId::new).to_vec();
    for _ in 0..2 {
        let expected: Vec<_> = ids.iter().map(|id| model.transaction(*id)).collect();
        let here: Vec<_> = expected.iter().map(Option::is_some).collect();
        assert_eq!(store.transactions(&ids), Ok(expected));
        assert_eq!(store.has_transactions(&ids), Ok(here));
        let expected = records.iter().map(|id| model.record(*id)).collect();
        assert_eq!(store.records(&records), Ok(expected));
        ids.reverse();
        records.reverse();
    }
    for id in ids {
        assert_eq!(store.chain(&id), Ok(model.chain(id)));
    }
    for key in state_keys() {
        assert_eq!(store.state(&key), Ok(model.state(&key)));
        assert_eq!(store.states(&key), Ok(model.states(&key)), "{key:?}");
    }
}

fn write() -> impl Strategy<Value = Write> {
    let id = || select(digests().to_vec()).prop_map(Id::new);
    let record = || select(digests().to_vec()).prop_map(RecordId::new);
    let value =
        || (any::<u8>(), select(VALUE_BYTES.to_vec())).prop_map(|(byte, bytes)| vec![byte; bytes]);
    let value = move || value().prop_map(Bytes::from);
    let locator =
        (any::<u64>(), any::<u64>(), any::<u32>()).prop_map(|(incarnation, height, index)| {
            Locator {
                incarnation,
                height,
                index,
            }
        });
    let block = (
        select(INCARNATIONS.to_vec()),
        select(HEIGHTS.to_vec()),
        vec(
            value().prop_filter("an item has at most 4 KiB", |item| item.len() <= 4096),
            0..4,
        ),
        any::<u64>(),
    );
    prop_oneof![
        4 => (select(elements()), locator).prop_map(|(element, at)| Write::Element(element, at)),
        2 => block.prop_map(|(i, h, items, offset)| Write::Block(Box::new(stored_block(i, h, items, offset)))),
        1 => (id(), value()).prop_map(|(id, bytes)| Write::Transaction(id, bytes)),
        1 => (record(), value()).prop_map(|(id, bytes)| Write::Record(id, bytes)),
        1 => (id(), value()).prop_map(|(id, bytes)| Write::Chain(id, bytes)),
        1 => (select(state_keys()), value()).prop_map(|(key, bytes)| Write::State(key, bytes)),
    ]
}

/// Digests at the ends of the key space, and neighbours. Ascending.
fn digests() -> [[u8; 32]; 6] {
    let mut one = [0; 32];
    one[31] = 1;
    let mut below_last = [0xff; 32];
    below_last[31] = 0xfe;
    let mut above_middle = [0x7f; 32];
    above_middle[31] = 0x80;
    [
        [0; 32],
        one,
        [0x7f; 32],
        above_middle,
        below_last,
        [0xff; 32],
    ]
}

/// All elements over these digests, ascending.
fn elements() -> Vec<Element> {
    let mut elements = Vec::new();
    for canonical in digests().map(RecordId::new) {
        elements.push(Element {
            canonical,
            update: None,
        });
        let updates = digests().map(|update| Element {
            canonical,
            update: Some(RecordId::new(update)),
        });
        elements.extend(updates);
    }
    elements
}

/// Keys of small values, some the beginnings of others. Ascending.
fn state_keys() -> Vec<Bytes> {
    let keys: [&[u8]; 8] = [
        &[],
        &[0],
        &[1],
        &[1, 0],
        &[1, 0xff],
        &[1, 0xff, 0xff, 7],
        &[0xff],
        &[0xff, 0xff],
    ];
    keys.map(Bytes::copy_from_slice).to_vec()
}

const INCARNATIONS: [u64; 4] = [0, 1, 1_795_000_000_000, u64::MAX];
const HEIGHTS: [u64; 4] = [0, 1, 2, u64::MAX];
/// Around the line of 1 KiB, where a store may keep values in another way.
const VALUE_BYTES: [usize; 6] = [0, 1, 300, 1022, 1023, 5000];
