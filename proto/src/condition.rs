//! How a member is, as another one sees it.

use std::fmt;

/// The condition of a peer or an aggregator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// It has everything that its arcs ever had, and answers reads.
    Settled,
    /// It signs, and may lack something: writes count, reads are not answered.
    Filling,
    /// It does not sign yet.
    Starting,
    /// It does not answer.
    Unreachable,
}

impl Condition {
    /// All of them, the best first.
    pub const ALL: [Self; 4] = [
        Self::Settled,
        Self::Filling,
        Self::Starting,
        Self::Unreachable,
    ];

    /// As it is written everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Filling => "filling",
            Self::Starting => "starting",
            Self::Unreachable => "unreachable",
        }
    }

    /// Reads what a member says of another one. A word that is not known says nothing good.
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
