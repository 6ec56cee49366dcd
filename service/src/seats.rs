//! Seats: limit how many of something there are at one time, in all and for each key.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Why there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All are taken.
    All,
    /// This key has as many as it may.
    Each,
}

/// The taken seats of each key.
#[derive(Debug)]
pub(crate) struct Seats<K: Ord> {
    all_max: usize,
    each_max: usize,
    /// Seats of each key, none of them 0. Locked only while a seat is taken or given back.
    taken: Mutex<BTreeMap<K, usize>>,
}

impl<K: Ord + Clone> Seats<K> {
    pub(crate) fn new(all_max: usize, each_max: usize) -> Arc<Self> {
        Arc::new(Self {
            all_max,
            each_max,
            taken: Mutex::default(),
        })
    }

    /// Takes a seat. Dropping it gives it back.
    pub(crate) fn take(self: &Arc<Self>, key: K) -> Result<Seat<K>, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= self.all_max {
            return Err(Full::All);
        }
        let mine = taken.entry(key.clone()).or_default();
        if *mine >= self.each_max {
            return Err(Full::Each);
        }
        *mine += 1;
        Ok(Seat {
            seats: Arc::clone(self),
            key,
        })
    }
}

/// A taken seat.
#[derive(Debug)]
pub(crate) struct Seat<K: Ord> {
    seats: Arc<Seats<K>>,
    key: K,
}

impl<K: Ord> Drop for Seat<K> {
    fn drop(&mut self) {
        let taken = self.seats.taken.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_seats_in_all_and_for_each() {
        let seats = Seats::new(3, 2);
        let first = seats.take('a').unwrap();
        let _second = seats.take('a').unwrap();
        assert_eq!(seats.take('a').err(), Some(Full::Each));
        let _third = seats.take('b').unwrap();
        assert_eq!(seats.take('c').err(), Some(Full::All));
        drop(first);
        let _fourth = seats.take('a').unwrap();
        assert_eq!(seats.take('b').err(), Some(Full::All));
    }
}
