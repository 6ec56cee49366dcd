//! The number of disks that make an acknowledgement. All code that counts confirmations calls this.

use kittengrad_ring::Replicas;

/// The number of disks that must have a transaction before it counts as acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ack {
    /// The disk of the peer that receives it.
    One,
    /// A majority of the configured replicas, in each cell.
    #[default]
    Quorum,
    /// All replicas, in each cell, and at least a quorum.
    All,
}

impl Ack {
    /// The number of replicas of one cell that must confirm. `holders` is the number that the cell has today.
    ///
    /// A quorum is a majority of the *configured* R, not of today's members. Example: with R = 3 and a single peer, a
    /// quorum and "all" both need two, so neither is reached before a second peer has the transaction.
    ///
    /// # Source
    /// S1 in `docs/promises.md`; `docs/ARCHITECTURE.md`, "A write".
    #[must_use]
    pub fn needed(self, replicas: Replicas, holders: usize) -> usize {
        match self {
            Self::One => 1,
            Self::Quorum => replicas.quorum(),
            Self::All => replicas.all(holders),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_needed_by_default() {
        assert_eq!(Ack::default(), Ack::Quorum);
    }

    #[test]
    fn a_quorum_is_a_majority_of_the_configured_copies() {
        for (replicas, holders, one, quorum, all) in [
            (1, 1, 1, 1, 1),
            (3, 1, 1, 2, 2),
            (3, 2, 1, 2, 2),
            (3, 3, 1, 2, 3),
            (5, 2, 1, 3, 3),
            (5, 5, 1, 3, 5),
        ] {
            let replicas = Replicas::new(replicas).unwrap();
            let needed = [Ack::One, Ack::Quorum, Ack::All].map(|ack| ack.needed(replicas, holders));
            assert_eq!(
                needed,
                [one, quorum, all],
                "R={replicas}, {holders} holders"
            );
        }
    }
}
