use super::Key;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::{fmt, hash::Hash};

/// At which place the row of a key is. Looked up, never walked: its order is nobody's.
pub trait Index<K>: Clone + Default + fmt::Debug {
    /// Octets for each key.
    const OCTETS: usize;

    /// The place, if there is a row.
    fn find(&self, key: K) -> Option<usize>;

    /// It is there now.
    fn set(&mut self, key: K, at: usize);

    /// There is no row any more.
    fn remove(&mut self, key: K);
}

/// Of keys that are small numbers, which cells and units have in the order in which they were named: a place for each, used or not.
#[derive(Clone, Debug, Default)]
pub struct Dense(Vec<u32>);

/// Of any keys.
#[derive(Clone, Debug)]
pub struct Hashed<K>(HashMap<K, u32, FixedState>);

impl Dense {
    const NOWHERE: u32 = u32::MAX;
}

impl<K: Key> Index<K> for Dense {
    const OCTETS: usize = size_of::<u32>();

    fn find(&self, key: K) -> Option<usize> {
        let at = self.0.get(key.number() as usize).filter(|at| **at != Self::NOWHERE)?;
        Some(*at as usize)
    }

    fn set(&mut self, key: K, at: usize) {
        let number = key.number() as usize;
        if number >= self.0.len() {
            self.0.resize(number + 1, Self::NOWHERE);
        }
        self.0[number] = at as u32;
    }

    fn remove(&mut self, key: K) {
        if let Some(at) = self.0.get_mut(key.number() as usize) {
            *at = Self::NOWHERE;
        }
    }
}

impl<K> Default for Hashed<K> {
    fn default() -> Self {
        Self(HashMap::with_hasher(FixedState::default()))
    }
}

impl<K: Copy + Eq + Hash + fmt::Debug> Index<K> for Hashed<K> {
    /// With the part of its table that is free.
    const OCTETS: usize = 2 * (size_of::<(K, u32)>() + 1);

    fn find(&self, key: K) -> Option<usize> {
        self.0.get(&key).map(|at| *at as usize)
    }

    fn set(&mut self, key: K, at: usize) {
        self.0.insert(key, at as u32);
    }

    fn remove(&mut self, key: K) {
        self.0.remove(&key);
    }
}
