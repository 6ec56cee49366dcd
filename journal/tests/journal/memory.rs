//! The store in memory passes the conformance tests of stores.

use kittengrad_journal::MemoryStore;

kittengrad_support::store_conformance!(256, MemoryStore::default);
