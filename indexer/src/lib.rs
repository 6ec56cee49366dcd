//! The indexer: follows an aggregator's journal, and makes what is said in it searchable.
//!
//! | module | what |
//! | --- | --- |
//! | [`config`], [`run`] | from a configuration file to a process that serves |
//! | [`source`] | the aggregator's journal as blocks, lookups for records that were absent |
//! | [`driver`] | the loop: blocks in, commits out |
//! | [`index`] | documents, names and cursor in Tantivy, committed together |
//! | [`search`] | what people ask, answered from one snapshot |
//! | [`feed`], [`ring`] | what is new; who holds what, and how they are |
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
