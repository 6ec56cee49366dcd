//! The number of copies that a namespace keeps, and the quorum that follows from it.

use core::error::Error;
use core::fmt;

/// *R* = 2h + 1, the number of members that keep each cell: the owner and h neighbours on each
/// side.
///
/// It is the configured number, also while the ring has fewer members.
///
/// ```
/// # use kittengrad_ring::Replicas;
/// let replicas = Replicas::new(5)?;
/// assert_eq!((replicas.get(), replicas.h(), replicas.quorum()), (5, 2, 3));
/// assert!(Replicas::new(4).is_err());
/// # Ok::<(), kittengrad_ring::ReplicasError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replicas(u8);

impl Replicas {
    /// An odd number of copies, from 1 to 255.
    /// # Errors
    /// [`ReplicasError`] if the number is even, zero included.
    pub const fn new(replicas: u8) -> Result<Self, ReplicasError> {
        if replicas % 2 == 1 {
            Ok(Self(replicas))
        } else {
            Err(ReplicasError { replicas })
        }
    }

    /// *R*, the number of copies of each cell.
    pub const fn get(self) -> usize {
        self.0 as usize
    }

    /// The same number as a byte.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        self.0
    }

    /// *h*, the number of neighbours on each side of the owner that keep its cell too.
    pub const fn h(self) -> usize {
        self.get() / 2
    }

    /// *W*, the number of copies that must be on disk before a write is acknowledged: a majority of the configured R,
    /// not of today's members.
    pub const fn quorum(self) -> usize {
        self.h() + 1
    }

    /// The number of copies that "all" means for a cell with `held` holders: at least a quorum, even with fewer
    /// holders.
    #[must_use]
    pub fn all(self, held: usize) -> usize {
        held.max(self.quorum())
    }
}

/// Three copies: the owner and one neighbour on each side.
impl Default for Replicas {
    fn default() -> Self {
        Self(3)
    }
}

impl fmt::Display for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of replicas is even, so that an owner cannot have as many on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicasError {
    /// The number given.
    pub replicas: u8,
}

impl fmt::Display for ReplicasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the number of replicas must be odd, not {}",
            self.replicas
        )
    }
}

impl Error for ReplicasError {}
