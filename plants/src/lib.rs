//! Planted bugs: one-line mistakes in the real code. They prove that the simulator detects such mistakes.
//!
//! A core from its usual constructor has none of them. Only the simulator makes a core with [`Plants`]. Besides the
//! simulator and the cores, no crate depends on this one, so no flag, file or feature can switch a mistake on.
#![no_std]
#![warn(missing_docs)]

mod plant;

pub use plant::{Plant, UnknownPlant};

/// The set of mistakes that a core makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plants([u64; WORDS]);

/// The number of words with one bit for each plant.
const WORDS: usize = Plant::ALL.len().div_ceil(u64::BITS as usize);

impl Plants {
    /// The empty set, as everywhere except in the simulator.
    pub const NONE: Self = Self([0; WORDS]);

    /// The set of one mistake.
    #[must_use]
    pub const fn only(plant: Plant) -> Self {
        let mut words = [0; WORDS];
        let (word, bit) = place(plant);
        words[word] = bit;
        Self(words)
    }

    /// Whether the set has this mistake.
    #[inline]
    #[must_use]
    pub const fn has(self, plant: Plant) -> bool {
        let (word, bit) = place(plant);
        self.0[word] & bit != 0
    }
}

/// The index of a plant's word, and its bit in this word.
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
