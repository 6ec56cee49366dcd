//! Completeness: up to which time the view has everything that was acknowledged, cell by cell (rfd 12).
//!
//! n replicas hold a cell, W of them confirm a write before it is acknowledged, and at most f of the n are faulty. A
//! replica is *established* in a cell up to a head that it signed after it was asked at time t:
//!
//! - *read*: our set on disk has its journal up to that head; or
//! - *vouched*: f+1 sources, replicas of the cell and settled in it, say that their sets contain its journal up to that
//!   head, and our set on disk has theirs up to the block that says so.
//!
//! The replica itself must be settled in the cell as of that head: a replica whose disk was wiped has an empty journal,
//! and shows nothing of what it confirmed before.
//!
//! **A cell is complete to time t if n−W+1+f of its replicas are established with heads asked for at t or later.** Then
//! one honest confirmer of every write acknowledged before t is among them. t is our own clock, when we asked.

mod cells;
mod heads;
mod vouched;

pub use self::cells::{CellReport, Established, How};
pub(crate) use self::{
    cells::Completeness,
    heads::Asked,
    vouched::{Vouched, Vouches},
};
