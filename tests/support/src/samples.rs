//! Sample records, and the folder of real ones.

use std::{collections::BTreeMap, env, io::Write as _, path::PathBuf};

use bytes::Bytes;
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::{Canonical, CanonicalType, Record, Update},
};

/// An artefact with this identifier.
#[must_use]
pub fn artefact(identifier: impl Into<String>) -> Record {
    let canonical = Canonical::identified(CanonicalType::Artefact, identifier.into());
    Record::Canonical(canonical)
}

/// The artefact with this number.
#[must_use]
pub fn canonical(number: u64) -> Record {
    artefact(format!("work:{number}"))
}

/// An update of a publisher with a timestamp and no content.
#[must_use]
pub const fn update(reference: RecordId, publisher: PublicKey, timestamp_ms: u64) -> Update {
    Update {
        reference,
        publisher,
        timestamp_ms,
        name: None,
        meta: BTreeMap::new(),
        previous: Vec::new(),
        links: Vec::new(),
        salt: None,
    }
}

/// The bytes of a record, with their CID.
#[must_use]
pub fn named(record: &Record) -> (RecordId, Bytes) {
    let bytes = record.encode().unwrap();
    (RecordId::of(&bytes), bytes)
}

/// The folder with real records of museums, from `$KITTENGRAD_TEST_DATA`. Without the variable, prints on standard
/// error that `test` is skipped.
#[must_use]
pub fn real_records(test: &str) -> Option<PathBuf> {
    let folder = env::var_os("KITTENGRAD_TEST_DATA").map(PathBuf::from);
    if folder.is_none() {
        skipped(&format!(
            "{test}: $KITTENGRAD_TEST_DATA names no folder of real records"
        ));
    }
    folder
}

/// Prints on standard error that a test is skipped, and why. Uses standard error directly, because the test runner
/// captures `eprintln!`.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped, {why}");
}
