use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Lets through 20 events of each reason at once, then one a second: a flood of strangers must not fill
/// the journal. What is left out is counted in the next one of its kind.
#[derive(Default)]
pub(crate) struct Refusals {
    kinds: HashMap<&'static str, Kind>,
}

struct Kind {
    tokens: u32,
    filled: Instant,
    left_out: u64,
}

const BURST: u32 = 20;
const EVERY: Duration = Duration::from_secs(1);

impl Refusals {
    /// Whether to write one down now; if so, how many of its kind were left out before.
    pub(crate) fn admit(&mut self, code: &'static str, now: Instant) -> Option<u64> {
        let kind = self.kinds.entry(code).or_insert(Kind { tokens: BURST, filled: now, left_out: 0 });
        let periods = now.duration_since(kind.filled).as_secs() / EVERY.as_secs();
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

    #[test]
    fn a_flood_leaves_one_record_a_second_and_loses_no_count() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let written = (0..10_000).filter(|_| refusals.admit("cert_untrusted", now).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(refusals.admit("ike_auth_mismatch", now), Some(0), "another kind has its own room");
        assert_eq!(refusals.admit("cert_untrusted", now + EVERY), Some(9_980));
        assert_eq!(refusals.admit("cert_untrusted", now + EVERY), None);
    }
}
