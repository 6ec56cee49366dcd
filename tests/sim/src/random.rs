//! The random numbers of a world, all from one seed.

use std::ops::RangeInclusive;

/// SplitMix64.
///
/// # Source
/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// An independent sequence: drawing from it does not change the others.
    #[must_use]
    pub const fn branch(seed: u64, salt: u64) -> Self {
        Self(mix(seed ^ mix(salt)))
    }

    /// The next number.
    #[allow(
        clippy::should_implement_trait,
        reason = "it never ends and is not an iterator"
    )]
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `range`, both ends included.
    pub const fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let width = *range.end() - *range.start() + 1;
        *range.start() + self.next() % width
    }

    /// True with a probability of `chance` in a thousand.
    pub const fn permille(&mut self, chance: u64) -> bool {
        self.next() % 1_000 < chance
    }

    /// Picks an element of a list that is not empty.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[(self.next() % list.len() as u64) as usize]
    }
}

/// Spreads every bit over all others.
pub(crate) const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
