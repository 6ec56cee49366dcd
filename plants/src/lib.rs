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
pub struct Plants([u64; WORDS]);

/// Room for every plant, one bit each.
const WORDS: usize = Plant::ALL.len().div_ceil(u64::BITS as usize);

impl Plants {
    /// None at all, as everywhere but in the simulator.
    pub const NONE: Self = Self([0; WORDS]);

    /// This one.
    #[must_use]
    pub const fn only(plant: Plant) -> Self {
        let mut words = [0; WORDS];
        let (word, bit) = place(plant);
        words[word] = bit;
        Self(words)
    }

    /// Whether a core makes this mistake.
    #[inline]
    #[must_use]
    pub const fn has(self, plant: Plant) -> bool {
        let (word, bit) = place(plant);
        self.0[word] & bit != 0
    }
}

/// The word that a plant's bit is in, and that bit.
const fn place(plant: Plant) -> (usize, u64) {
    let number = plant as u32;
    ((number / u64::BITS) as usize, 1 << (number % u64::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plant_is_itself_alone_and_nobody_has_any() {
        for &plant in Plant::ALL {
            assert!(!Plants::NONE.has(plant) && !Plants::default().has(plant));
            let others = Plant::ALL.iter().filter(|other| **other != plant);
            assert!(Plants::only(plant).has(plant));
            assert!(
                others
                    .into_iter()
                    .all(|other| !Plants::only(plant).has(*other))
            );
            assert_eq!(plant.as_str().parse(), Ok(plant));
            assert!(plant.what().ends_with('.'), "{plant}");
        }
        assert_eq!("weeds".parse::<Plant>(), Err(UnknownPlant));
    }
}
