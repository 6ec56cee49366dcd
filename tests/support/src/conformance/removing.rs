//! Rows of every family can be removed one by one.

use bytes::Bytes;
use kittengrad_journal::{Locator, Write};
use kittengrad_proto::{
    id::{Id, RecordId},
    transaction::Element,
};

use super::{Subject, answers::compare, model::Model};
use crate::journals::stored_block;

/// Removes a row of each family: once, twice, and after it was written again.
pub fn a_removed_row_is_gone<S: Subject>(make: impl Fn() -> S) {
    let (mut subject, mut model) = (make(), Model::default());
    let mut commit = |writes: Vec<Write>| {
        model.commit(&writes);
        subject.commit(writes);
        compare(subject.store(), &model);
        subject.reopen();
        compare(subject.store(), &model);
    };
    // There is no row to remove yet.
    commit(removals());
    commit(rows());
    for removal in removals() {
        commit(vec![removal.clone()]);
        commit(vec![removal]);
    }
    commit(rows());
    commit(removals());
}

/// Writes and removes a row of each family in one commit, in either order.
pub fn the_last_write_of_a_commit_counts<S: Subject>(make: impl Fn() -> S) {
    let (mut subject, mut model) = (make(), Model::default());
    let written_last = [removals(), rows()].concat();
    let removed_last = [rows(), removals()].concat();
    for writes in [removed_last.clone(), written_last, removed_last] {
        model.commit(&writes);
        subject.commit(writes);
        compare(subject.store(), &model);
    }
    let is_empty = subject.store().states(&[]).unwrap().is_empty();
    assert!(is_empty, "a row that was removed last is still there");
}

fn removals() -> Vec<Write> {
    let keys = rows().into_iter().map(|row| row.key());
    keys.map(Write::Remove).collect()
}

/// Two neighbouring rows of each family. The first one is removed first.
fn rows() -> Vec<Write> {
    let canonical = RecordId::new([0x7f; 32]);
    let at = Locator {
        incarnation: 1,
        height: 2,
        index: 3,
    };
    let rows = [None, Some(canonical)]
        .into_iter()
        .zip([1, 2])
        .map(|(update, n)| {
            let (id, bytes) = (digest(n), Bytes::from(vec![n; 2_000]));
            [
                Write::Element(Element { canonical, update }, at),
                Write::Block(Box::new(stored_block(1, n.into(), vec![bytes.clone()], 0))),
                Write::Transaction(Id::new(id), bytes.clone()),
                Write::Record(RecordId::new(id), bytes.clone()),
                Write::Chain(Id::new(id), bytes.clone()),
                Write::State(vec![n - 1].into(), bytes),
            ]
        });
    rows.flatten().collect()
}

/// The first or the second of the digests in `names`.
const fn digest(number: u8) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[31] = number - 1;
    digest
}
