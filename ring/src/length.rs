//! Lengths on the circle: how many points an arc has, or how far two points lie apart.

use core::fmt;

use crate::number::U256;

/// A number of points, from none to the whole circle's 2^256.
///
/// Lengths compare by size. Displayed, one is 64 hexadecimal digits, and the whole circle 65.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Length {
    /// True of the whole circle alone, whose 2^256 points are one too many for `points`. It comes
    /// first, so that the whole circle compares as the longest.
    whole: bool,
    /// Zero if `whole`: the number of points modulo 2^256.
    points: U256,
}

impl Length {
    /// No points at all: the distance of a point from itself.
    pub const ZERO: Self = Self::of(U256::ZERO);

    /// All 2^256 points.
    pub const WHOLE: Self = Self {
        whole: true,
        points: U256::ZERO,
    };

    /// The part of the circle that it is, from 0.0 to 1.0.
    pub fn share(self) -> f64 {
        if self.whole {
            1.0
        } else {
            self.points.fraction()
        }
    }

    pub(crate) const fn of(points: U256) -> Self {
        Self {
            whole: false,
            points,
        }
    }

    /// The number of points modulo 2^256: how far a walk of this length leads from where it began.
    pub(crate) const fn modulo_circle(self) -> U256 {
        self.points
    }
}

impl From<u128> for Length {
    fn from(points: u128) -> Self {
        Self::of(U256::from_low(points))
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.whole {
            f.write_str("1")?;
        }
        self.points.fmt(f)
    }
}

impl fmt::Debug for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the circle", self.share())
    }
}
