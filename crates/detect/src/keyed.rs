mod index;

pub use index::{Dense, Hashed, Index};

use crate::forgotten::Forgotten;
use ids::UnixTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeSeq};
use std::fmt;

/// A detector's state by key, bounded: where one more would be too many, the eighth that was touched longest ago goes.
///
/// What goes depends on event time and key alone. A key that comes again after it went is `partial`: something of it is not known.
/// States lie side by side in room that is asked for at once and used as they come.
#[derive(Clone, Debug)]
pub struct Keyed<K: Key, S> {
    rows: Vec<(K, Entry<S>)>,
    index: K::Index,
    bound: usize,
    evicted: u64,
    forgotten: Forgotten,
}

/// What is known under one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<S> {
    /// When it was last touched.
    pub last: UnixTime,
    /// It was evicted before, or something is known to be missing.
    pub partial: bool,
    /// The state.
    pub state: S,
}

/// What state is kept by.
pub trait Key: Copy + Ord + fmt::Debug {
    /// How its row is found.
    type Index: Index<Self>;

    /// The same number for the same key.
    fn number(self) -> u64;
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "K: Deserialize<'de>, S: Deserialize<'de>"))]
struct Written<K, S> {
    bound: usize,
    evicted: u64,
    forgotten: Forgotten,
    rows: Vec<(K, Entry<S>)>,
}

impl<K: Key, S: Default> Keyed<K, S> {
    /// Octets of one state and what finds it.
    pub const OCTETS: usize = size_of::<(K, Entry<S>)>() + K::Index::OCTETS;

    /// For `bound` keys at most, at least 8.
    pub fn new(bound: usize) -> Self {
        let (bound, index) = (bound.max(8), K::Index::default());
        Self { rows: Vec::with_capacity(bound), index, bound, evicted: 0, forgotten: Forgotten::new() }
    }

    /// What is known of a key that something happened to now; new if nothing is.
    pub fn touch(&mut self, key: K, now: UnixTime) -> &mut Entry<S> {
        let at = self.index.find(key).unwrap_or_else(|| self.add(key, now));
        let (_, entry) = &mut self.rows[at];
        entry.last = now;
        entry
    }

    /// What is known of a key, untouched.
    pub fn get(&self, key: K) -> Option<&Entry<S>> {
        self.index.find(key).map(|at| &self.rows[at].1)
    }

    /// The same, to be changed without touching it.
    pub fn get_mut(&mut self, key: K) -> Option<&mut Entry<S>> {
        self.index.find(key).map(|at| &mut self.rows[at].1)
    }

    /// Nothing more is to be known of it; it comes again as new.
    pub fn remove(&mut self, key: K) {
        let Some(at) = self.index.find(key) else { return };
        self.index.remove(key);
        self.rows.swap_remove(at);
        if let Some((moved, _)) = self.rows.get(at) {
            self.index.set(*moved, at);
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many were evicted so far.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn add(&mut self, key: K, now: UnixTime) -> usize {
        if self.rows.len() >= self.bound {
            self.evict();
        }
        let (at, partial) = (self.rows.len(), self.forgotten.has(key.number()));
        self.rows.push((key, Entry { last: now, partial, state: S::default() }));
        self.index.set(key, at);
        at
    }

    fn evict(&mut self) {
        let mut order: Vec<_> = self.rows.iter().map(|(key, entry)| (entry.last, *key)).collect();
        let count = (order.len() / 8).max(1);
        order.select_nth_unstable(count - 1);
        for (_, key) in order.into_iter().take(count) {
            self.remove(key);
            self.forgotten.add(key.number());
            self.evicted += 1;
        }
    }
}

/// Rows in the order of their keys.
impl<K: Key + Serialize, S: Serialize> Serialize for Keyed<K, S> {
    fn serialize<To: Serializer>(&self, serializer: To) -> Result<To::Ok, To::Error> {
        let Self { rows, index: _, bound, evicted, forgotten } = self;
        (bound, evicted, forgotten, InOrder(rows)).serialize(serializer)
    }
}

struct InOrder<'a, K, S>(&'a [(K, Entry<S>)]);

impl<K: Key + Serialize, S: Serialize> Serialize for InOrder<'_, K, S> {
    fn serialize<To: Serializer>(&self, serializer: To) -> Result<To::Ok, To::Error> {
        let mut order: Vec<_> = (0..).zip(self.0).map(|(at, (key, _))| (*key, at)).collect();
        order.sort_unstable();
        let mut rows = serializer.serialize_seq(Some(order.len()))?;
        order.into_iter().try_for_each(|(_, at): (_, usize)| rows.serialize_element(&self.0[at]))?;
        rows.end()
    }
}

impl<'de, K: Key + Deserialize<'de>, S: Deserialize<'de>> Deserialize<'de> for Keyed<K, S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { bound, evicted, forgotten, mut rows } = Written::deserialize(deserializer)?;
        rows.reserve_exact(bound.saturating_sub(rows.len()));
        let mut index = K::Index::default();
        rows.iter().enumerate().for_each(|(at, (key, _))| index.set(*key, at));
        Ok(Self { rows, index, bound, evicted, forgotten })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl Key for u64 {
        type Index = Hashed<Self>;

        fn number(self) -> u64 {
            self
        }
    }

    #[test]
    fn what_comes_again_after_it_went_is_partial() {
        let mut keyed: Keyed<u64, u32> = Keyed::new(8);
        for key in 0..9 {
            keyed.touch(key, UnixTime::from_secs(key as i64)).state = 7;
        }
        assert_eq!((keyed.len(), keyed.evicted()), (8, 1));
        assert!(keyed.get(0).is_none() && !keyed.touch(8, UnixTime::from_secs(9)).partial);
        let again = keyed.touch(0, UnixTime::from_secs(10));
        assert!(again.partial && again.state == 0);
    }

    proptest! {
        /// Against a plain map that is searched for the least each time.
        #[test]
        fn who_goes_depends_on_time_and_key_alone(touches in proptest::collection::vec((0..24_u64, 0..9_i64), 0..120)) {
            let mut keyed: Keyed<u64, ()> = Keyed::new(8);
            let mut plain = BTreeMap::new();
            for (key, at) in touches {
                if plain.len() == 8 && !plain.contains_key(&key) {
                    let least = plain.iter().map(|(key, at)| (*at, *key)).min().unwrap();
                    plain.remove(&least.1);
                }
                plain.insert(key, at);
                keyed.touch(key, UnixTime::from_secs(at));
            }
            let mut left: Vec<_> = keyed.rows.iter().map(|(key, _)| *key).collect();
            left.sort_unstable();
            prop_assert_eq!(left, plain.into_keys().collect::<Vec<_>>());
        }
    }
}
