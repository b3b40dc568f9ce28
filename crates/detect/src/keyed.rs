use crate::forgotten::Forgotten;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ids::UnixTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::hash::Hash;

/// A detector's state by key, bounded: where one more would be too many, the eighth that was touched longest ago goes.
///
/// What goes depends on event time and key alone. A key that comes again after it went is `partial`: something of it is not known.
#[derive(Clone, Debug)]
pub struct Keyed<K, S> {
    map: HashMap<K, Entry<S>, FixedState>,
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
pub trait Key: Copy + Ord + Hash {
    /// The same number for the same key.
    fn number(self) -> u64;
}

#[derive(Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize, S: Serialize",
    deserialize = "K: Deserialize<'de>, S: Deserialize<'de>"
))]
struct Written<K, S> {
    bound: usize,
    evicted: u64,
    forgotten: Forgotten,
    entries: Vec<(K, Entry<S>)>,
}

impl<K: Key, S: Default> Keyed<K, S> {
    /// For `bound` keys at most, at least 8.
    pub fn new(bound: usize) -> Self {
        let map = HashMap::with_hasher(FixedState::default());
        Self { map, bound: bound.max(8), evicted: 0, forgotten: Forgotten::new() }
    }

    /// What is known of a key that something happened to now; new if nothing is.
    pub fn touch(&mut self, key: K, now: UnixTime) -> &mut Entry<S> {
        if self.map.len() >= self.bound && !self.map.contains_key(&key) {
            self.evict();
        }
        let forgotten = &self.forgotten;
        let new = || Entry { last: now, partial: forgotten.has(key.number()), state: S::default() };
        let entry = self.map.entry(key).or_insert_with(new);
        entry.last = now;
        entry
    }

    /// What is known of a key, untouched.
    pub fn get(&self, key: K) -> Option<&Entry<S>> {
        self.map.get(&key)
    }

    /// The same, to be changed without touching it.
    pub fn get_mut(&mut self, key: K) -> Option<&mut Entry<S>> {
        self.map.get_mut(&key)
    }

    /// Nothing more is to be known of it; it comes again as new.
    pub fn remove(&mut self, key: K) {
        self.map.remove(&key);
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// How many were evicted so far.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn evict(&mut self) {
        let mut order: Vec<_> = self.map.iter().map(|(key, entry)| (entry.last, *key)).collect();
        let count = (order.len() / 8).max(1);
        order.select_nth_unstable(count - 1);
        for (_, key) in order.into_iter().take(count) {
            self.map.remove(&key);
            self.forgotten.add(key.number());
            self.evicted += 1;
        }
    }
}

impl<K: Key + Serialize, S: Serialize + Clone> Serialize for Keyed<K, S> {
    fn serialize<To: Serializer>(&self, serializer: To) -> Result<To::Ok, To::Error> {
        let mut entries: Vec<_> = self.map.iter().map(|(key, entry)| (*key, entry.clone())).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        let Self { bound, evicted, ref forgotten, .. } = *self;
        Written { bound, evicted, forgotten: forgotten.clone(), entries }.serialize(serializer)
    }
}

impl<'de, K: Key + Deserialize<'de>, S: Deserialize<'de>> Deserialize<'de> for Keyed<K, S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { bound, evicted, forgotten, entries } = Written::deserialize(deserializer)?;
        Ok(Self { map: entries.into_iter().collect(), bound, evicted, forgotten })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl Key for u64 {
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
            let mut left: Vec<_> = keyed.map.keys().copied().collect();
            left.sort_unstable();
            prop_assert_eq!(left, plain.into_keys().collect::<Vec<_>>());
        }
    }
}
