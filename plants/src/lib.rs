//! Planted bugs: one-line mistakes in the real code, which prove that the simulator would see them.
//!
//! A core that is made in the usual way has none. The simulator makes it with some [`Plants`]; nobody else depends on this
//! crate, so that no flag, file or feature reaches it.
#![no_std]
#![warn(missing_docs)]

mod plant;

pub use plant::{Plant, UnknownPlant};

/// Which mistakes a core makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plants(u64);

impl Plants {
    /// None at all, as everywhere but in the simulator.
    pub const NONE: Self = Self(0);

    /// This one.
    #[must_use]
    pub const fn only(plant: Plant) -> Self {
        Self(1 << plant as u32)
    }

    /// Whether a core makes this mistake.
    #[inline]
    #[must_use]
    pub const fn has(self, plant: Plant) -> bool {
        self.0 & (1 << plant as u32) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plant_is_itself_alone_and_nobody_has_any() {
        for plant in Plant::ALL {
            assert!(!Plants::NONE.has(plant) && !Plants::default().has(plant));
            let others = Plant::ALL.into_iter().filter(|other| *other != plant);
            assert!(Plants::only(plant).has(plant));
            assert!(
                others
                    .into_iter()
                    .all(|other| !Plants::only(plant).has(other))
            );
            assert_eq!(plant.as_str().parse(), Ok(plant));
        }
        assert_eq!("weeds".parse::<Plant>(), Err(UnknownPlant));
    }

    const _: () = assert!(Plant::ALL.len() <= u64::BITS as usize);
}
