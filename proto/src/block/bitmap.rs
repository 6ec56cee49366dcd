//! Bitmaps: the elements of a transaction that a block adds, one bit each, least significant first.

use bytes::Bytes;
use thiserror::Error;

/// Why bytes are not a bitmap of so many elements. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BitmapError {
    /// The number of bytes does not match the number of elements.
    #[error("bitmap has {bytes} bytes for {elements} elements")]
    Length {
        /// Bytes found.
        bytes: usize,
        /// Elements of the transaction.
        elements: usize,
    },
    /// A bit after the last element is set.
    #[error("bitmap has bits beyond its {0} elements")]
    Padding(usize),
    /// No bit is set. An item that adds nothing must not be in a journal.
    #[error("bitmap adds nothing")]
    Empty,
}

/// One bit for each element of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap(Bytes);

impl Bitmap {
    /// Collects one bit per element, in order.
    #[must_use]
    pub fn new(bits: impl IntoIterator<Item = bool>) -> Self {
        let mut bytes = Vec::new();
        for (i, bit) in bits.into_iter().enumerate() {
            if i % 8 == 0 {
                bytes.push(0);
            }
            if let Some(last) = bytes.last_mut() {
                *last |= u8::from(bit) << (i % 8);
            }
        }
        Self(bytes.into())
    }

    /// Takes bytes unchecked. [`Bitmap::check`] compares them with a transaction.
    #[must_use]
    pub const fn from_bytes(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Whether element `i` is added.
    #[must_use]
    pub fn is_set(&self, i: usize) -> bool {
        self.0
            .get(i / 8)
            .is_some_and(|byte| byte >> (i % 8) & 1 == 1)
    }

    /// The number of elements added.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Checks that this is a bitmap for `elements` elements and adds at least one.
    ///
    /// # Errors
    /// For another length, bits after the last element, or no bit.
    pub fn check(&self, elements: usize) -> Result<(), BitmapError> {
        if self.0.len() != elements.div_ceil(8) {
            return Err(BitmapError::Length {
                bytes: self.0.len(),
                elements,
            });
        }
        let used = elements % 8;
        if used != 0 && self.0.last().is_some_and(|last| last >> used != 0) {
            return Err(BitmapError::Padding(elements));
        }
        if self.count() == 0 {
            Err(BitmapError::Empty)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_lie_least_significant_first() {
        let bitmap = Bitmap::new([true, false, false, true, false, false, false, false, true]);
        assert_eq!(&bitmap.as_bytes()[..], [0b1001, 1]);
        assert!(bitmap.is_set(0) && !bitmap.is_set(1) && bitmap.is_set(8) && !bitmap.is_set(99));
        assert_eq!(bitmap.count(), 3);
        assert_eq!(bitmap.check(9), Ok(()));
    }

    #[test]
    fn a_bitmap_fits_its_transaction_exactly() {
        let bitmap = |bytes: &'static [u8]| Bitmap::from_bytes(Bytes::from_static(bytes));
        assert_eq!(
            bitmap(&[1]).check(9),
            Err(BitmapError::Length {
                bytes: 1,
                elements: 9
            })
        );
        assert_eq!(
            bitmap(&[1, 0]).check(8),
            Err(BitmapError::Length {
                bytes: 2,
                elements: 8
            })
        );
        assert_eq!(bitmap(&[1, 2]).check(9), Err(BitmapError::Padding(9)));
        assert_eq!(bitmap(&[0x80]).check(7), Err(BitmapError::Padding(7)));
        assert_eq!(bitmap(&[0x40]).check(7), Ok(()));
        assert_eq!(bitmap(&[0, 0]).check(9), Err(BitmapError::Empty));
        assert_eq!(bitmap(&[]).check(0), Err(BitmapError::Empty));
        assert_eq!(bitmap(&[0xff]).check(8), Ok(()));
        assert_eq!(bitmap(&[0, 0x80]).check(16), Ok(()));
    }
}
