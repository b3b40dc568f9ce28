use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

/// Places that are shared out among those who connect, such as users or networks: none of them can take all.
#[derive(Debug)]
pub(crate) struct Shares<K: Eq + Hash> {
    /// For one at most.
    of_one: usize,
    /// For all together.
    of_all: usize,
    taken: Mutex<HashMap<K, Taken>>,
}

/// What one has.
#[derive(Debug, Default)]
struct Taken {
    places: usize,
    /// It was said that there are no more, since there were.
    is_told: bool,
}

/// A place of somebody's; free again once it is dropped.
#[derive(Debug)]
pub(crate) struct Share<K: Eq + Hash> {
    shares: Arc<Shares<K>>,
    of: K,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// Others have taken all of them.
    All,
    /// It has as many as one may have.
    OfOne {
        /// How many it has.
        places: usize,
        /// It is the first to be turned away since it got one.
        is_first: bool,
    },
}

impl<K: Clone + Eq + Hash> Shares<K> {
    pub(crate) fn new(of_one: usize, of_all: usize) -> Self {
        Self { of_one, of_all, taken: Mutex::default() }
    }

    /// A place for this one, where one is left.
    pub(crate) fn take(self: &Arc<Self>, of: K) -> Result<Share<K>, NoPlace> {
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_all: usize = all.values().map(|taken| taken.places).sum();
        if of_all >= self.of_all && !all.contains_key(&of) {
            return Err(NoPlace::All);
        }
        let own = all.entry(of.clone()).or_default();
        if own.places < self.of_one && of_all < self.of_all {
            (own.places, own.is_told) = (own.places + 1, false);
            return Ok(Share { shares: self.clone(), of });
        }
        let is_first = !std::mem::replace(&mut own.is_told, true);
        Err(NoPlace::OfOne { places: own.places, is_first })
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        let all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().map(|taken| taken.places).sum()
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut all = self.shares.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = all.get_mut(&self.of) else { return };
        own.places -= 1;
        if own.places == 0 {
            all.remove(&self.of);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(shares: &Arc<Shares<u32>>, uid: u32, times: usize) -> Vec<Share<u32>> {
        (0..times).filter_map(|_| shares.take(uid).ok()).collect()
    }

    #[test]
    fn a_user_has_a_part_and_all_have_less_than_there_is_and_what_is_dropped_is_free() {
        let shares = Arc::new(Shares::new(3, 5));
        let first = take(&shares, 1000, 9);
        let second = take(&shares, 1001, 9);
        assert_eq!((first.len(), second.len(), take(&shares, 1002, 9).len()), (3, 2, 0));
        assert_eq!(shares.taken(), 5);
        assert_eq!(shares.take(1002).unwrap_err(), NoPlace::All);
        assert_eq!(shares.take(1000).unwrap_err(), NoPlace::OfOne { places: 3, is_first: false });
        drop(first);
        assert_eq!(take(&shares, 1002, 9).len(), 3);
        drop(second);
        assert!(shares.taken.lock().unwrap().is_empty());
    }
}
