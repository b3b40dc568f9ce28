use ids::SubscriberKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Some handsets, each once, `N` at most: beyond that they are `N`, which is all that a threshold asks.
///
/// Of a key 32 bits are kept. They are of a keyed hash, so two people are taken for one in 4.3 billion pairs once, and nobody can choose
/// to be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Few<const N: usize> {
    tags: [u32; N],
    len: u8,
}

impl<const N: usize> Default for Few<N> {
    fn default() -> Self {
        const { assert!(N < 256, "their number is an octet") };
        Self { tags: [0; N], len: 0 }
    }
}

impl<const N: usize> Few<N> {
    /// Adds one; whether it is new and there was room.
    pub fn add(&mut self, subscriber: SubscriberKey) -> bool {
        let tag = tag(subscriber);
        if self.tags().contains(&tag) {
            return false;
        }
        let Some(free) = self.tags.get_mut(usize::from(self.len)) else { return false };
        (*free, self.len) = (tag, self.len + 1);
        true
    }

    /// Whether it is one of them.
    pub fn has(&self, subscriber: SubscriberKey) -> bool {
        self.tags().contains(&tag(subscriber))
    }

    /// How many they are, `N` at most.
    pub fn len(&self) -> usize {
        self.tags().len()
    }

    /// None yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Reads a little of each line of the processor's cache that they are in.
    pub(crate) fn glance(&self) -> u32 {
        self.tags.iter().step_by(64 / size_of::<u32>()).fold(0, |all, tag| all ^ tag)
    }

    fn tags(&self) -> &[u32] {
        self.tags.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl<const N: usize> Serialize for Few<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tags().serialize(serializer)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Few<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mut few, tags) = (Self::default(), Vec::<u32>::deserialize(deserializer)?);
        let room = few.tags.get_mut(..tags.len()).ok_or_else(|| D::Error::custom("too many handsets"))?;
        room.copy_from_slice(&tags);
        few.len = u8::try_from(tags.len()).map_err(D::Error::custom)?;
        Ok(few)
    }
}

/// 32 bits of a key.
pub(crate) fn tag(subscriber: SubscriberKey) -> u32 {
    let [a, b, c, d, ..] = subscriber.octets();
    u32::from_be_bytes([a, b, c, d])
}
