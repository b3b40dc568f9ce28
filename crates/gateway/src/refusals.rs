use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// Lets through some of each kind at once, then one each period: a flood must fill neither the journal nor
/// the disk. What is left out is counted in the next one of its kind.
#[derive(Debug)]
pub struct Refusals<K> {
    pace: Pace,
    kinds: HashMap<K, Kind>,
    /// What comes on top of the kinds that there is room for.
    rest: Kind,
    swept: Instant,
}

/// How many are let through.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// At once.
    pub burst: u32,
    /// Then one in this time.
    pub every: Duration,
    /// Kinds that are told apart, 64 octets each.
    pub room: usize,
    /// What becomes of the others.
    pub beyond: Beyond,
}

/// What becomes of kinds that there is no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// All of them together are one kind.
    One,
    /// They are let through: better a journal that grows than a unit that is not heard.
    Through,
}

#[derive(Debug)]
struct Kind {
    tokens: u32,
    filled: Instant,
    left_out: u64,
}

/// 20 of each kind, then one a second.
impl<K: Eq + Hash> Default for Refusals<K> {
    fn default() -> Self {
        Self::new(Pace { burst: 20, every: Duration::from_secs(1), room: 16_384, beyond: Beyond::One })
    }
}

impl<K: Eq + Hash> Refusals<K> {
    /// None of any kind so far.
    pub fn new(pace: Pace) -> Self {
        let now = Instant::now();
        Self { pace, kinds: HashMap::new(), rest: Kind::full(&pace, now), swept: now }
    }

    /// Whether to let one through now; if so, how many of its kind were left out before.
    pub fn admit(&mut self, of: K, now: Instant) -> Option<u64> {
        let pace = self.pace;
        self.kind(of, now).map_or(Some(0), |kind| kind.admit(&pace, now))
    }

    /// What [`Self::admit`] would say.
    pub fn would_admit(&mut self, of: K, now: Instant) -> Option<u64> {
        let pace = self.pace;
        self.kind(of, now).map_or(Some(0), |kind| {
            kind.fill(&pace, now);
            (kind.tokens > 0).then_some(kind.left_out)
        })
    }

    /// Counts one that is left out in any case.
    pub fn leave_out(&mut self, of: K, now: Instant) {
        self.leave_out_all(of, 1, now);
    }

    /// Counts so many.
    pub fn leave_out_all(&mut self, of: K, many: u64, now: Instant) {
        if let Some(kind) = self.kind(of, now) {
            kind.left_out = kind.left_out.saturating_add(many);
        }
    }

    /// Where one is counted; `None` when that is nowhere.
    fn kind(&mut self, of: K, now: Instant) -> Option<&mut Kind> {
        let pace = self.pace;
        self.sweep(now);
        if self.kinds.len() < pace.room || self.kinds.contains_key(&of) {
            return Some(self.kinds.entry(of).or_insert_with(|| Kind::full(&pace, now)));
        }
        (pace.beyond == Beyond::One).then_some(&mut self.rest)
    }

    /// Forgets kinds that have all of theirs again; when there is no room, and once a period at most.
    fn sweep(&mut self, now: Instant) {
        let pace = self.pace;
        if self.kinds.len() < pace.room || now.saturating_duration_since(self.swept) < pace.every {
            return;
        }
        self.swept = now;
        let (full_again, rest) = (pace.every * pace.burst, &mut self.rest);
        self.kinds.retain(|_, kind| {
            let stays = now.saturating_duration_since(kind.filled) < full_again;
            rest.left_out += if stays { 0 } else { kind.left_out };
            stays
        });
    }
}

impl Kind {
    fn full(pace: &Pace, now: Instant) -> Self {
        Self { tokens: pace.burst, filled: now, left_out: 0 }
    }

    fn fill(&mut self, pace: &Pace, now: Instant) {
        let since = now.saturating_duration_since(self.filled);
        let periods = since.as_nanos() / pace.every.as_nanos().max(1);
        let more = u32::try_from(periods).unwrap_or(u32::MAX);
        if self.tokens.saturating_add(more) >= pace.burst {
            (self.tokens, self.filled) = (pace.burst, now);
        } else {
            self.tokens += more;
            self.filled += pace.every * more;
        }
    }

    fn admit(&mut self, pace: &Pace, now: Instant) -> Option<u64> {
        self.fill(pace, now);
        if self.tokens == 0 {
            self.left_out += 1;
            return None;
        }
        self.tokens -= 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(60);
    const PACE: Pace = Pace { burst: 20, every: EVERY, room: 1_000, beyond: Beyond::One };

    #[test]
    fn a_flood_leaves_one_record_each_period_and_loses_no_count() {
        let (mut refusals, now) = (Refusals::new(PACE), Instant::now());
        let written = (0..10_000).filter(|_| refusals.admit("cert-untrusted", now).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(refusals.admit("ike-auth-mismatch", now), Some(0), "another kind has its own room");
        refusals.leave_out_all("cert-untrusted", 20, now);
        assert_eq!(refusals.admit("cert-untrusted", now + EVERY), Some(10_000));
        assert_eq!(refusals.admit("cert-untrusted", now + EVERY), None);
    }

    #[test]
    fn kinds_without_end_take_no_memory_without_end_and_are_one_kind_together() {
        let (mut refusals, now) = (Refusals::new(PACE), Instant::now());
        let admitted = (0..5_000).filter(|kind| refusals.admit(*kind, now).is_some()).count();
        assert_eq!((admitted, refusals.kinds.len()), (1_020, 1_000));
        assert_eq!(refusals.admit(0, now), Some(0), "those before keep what is theirs");
        assert_eq!(refusals.admit(5_000, now + EVERY), Some(3_980));
        let later = now + EVERY * 21;
        assert_eq!(refusals.admit(5_000, later), Some(0), "the others are forgotten");
        assert_eq!(refusals.kinds.len(), 1);
    }

    #[test]
    fn those_that_are_let_through_beyond_the_room_are_as_many_as_come() {
        let pace = Pace { beyond: Beyond::Through, ..PACE };
        let (mut refusals, now) = (Refusals::new(pace), Instant::now());
        let admitted = (0..5_000).filter(|kind| refusals.admit(*kind, now).is_some()).count();
        assert_eq!((admitted, refusals.kinds.len()), (5_000, 1_000));
    }

    #[test]
    fn a_look_takes_nothing_and_what_is_left_out_is_told_later() {
        let (mut refusals, now) = (Refusals::new(PACE), Instant::now());
        (0..100).for_each(|_| assert_eq!(refusals.would_admit("lost", now), Some(0)));
        (0..20).for_each(|_| assert_eq!(refusals.admit("lost", now), Some(0)));
        assert_eq!(refusals.would_admit("lost", now), None);
        refusals.leave_out("lost", now);
        let half = EVERY + EVERY / 2;
        assert_eq!(refusals.admit("lost", now + half), Some(1));
        assert_eq!(refusals.admit("lost", now + EVERY * 2), Some(0), "half a period was not lost");
    }
}
