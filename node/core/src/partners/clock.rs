//! The clock rule: a peer signs nothing while its clock is far from its partners' clocks. The time of blocks never goes
//! back, so one wrong time would stay in the journal.
//!
//! # Source
//! S4 in `docs/promises.md`.

use crate::partners::{Partners, link::Link};

/// Milliseconds between a peer's clock and the median of its partners' and its own, at most.
const CLOCK_OFF_MS_MAX: u64 = 10 * 60 * 1_000;

impl Partners {
    /// The time by which this peer's clock is behind the median, in milliseconds; negative if it is ahead.
    ///
    /// The median includes its own clock, so that a single partner cannot stop the peer.
    pub(crate) fn clock_behind_ms(&self) -> i64 {
        let heard = self.links.values().filter_map(Link::clock_ahead_ms);
        median(heard.chain([0]).collect())
    }

    /// Whether this peer's clock is near enough to the median to sign.
    pub(crate) fn is_clock_right(&self) -> bool {
        self.clock_behind_ms().unsigned_abs() <= CLOCK_OFF_MS_MAX
    }

    /// The reason for a refusal because of the clock, with the difference in seconds.
    pub(crate) fn why_clock(&self) -> String {
        let behind_ms = self.clock_behind_ms();
        let way = if behind_ms < 0 { "ahead of" } else { "behind" };
        format!(
            "its clock is {} s {way} its partners'",
            behind_ms.unsigned_abs() / 1_000
        )
    }
}

/// The median. Of two middle numbers, the one nearer to zero; example: of -5 and 0, it is 0.
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
