use ids::SubscriberKey;
use serde::{Deserialize, Serialize};

/// Some handsets, each once, `N` at most: beyond that they are `N`, which is all that a threshold asks.
///
/// Of a key 32 bits are kept. They are of a keyed hash, so two people are taken for one in 4.3 billion pairs once, and nobody can choose
/// to be another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Few<const N: usize>(Vec<u32>);

impl<const N: usize> Default for Few<N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<const N: usize> Few<N> {
    /// Adds one; whether it is new and there was room.
    pub fn add(&mut self, subscriber: SubscriberKey) -> bool {
        let tag = tag(subscriber);
        let is_new = self.0.len() < N && !self.0.contains(&tag);
        if is_new {
            self.0.reserve_exact(1);
            self.0.push(tag);
        }
        is_new
    }

    /// Whether it is one of them.
    pub fn has(&self, subscriber: SubscriberKey) -> bool {
        self.0.contains(&tag(subscriber))
    }

    /// How many they are, `N` at most.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.0 = Vec::new();
    }
}

/// 32 bits of a key.
pub(crate) fn tag(subscriber: SubscriberKey) -> u32 {
    let [a, b, c, d, ..] = subscriber.octets();
    u32::from_be_bytes([a, b, c, d])
}
