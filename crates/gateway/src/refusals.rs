use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// Lets through 20 events of each kind at once, then one each period: a flood must not fill the journal.
/// What is left out is counted in the next one of its kind.
pub(crate) struct Refusals<K> {
    every: Duration,
    kinds: HashMap<K, Kind>,
}

struct Kind {
    tokens: u32,
    filled: Instant,
    left_out: u64,
}

const BURST: u32 = 20;
/// Kinds remembered at most, 64 octets each; what comes on top is let through.
const KINDS: usize = 16_384;

/// One each second.
impl<K: Eq + Hash> Default for Refusals<K> {
    fn default() -> Self {
        Self::one_each(Duration::from_secs(1))
    }
}

impl<K: Eq + Hash> Refusals<K> {
    pub(crate) fn one_each(every: Duration) -> Self {
        Self { every, kinds: HashMap::new() }
    }

    /// Whether to write one down now; if so, how many of its kind were left out before.
    pub(crate) fn admit(&mut self, of: K, now: Instant) -> Option<u64> {
        if self.kinds.len() >= KINDS {
            let full_again = self.every * BURST;
            self.kinds.retain(|_, kind| kind.left_out > 0 || now.duration_since(kind.filled) < full_again);
        }
        if self.kinds.len() >= KINDS && !self.kinds.contains_key(&of) {
            return Some(0);
        }
        let kind = self.kinds.entry(of).or_insert(Kind { tokens: BURST, filled: now, left_out: 0 });
        let periods = now.duration_since(kind.filled).as_secs() / self.every.as_secs();
        if periods > 0 {
            kind.tokens = BURST.min(kind.tokens.saturating_add(u32::try_from(periods).unwrap_or(BURST)));
            kind.filled = now;
        }
        if kind.tokens == 0 {
            kind.left_out += 1;
            return None;
        }
        kind.tokens -= 1;
        Some(std::mem::take(&mut kind.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(60);

    #[test]
    fn a_flood_leaves_one_record_each_period_and_loses_no_count() {
        let (mut refusals, now) = (Refusals::one_each(EVERY), Instant::now());
        let written = (0..10_000).filter(|_| refusals.admit("cert-untrusted", now).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(refusals.admit("ike-auth-mismatch", now), Some(0), "another kind has its own room");
        assert_eq!(refusals.admit("cert-untrusted", now + EVERY), Some(9_980));
        assert_eq!(refusals.admit("cert-untrusted", now + EVERY), None);
    }

    #[test]
    fn kinds_without_end_take_no_memory_without_end() {
        let (mut refusals, now) = (Refusals::one_each(EVERY), Instant::now());
        for kind in 0..KINDS + 100 {
            assert_eq!(refusals.admit(kind, now), Some(0));
        }
        assert_eq!(refusals.kinds.len(), KINDS);
        refusals.admit(0, now + EVERY * BURST);
        assert_eq!(refusals.kinds.len(), 1);
    }
}
