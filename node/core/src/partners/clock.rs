//! A peer whose clock is far from its partners' signs nothing: a block's time never goes back, so that one wrong time
//! would stay.
//!
//! # Source
//! Design section 2, "Block"; reliability, fault 17.

use crate::partners::{Partners, link::Link};

/// How far a peer's clock may be from the median of its partners' and its own, in milliseconds.
const CLOCK_OFF_MS_MAX: u64 = 10 * 60 * 1_000;

impl Partners {
    /// How far this peer's clock is behind the median, in milliseconds; negative if it is ahead.
    ///
    /// Its own clock is one of those compared, so that a single partner cannot stop it.
    pub(crate) fn clock_behind_ms(&self) -> i64 {
        let heard = self.links.values().filter_map(Link::clock_ahead_ms);
        median(heard.chain([0]).collect())
    }

    /// Whether this peer's clock is near enough to those of the others to sign by it.
    pub(crate) fn is_clock_right(&self) -> bool {
        self.clock_behind_ms().unsigned_abs() <= CLOCK_OFF_MS_MAX
    }

    /// Why nothing is signed, if that is because of the clock.
    pub(crate) fn why_clock(&self) -> String {
        let behind_ms = self.clock_behind_ms();
        let way = if behind_ms < 0 { "ahead of" } else { "behind" };
        format!(
            "its clock is {} s {way} its partners'",
            behind_ms.unsigned_abs() / 1_000
        )
    }
}

/// The middle one; of two, the one nearer to zero.
fn median(mut numbers: Vec<i64>) -> i64 {
    numbers.sort_unstable();
    let upper = numbers.get(numbers.len() / 2).copied().unwrap_or_default();
    let lower = numbers.get(numbers.len().saturating_sub(1) / 2).copied();
    let lower = lower.unwrap_or_default();
    if lower.unsigned_abs() < upper.unsigned_abs() {
        lower
    } else {
        upper
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn clock_of_two_is_the_nearer_one_and_of_three_the_middle_one() {
        for (clocks, expected) in [
            (vec![0], 0),
            (vec![0, 5], 0),
            (vec![-5, 0], 0),
            (vec![-7, 0, 9], 0),
            (vec![8, 0, 9], 8),
            (vec![-8, -9, 0], -8),
            (vec![0, 9, 8, 7], 7),
        ] {
            assert_eq!(median(clocks.clone()), expected, "{clocks:?}");
        }
    }
}
