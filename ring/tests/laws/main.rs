//! The laws of the ring, each checked against a definition that is too slow to use and too plain to
//! be wrong.

mod brute;
mod cells;
mod covers;
mod drawings;
mod holders;
mod joins_and_leaves;
mod key_range_sets;
mod key_ranges;
mod owners;
mod partners;
mod points;
mod rings;
mod strategies;
mod transfers;
