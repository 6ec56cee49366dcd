//! The indexer: follows an aggregator's journal, and makes its documents searchable.
//!
//! | module | content |
//! | --- | --- |
//! | [`config`], [`run`] | from a configuration file to a process that serves |
//! | [`source`] | the aggregator's journal as blocks, lookups for absent records |
//! | [`driver`] | the loop: blocks in, commits out |
//! | [`index`] | documents, names and cursors in Tantivy, committed together |
//! | [`search`] | queries, answered from one snapshot |
//! | [`feed`], [`ring`] | new elements of each commit; the members with their arcs and states |
//! | [`http`] | JSON for programs, a page for people |
//!
//! Decisions are made in [`kittengrad_indexer_core`], which is pure.
#![warn(missing_docs)]

pub mod config;
pub mod driver;
mod failure;
pub mod feed;
pub mod http;
pub mod index;
pub mod metrics;
pub mod ring;
pub mod run;
pub mod search;
mod show;
pub mod source;
