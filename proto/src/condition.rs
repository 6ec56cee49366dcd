//! The condition of a member, as other members see it.

use std::fmt;

/// The condition of a peer or an aggregator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// It has everything that its arc ever had, and answers reads.
    Settled,
    /// It signs, but may lack elements: it acknowledges writes, and does not answer reads.
    Filling,
    /// It does not sign yet.
    Starting,
    /// It does not answer.
    Unreachable,
}

impl Condition {
    /// All conditions, the best first.
    pub const ALL: [Self; 4] = [
        Self::Settled,
        Self::Filling,
        Self::Starting,
        Self::Unreachable,
    ];

    /// The word in JSON, pages and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Filling => "filling",
            Self::Starting => "starting",
            Self::Unreachable => "unreachable",
        }
    }

    /// Reads a condition reported by another member. An unknown word is `Unreachable`.
    #[must_use]
    pub fn from_wire(word: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|known| known.as_str() == word)
            .unwrap_or(Self::Unreachable)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_read_as_it_is_written() {
        for condition in Condition::ALL {
            assert_eq!(Condition::from_wire(&condition.to_string()), condition);
        }
        for unknown in ["", "Settled", "resting"] {
            assert_eq!(Condition::from_wire(unknown), Condition::Unreachable);
        }
    }
}
