//! Absent records: their elements were emitted without bytes. They are counted, and fetched until they arrive.
//!
//! Each has a row in the store, which is removed together with the write of the bytes. Up to [`WINDOW_MAX`] of them are
//! in memory, each with its own back-off. If there are more, a walk over the rows fetches the others page by page. After
//! its end it begins again, with a back-off of its own.

mod back_off;
mod rows;

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_journal::{RowKey, Store, Write};
use kittengrad_proto::id::{PublicKey, RecordId};

use crate::io::{Fatal, Fetch};
use back_off::BackOff;
use rows::{Row, key, read_page, read_row};

/// Absent records in memory, at most.
const WINDOW_MAX: usize = 4_096;
/// Absent records fetched in one round, at most.
const FETCHES_MAX: usize = 256;

/// Records whose bytes are missing, though the set names them.
#[derive(Debug, Default)]
pub(crate) struct Absent {
    /// The number of rows, with the changes and as of the last commit.
    count: usize,
    count_on_disk: usize,
    /// Rows in memory.
    window: BTreeMap<RecordId, Lacked>,
    /// The walk over the rows that are not in memory.
    walk: Walk,
    /// Rows added since the last commit, and `None` for rows removed since.
    changes: BTreeMap<RecordId, Option<Row>>,
    /// Whether the changes are among the writes of the last flush. The next commit ends them.
    is_cut: bool,
}

#[derive(Debug, Clone, Copy)]
struct Lacked {
    row: Row,
    back_off: BackOff,
}

#[derive(Debug, Default)]
struct Walk {
    /// The last row that was read. `None` at the beginning.
    after: Option<RecordId>,
    back_off: BackOff,
}

/// The use of bytes that were fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The bytes of this absent record. The caller writes them.
    Wanted(RecordId),
    /// The bytes of this absent record, which no replica admits for its element. It stays absent.
    Unfit(RecordId),
    /// They are not absent.
    Unwanted,
}

impl Absent {
    /// Counts the rows of the store. The first fetches are due five seconds after `now_ms`.
    pub(crate) fn open(store: &dyn Store, now_ms: u64) -> Result<Self, Fatal> {
        let back_off = BackOff::begin(now_ms);
        let mut page = read_page(store, None, WINDOW_MAX)?;
        let lacked = |(record, row): &(_, _)| {
            (
                *record,
                Lacked {
                    row: *row,
                    back_off,
                },
            )
        };
        let mut absent = Self {
            window: page.iter().map(lacked).collect(),
            walk: Walk {
                after: None,
                back_off,
            },
            ..Self::default()
        };
        loop {
            absent.count += page.len();
            match page.last() {
                Some((last, _)) if page.len() == WINDOW_MAX => {
                    page = read_page(store, Some(*last), WINDOW_MAX)?;
                }
                _ => {
                    absent.count_on_disk = absent.count;
                    return Ok(absent);
                }
            }
        }
    }

    /// The number of absent records, with those that became so since the last commit.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// The number of absent records as of the last commit.
    pub(crate) const fn count_on_disk(&self) -> usize {
        self.count_on_disk
    }

    /// Adds a record that is emitted without its bytes. Fetches it at once, if the round has room for a fetch.
    pub(crate) fn add(
        &mut self,
        fetch: Fetch,
        publisher: PublicKey,
        now_ms: u64,
        store: &dyn Store,
        fetches: &mut Vec<Fetch>,
    ) -> Result<(), Fatal> {
        let Fetch { canonical, record } = fetch;
        if self.row(&record, store)?.is_some() {
            return Ok(());
        }
        let row = Row {
            canonical,
            publisher,
        };
        self.changes.insert(record, Some(row));
        self.count += 1;
        let mut back_off = BackOff::begin(now_ms);
        if self.window.len() >= WINDOW_MAX {
            self.walk.back_off.hasten(back_off);
            return Ok(());
        }
        if fetches.len() < FETCHES_MAX {
            fetches.push(fetch);
        } else {
            back_off.due_ms = now_ms;
        }
        self.window.insert(record, Lacked { row, back_off });
        Ok(())
    }

