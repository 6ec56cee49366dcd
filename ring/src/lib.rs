//! The geometry of the ring: which peer owns, holds, hands over and covers which part of the
//! circle.
//!
//! Peers and canonicals are [`Point`]s on a circle of 2^256. *Clockwise* means towards larger
//! points, and past the largest to zero. A point belongs to the closest peer in either direction,
//! so the border between two neighbours lies in the middle of the gap between them. Borders cut the
//! circle into *cells*, one for each peer:
//!
//! ```text
//!           cell of A                cell of B                  cell of C
//!   ---(-------A-------------](-------------B---------](---------C-------------]--> clockwise
//!      |                     |                        |                        |
//!   mid(Z,A)              mid(A,B)                 mid(B,C)                 mid(C,D)
//! ```
//!
//! Each cell is kept by its owner and the *h* members on either side, *R* = 2h + 1 in all
//! ([`Replicas`]). So each member keeps one [`KeyRange`] of *R* neighbouring cells.
//! Everything else follows from that: the arcs that a member must fetch when the ring changes
//! ([`Ring::transfers`]), and the members whose journals together hold everything ([`Ring::cover`]).
//!
//! ```
//! use kittengrad_ring::{Point, Replicas, Ring};
//!
//! let member = |first_byte: u8| {
//!     let mut bytes = [0; 32];
//!     bytes[0] = first_byte;
//!     Point::new(bytes)
//! };
//! let ring = Ring::new([0x00, 0x40, 0x80, 0xc0].map(member), Replicas::new(3)?)?;
//!
//! let owner = ring.owner(member(0x75));
//! assert_eq!(owner, member(0x80));
//! assert_eq!(ring.cell(owner).map(|cell| cell.share()), Some(0.25));
//! assert_eq!(ring.held(owner).map(|held| held.share()), Some(0.75));
//! assert_eq!(ring.cover(|_| true).sources.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate is pure: it has no dependencies, no clock and no randomness, and needs nothing but an
//! allocator.
//!
//! # Source
//! *Radical Kittengrad* (Mediachain, 2016), "Inverting the Blockchain" and "Overlay Dynamics".

#![no_std]
#![warn(missing_docs)]

extern crate alloc;

mod cover;
mod key_range;
mod key_ranges;
mod length;
mod number;
mod point;
mod replicas;
mod ring;
mod transfers;

pub use cover::{Cover, Source};
pub use key_range::KeyRange;
pub use key_ranges::KeyRanges;
pub use length::Length;
pub use point::Point;
pub use replicas::{Replicas, ReplicasError};
pub use ring::{Ring, RingError};
pub use transfers::{Dropped, Transfer};
