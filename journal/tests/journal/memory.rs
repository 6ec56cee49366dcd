//! The store in memory does what every store must do.

use kittengrad_journal::MemoryStore;

kittengrad_support::store_conformance!(256, MemoryStore::default);