    /// Fetches the records that are due, [`FETCHES_MAX`] in a round at most.
    pub(crate) fn due(
        &mut self,
        now_ms: u64,
        store: &dyn Store,
        fetches: &mut Vec<Fetch>,
    ) -> Result<(), Fatal> {
        let room = FETCHES_MAX.saturating_sub(fetches.len());
        let mut leaving = Vec::new();
        let due = self.window.iter_mut();
        let due = due.filter(|(_, lacked)| lacked.back_off.is_due(now_ms));
        for (record, lacked) in due.take(room) {
            if lacked.back_off.is_longest() {
                leaving.push(*record);
            }
            lacked.back_off.double(now_ms);
            fetches.push(lacked.row.fetch(*record));
        }
        // The oldest ones give room to new ones, and the walk asks for them.
        leaving.truncate(self.window.len().saturating_sub(WINDOW_MAX / 2));
        for record in leaving {
            self.window.remove(&record);
        }
        if self.count > self.window.len() && self.walk.back_off.is_due(now_ms) {
            self.walk_on(now_ms, store, fetches)?;
        }
        Ok(())
    }

    /// Reads the next page of the rows, and fetches those that are not in memory.
    fn walk_on(
        &mut self,
        now_ms: u64,
        store: &dyn Store,
        fetches: &mut Vec<Fetch>,
    ) -> Result<(), Fatal> {
        let room = FETCHES_MAX.saturating_sub(fetches.len());
        if room == 0 {
            return Ok(());
        }
        let page = read_page(store, self.walk.after, room)?;
        for (record, row) in &page {
            let is_removed = self.changes.get(record) == Some(&None);
            if !is_removed && !self.window.contains_key(record) {
                fetches.push(row.fetch(*record));
            }
        }
        self.walk.after = page.last().map(|(record, _)| *record);
        if page.len() < room {
            self.walk.after = None;
            self.walk.back_off.double(now_ms);
        }
        Ok(())
    }

    /// Takes a record that arrived with an item of its element. Returns whether it was absent. If so, it is to be
    /// written.
    pub(crate) fn came(&mut self, record: &RecordId, store: &dyn Store) -> Result<bool, Fatal> {
        Ok(self.take(record, store)?.is_some())
    }

    /// Takes bytes that were fetched.
    pub(crate) fn fetched(&mut self, bytes: &Bytes, store: &dyn Store) -> Result<Found, Fatal> {
        if self.count == 0 {
            return Ok(Found::Unwanted);
        }
        let record = RecordId::of(bytes);
        Ok(match self.row(&record, store)? {
            Some(row) if row.fits(record, bytes) => {
                self.take(&record, store)?;
                Found::Wanted(record)
            }
            // Another element may name the same record, and fit it. Then the bytes come with an item.
            Some(_) => Found::Unfit(record),
            None => Found::Unwanted,
        })
    }

    /// Returns the writes of the changes since the last cut.
    pub(crate) fn cut(&mut self) -> Vec<Write> {
        self.is_cut = true;
        let changes = self.changes.iter();
        let write = |(record, change): (&RecordId, &Option<Row>)| match change {
            Some(row) => Write::State(key(record), row.value()),
            None => Write::Remove(RowKey::State(key(record))),
        };
        changes.map(write).collect()
    }

    /// Notes that the writes of the last cut are on disk.
    pub(crate) fn committed(&mut self) {
        if std::mem::take(&mut self.is_cut) {
            self.changes.clear();
            self.count_on_disk = self.count;
        }
    }

    /// Removes the row of a record, and returns it.
    fn take(&mut self, record: &RecordId, store: &dyn Store) -> Result<Option<Row>, Fatal> {
        let row = self.row(record, store)?;
        if row.is_some() {
            self.count -= 1;
            self.window.remove(record);
            self.changes.insert(*record, None);
        }
        Ok(row)
    }

