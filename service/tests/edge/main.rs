//! The servers' edge, tested over real TLS on loopback.

mod cursors;
mod doors;
mod lookups;
mod network;
mod pages;
mod streams;
mod world;
