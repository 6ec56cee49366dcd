//! Unsigned 256-bit integers, with only the operations that a circle needs.

use core::fmt;

/// Field order is order of significance, so the derived comparison is the numeric one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct U256 {
    high: u128,
    low: u128,
}

impl U256 {
    pub(crate) const ZERO: Self = Self::from_low(0);

    pub(crate) const fn from_low(low: u128) -> Self {
        Self { high: 0, low }
    }

    pub(crate) fn from_be_bytes(bytes: &[u8; 32]) -> Self {
        let mut high = [0; 16];
        let mut low = [0; 16];
        high.copy_from_slice(&bytes[..16]);
        low.copy_from_slice(&bytes[16..]);
        Self {
            high: u128::from_be_bytes(high),
            low: u128::from_be_bytes(low),
        }
    }

    pub(crate) fn to_be_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.high.to_be_bytes());
        bytes[16..].copy_from_slice(&self.low.to_be_bytes());
        bytes
    }

    pub(crate) fn wrapping_add(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        let high = self
            .high
            .wrapping_add(other.high)
            .wrapping_add(u128::from(carry));
        Self { high, low }
    }

    pub(crate) fn wrapping_sub(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        let high = self
            .high
            .wrapping_sub(other.high)
            .wrapping_sub(u128::from(borrow));
        Self { high, low }
    }

    /// Half of it, rounded down.
    pub(crate) fn half(self) -> Self {
        Self {
            high: self.high >> 1,
            low: (self.high << 127) | (self.low >> 1),
        }
    }

    /// Its part of 2^256, from 0.0 to 1.0, as exact as a double is.
    pub(crate) fn fraction(self) -> f64 {
        (self.high as f64 + self.low as f64 / TWO_POW_128) / TWO_POW_128
    }
}

/// Sixty-four hexadecimal digits.
impl fmt::Display for U256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}{:032x}", self.high, self.low)
    }
}

const TWO_POW_128: f64 = (1_u128 << 127) as f64 * 2.0;

#[cfg(test)]
mod tests {
    use super::{TWO_POW_128, U256};

    const MAX: U256 = U256 {
        high: u128::MAX,
        low: u128::MAX,
    };
    const ONE: U256 = U256::from_low(1);
    const LOW_MAX: U256 = U256::from_low(u128::MAX);
    const HIGH_ONE: U256 = U256 { high: 1, low: 0 };

    #[test]
    fn a_sum_carries_between_the_halves_and_wraps_at_the_top() {
        assert!(LOW_MAX.wrapping_add(ONE) == HIGH_ONE);
        assert!(MAX.wrapping_add(ONE) == U256::ZERO);
        assert!(MAX.wrapping_add(MAX) == MAX.wrapping_sub(ONE));
    }

    #[test]
    fn a_difference_borrows_between_the_halves_and_wraps_at_zero() {
        assert!(HIGH_ONE.wrapping_sub(ONE) == LOW_MAX);
        assert!(U256::ZERO.wrapping_sub(ONE) == MAX);
    }

    #[test]
    fn a_half_is_rounded_down_and_shifts_across_the_halves() {
        assert!(HIGH_ONE.half() == U256::from_low(1 << 127));
        assert!(U256::from_low(7).half() == U256::from_low(3));
    }

    #[test]
    fn bytes_are_big_endian() {
        let mut bytes = [0; 32];
        bytes[0] = 0x80;
        bytes[31] = 0x01;
        let number = U256::from_be_bytes(&bytes);
        assert!(
            number
                == U256 {
                    high: 1 << 127,
                    low: 1
                }
        );
        assert_eq!(number.to_be_bytes(), bytes);
    }

    #[test]
    fn a_fraction_runs_from_zero_to_one() {
        assert_eq!(U256::ZERO.fraction(), 0.0);
        assert_eq!(
            U256 {
                high: 1 << 126,
                low: 0
            }
            .fraction(),
            0.25
        );
        assert_eq!(MAX.fraction(), 1.0);
    }

    #[test]
    fn a_fraction_counts_both_halves() {
        assert_eq!(ONE.fraction() * TWO_POW_128, 1.0 / TWO_POW_128);
        assert_eq!(HIGH_ONE.fraction(), 1.0 / TWO_POW_128);
        let both = U256 {
            high: 1,
            low: 1 << 127,
        };
        assert_eq!(both.fraction(), 1.5 / TWO_POW_128);
    }
}