    /// The row of a record. Asks the store only if not all rows are in memory.
    fn row(&self, record: &RecordId, store: &dyn Store) -> Result<Option<Row>, Fatal> {
        if let Some(change) = self.changes.get(record) {
            return Ok(*change);
        }
        if let Some(lacked) = self.window.get(record) {
            return Ok(Some(lacked.row));
        }
        if self.window.len() == self.count {
            return Ok(None);
        }
        read_row(store, record)
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_journal::MemoryStore;
    use kittengrad_proto::record::Record;
    use kittengrad_support::samples::{artefact, named, update};

    use super::*;

    const PUBLISHER: PublicKey = PublicKey::new([7; 32]);
    const CANONICAL: RecordId = RecordId::new([1; 32]);

    fn fetch(record: RecordId) -> Fetch {
        let canonical = CANONICAL;
        Fetch { canonical, record }
    }

    fn numbered(number: u32) -> RecordId {
        RecordId::of(&number.to_be_bytes())
    }

    /// Absent records with their store.
    #[derive(Default)]
    struct Scene {
        absent: Absent,
        store: MemoryStore,
    }

    impl Scene {
        /// Adds a record. Returns whether it is fetched at once.
        fn add(&mut self, record: RecordId, now_ms: u64) -> bool {
            let mut fetches = Vec::new();
            let (absent, fetch) = (&mut self.absent, fetch(record));
            let added = absent.add(fetch, PUBLISHER, now_ms, &self.store, &mut fetches);
            added.unwrap();
            fetches == [fetch]
        }

        fn commit(&mut self) -> Vec<Write> {
            let writes = self.absent.cut();
            self.store.commit(writes.clone());
            self.absent.committed();
            writes
        }

        fn due(&mut self, now_ms: u64) -> Vec<Fetch> {
            let mut fetches = Vec::new();
            self.absent.due(now_ms, &self.store, &mut fetches).unwrap();
            fetches
        }

        fn fetched(&mut self, bytes: &Bytes) -> Found {
            self.absent.fetched(bytes, &self.store).unwrap()
        }

        fn restart(&mut self, now_ms: u64) {
            self.absent = Absent::open(&self.store, now_ms).unwrap();
        }

        fn rows(&self) -> usize {
            read_page(&self.store, None, usize::MAX).unwrap().len()
        }
    }

    #[test]
    fn each_absent_record_has_a_row_with_the_documented_layout() {
        let mut scene = Scene::default();
        let records = [RecordId::new([2; 32]), RecordId::new([3; 32])];
        assert!(scene.add(records[0], 0) && scene.add(records[1], 0));
        let row = |number: u8| {
            let key = [&[0x42][..], &[number; 32]].concat();
            let value = [&[1][..], &[1; 32], &[7; 32]].concat();
            Write::State(key.into(), value.into())
        };
        assert_eq!(scene.commit(), [row(2), row(3)]);
        assert_eq!(scene.commit(), [], "written once");
    }

    #[test]
    fn the_row_of_a_record_that_came_is_removed() {
        let (record, bytes) = named(&Record::Update(update(CANONICAL, PUBLISHER, 1)));
        for is_restarted in [false, true] {
            let mut scene = Scene::default();
            scene.add(record, 0);
            scene.commit();
            if is_restarted {
                scene.restart(0);
            }
            let other = named(&artefact("another work")).1;
            assert_eq!(scene.fetched(&other), Found::Unwanted);
            assert_eq!(scene.fetched(&bytes), Found::Wanted(record));
            assert_eq!(scene.fetched(&bytes), Found::Unwanted, "it is here");
            assert_eq!((scene.absent.count(), scene.rows()), (0, 1));
            assert_eq!(scene.commit(), [Write::Remove(RowKey::State(key(&record)))]);
            assert_eq!((scene.absent.count(), scene.rows()), (0, 0));
            assert_eq!(scene.fetched(&bytes), Found::Unwanted);
        }
    }

    #[test]
    fn a_record_that_comes_and_is_absent_again_is_absent() {
        let mut scene = Scene::default();
        let record = numbered(1);
        scene.add(record, 0);
        assert_eq!(scene.absent.came(&record, &scene.store), Ok(true));
        scene.add(record, 0);
        scene.commit();
        assert_eq!(scene.absent.came(&record, &scene.store), Ok(true));
        assert_eq!(scene.absent.came(&record, &scene.store), Ok(false));
        scene.add(record, 0);
        scene.commit();
        scene.restart(0);
        assert_eq!((scene.absent.count(), scene.rows()), (1, 1));
    }

    #[test]
    fn an_absent_record_that_is_added_again_stays_as_it_was() {
        let mut scene = Scene::default();
        let record = numbered(1);
        assert!(scene.add(record, 0));
        assert!(!scene.add(record, 4_000));
        scene.commit();
        assert!(!scene.add(record, 4_000));
        assert_eq!(scene.commit(), [], "its row did not change");
        assert_eq!(scene.absent.count(), 1);
        assert_eq!(scene.due(5_000), [fetch(record)], "it is due as before");
    }

    #[test]
    fn records_that_find_no_room_in_a_round_are_due_at_once() {
        let (mut scene, mut fetches) = (Scene::default(), Vec::new());
        for number in 0..300 {
            let (absent, fetch) = (&mut scene.absent, fetch(numbered(number)));
            let added = absent.add(fetch, PUBLISHER, 1_000, &scene.store, &mut fetches);
            added.unwrap();
        }
        assert_eq!((fetches.len(), scene.due(1_000).len()), (256, 44));
        assert_eq!(scene.due(5_999), []);
    }

    #[test]
    fn no_store_is_read_while_no_record_is_absent() {
        /// The rows in memory are all rows, so a damaged one in the store is not seen.
        fn is_read(scene: &mut Scene) -> bool {
            let write = Write::State(key(&numbered(9)), Bytes::new());
            scene.store.commit(vec![write]);
            scene.absent.came(&numbered(9), &scene.store).is_err()
        }
        let mut scene = Scene::default();
        assert!(!is_read(&mut scene));
        scene.add(numbered(1), 0);
        assert!(!is_read(&mut scene));
        for number in 0..=WINDOW_MAX as u32 {
            scene.add(numbered(100 + number), 0);
        }
        assert!(is_read(&mut scene), "some are only in the store");
    }

    #[test]
    fn rows_are_in_memory_up_to_a_limit_and_all_count() {
        let count = WINDOW_MAX + 300;
        let mut scene = Scene::default();
        for number in 0..count as u32 {
            let is_fetched = scene.add(numbered(number), 0);
            assert_eq!(is_fetched, scene.absent.window.len() > number as usize);
        }
        for is_restarted in [false, true] {
            if is_restarted {
                scene.restart(0);
            }
            assert_eq!(scene.absent.count(), count);
            assert_eq!(scene.absent.window.len(), WINDOW_MAX);
            scene.commit();
            assert_eq!(scene.rows(), count);
        }
    }

    #[test]
    fn the_walk_skips_rows_in_memory_and_rows_that_are_removed() {
        let count = WINDOW_MAX + 300;
        let mut scene = Scene::default();
        for number in 0..count as u32 {
            scene.add(numbered(number), 0);
        }
        scene.commit();
        let in_memory: Vec<_> = scene.absent.window.keys().copied().collect();
        let mut others = (0..count as u32).map(numbered);
        let gone = others.find(|record| !in_memory.contains(record)).unwrap();
        assert_eq!(scene.absent.came(&gone, &scene.store), Ok(true));
        for lacked in scene.absent.window.values_mut() {
            lacked.back_off.due_ms = u64::MAX;
        }
        let mut asked = Vec::new();
        for second in 5..5 + count as u64 / 256 + 2 {
            asked.extend(scene.due(second * 1_000));
        }
        assert_eq!(asked.len(), 299, "each once");
        assert!(!asked.contains(&fetch(gone)));
        assert!(asked.iter().all(|of| !in_memory.contains(&of.record)));
    }

    #[test]
    fn the_walk_begins_again_later_and_later() {
        let mut scene = Scene::default();
        for number in 0..=WINDOW_MAX as u32 {
            scene.add(numbered(number), 0);
        }
        scene.commit();
        for lacked in scene.absent.window.values_mut() {
            lacked.back_off.due_ms = u64::MAX;
        }
        let asked = |scene: &mut Scene, seconds: std::ops::Range<u64>| -> Vec<u64> {
            let is_asked = |second: &u64| !scene.due(second * 1_000).is_empty();
            seconds.filter(is_asked).collect()
        };
        let passes = asked(&mut scene, 0..3_000);
        let pauses: Vec<_> = passes.windows(2).map(|two| two[1] - two[0]).collect();
        // A pass takes 16 s, and the time after it doubles from 10 s to 10 minutes.
        assert_eq!(pauses, [26, 36, 56, 96, 176, 336, 616, 616, 616]);
        // One more of them makes it begin soon.
        scene.add(numbered(5_000), 3_000_000);
        scene.commit();
        let soon = asked(&mut scene, 3_000..3_030);
        assert!(!soon.is_empty(), "{soon:?}");
    }
}
