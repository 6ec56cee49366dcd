//! Points on the circle, and the distances between them.

use core::fmt;

use crate::length::Length;
use crate::number::U256;

/// A place on a circle of 2^256 points: 32 bytes, read as a big-endian number.
///
/// A peer's point is the SHA-256 of its public key; a canonical's is the digest in its CID. Points
/// compare as numbers, which is also how their bytes compare. In logs (`Debug`) a point is its
/// first eight hexadecimal digits, for users (`Display`) all 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point([u8; 32]);

impl Point {
    /// The smallest point, where the numbers begin again. The circle itself has no beginning.
    pub const ZERO: Self = Self([0x00; 32]);

    /// The largest point, the last before zero.
    pub const MAX: Self = Self([0xff; 32]);

    /// The point with this big-endian number.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its number, big-endian.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The point `length` further clockwise.
    #[must_use]
    pub fn wrapping_add(self, length: Length) -> Self {
        Self(
            self.number()
                .wrapping_add(length.modulo_circle())
                .to_be_bytes(),
        )
    }

    /// The point `length` further counter-clockwise.
    #[must_use]
    pub fn wrapping_sub(self, length: Length) -> Self {
        Self(
            self.number()
                .wrapping_sub(length.modulo_circle())
                .to_be_bytes(),
        )
    }

    /// How far `to` is when walking clockwise: (`to` − `self`) mod 2^256, which is zero from a
    /// point to itself.
    pub fn clockwise_to(self, to: Self) -> Length {
        Length::of(self.offset(to))
    }

    /// How far the two lie apart, the shorter way round: at most half of the circle.
    ///
    /// ```
    /// # use kittengrad_ring::{Length, Point};
    /// assert_eq!(Point::MAX.distance(Point::ZERO), Length::from(1));
    /// ```
    pub fn distance(self, other: Self) -> Length {
        self.clockwise_to(other).min(other.clockwise_to(self))
    }

    /// The middle of the clockwise walk from `self` to `to`: `self` + floor(((`to` − `self`) mod
    /// 2^256) / 2).
    ///
    /// It is never `to`, unless the two are equal.
    #[must_use]
    pub fn mid(self, to: Self) -> Self {
        Self(
            self.number()
                .wrapping_add(self.offset(to).half())
                .to_be_bytes(),
        )
    }

    /// Whether `point`, met on the clockwise walk from `self` to `to`, lies in the nearer half, up
    /// to the middle.
    pub(crate) fn is_nearest_to(self, point: Self, to: Self) -> bool {
        self.offset(point) <= self.offset(to).half()
    }

    fn offset(self, to: Self) -> U256 {
        to.number().wrapping_sub(self.number())
    }

    fn number(self) -> U256 {
        U256::from_be_bytes(&self.0)
    }
}

impl From<[u8; 32]> for Point {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
