//! Cells: the arcs of a journal's owner that an item touches, one signed bit each, least significant first.
//!
//! A follower fetches a transaction if a bit of an arc that it holds itself is set. The owner signs the bits, and the
//! transaction refutes a wrong one.

use bytes::Bytes;
use thiserror::Error;

use super::bitmap::{Bitmap, BitmapError};
use crate::id::RecordId;

/// Why an item of a transaction is wrong: evidence against the owner that signed it. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CellsError {
    /// The bitmap does not fit the transaction.
    #[error(transparent)]
    Bitmap(#[from] BitmapError),
    /// The number of bytes does not match the number of arcs.
    #[error("cells have {bytes} bytes for {arcs} arcs")]
    Length {
        /// Bytes found.
        bytes: usize,
        /// Arcs that the owner holds.
        arcs: usize,
    },
    /// A bit after the last arc is set.
    #[error("cells have bits beyond the {0} arcs that the owner holds")]
    Padding(usize),
    /// No bit is set. An item touches at least one arc.
    #[error("cells touch no arc")]
    Empty,
    /// An added element lies outside the arcs that the owner holds.
    #[error("it adds an element of {0}, which its owner does not hold")]
    Unheld(RecordId),
    /// A bit is set although no added element lies in its arc.
    #[error("it claims an element in arc {0}, and adds none there")]
    Claimed(usize),
    /// A bit is not set although an added element lies in its arc.
    #[error("it adds an element in arc {0}, and hides it")]
    Hidden(usize),
}

/// One bit for each arc that the owner holds, ascending: set if the item adds an element in the arc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells(Bitmap);

impl Cells {
    /// Collects one bit per arc, in order.
    #[must_use]
    pub fn new(bits: impl IntoIterator<Item = bool>) -> Self {
        Self(Bitmap::new(bits))
    }

    /// Takes bytes unchecked. [`Cells::check`] compares them with the number of arcs.
    #[must_use]
    pub const fn from_bytes(bytes: Bytes) -> Self {
        Self(Bitmap::from_bytes(bytes))
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        self.0.as_bytes()
    }

    /// Whether the item adds an element in arc number `arc`.
    #[must_use]
    pub fn is_set(&self, arc: usize) -> bool {
        self.0.is_set(arc)
    }

    /// The number of arcs touched.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.count()
    }

    /// Checks that these are the bits of `arcs` arcs and that at least one is set.
    ///
    /// # Errors
    /// For another length, bits after the last arc, or no bit.
    pub fn check(&self, arcs: usize) -> Result<(), CellsError> {
        self.0.check(arcs).map_err(|error| match error {
            BitmapError::Length { bytes, .. } => CellsError::Length { bytes, arcs },
            BitmapError::Padding(_) => CellsError::Padding(arcs),
            BitmapError::Empty => CellsError::Empty,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_fit_the_arcs_exactly() {
        let cells = |bytes: &'static [u8]| Cells::from_bytes(Bytes::from_static(bytes));
        assert_eq!(cells(&[0b101]).check(3), Ok(()));
        let length = |bytes, arcs| Err(CellsError::Length { bytes, arcs });
        assert_eq!(cells(&[1]).check(9), length(1, 9));
        assert_eq!(cells(&[1, 0]).check(8), length(2, 8));
        assert_eq!(cells(&[]).check(1), length(0, 1));
        assert_eq!(cells(&[0b1001]).check(3), Err(CellsError::Padding(3)));
        assert_eq!(cells(&[0]).check(3), Err(CellsError::Empty));
        assert_eq!(cells(&[]).check(0), Err(CellsError::Empty));
    }
}
