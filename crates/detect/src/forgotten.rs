use serde::{Deserialize, Serialize};

/// Which keys were evicted, so that who comes again is known to have a past: a set of bits by the key's hash.
///
/// It never forgets one that was there, and takes a stranger for one in as many cases as bits are set: then a finding is marked partial
/// without need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Forgotten(Vec<u64>);

impl Forgotten {
    /// Words: 64 KiB, 524,288 bits. A tenth of them is set after 55,000 evictions.
    const WORDS: usize = 8192;

    /// Nothing was evicted; takes no memory until something is.
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, hash: u64) {
        if self.0.is_empty() {
            self.0 = vec![0; Self::WORDS];
        }
        let (word, bit) = Self::place(hash);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    pub(crate) fn has(&self, hash: u64) -> bool {
        let (word, bit) = Self::place(hash);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    fn place(hash: u64) -> (usize, u64) {
        // Fibonacci hashing: small numbers spread, too.
        let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 45;
        ((mixed >> 6) as usize % Self::WORDS, 1 << (mixed & 63))
    }
}
