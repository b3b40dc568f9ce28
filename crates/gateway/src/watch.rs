//! Whether the data threads still come round: seen from outside, and waited for by nobody.

use crate::shard::ShardCounters;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// What a data thread shows of itself.
#[derive(Default)]
pub(crate) struct Pulse {
    rounds: AtomicU64,
}

impl Pulse {
    /// The thread comes round: at least every 2 s.
    pub(crate) fn beat(&self) {
        self.rounds.store(self.rounds.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

/// Whoever looks at the data threads.
pub(crate) struct Watch {
    shards: Vec<Watched>,
}

struct Watched {
    counters: Arc<ShardCounters>,
    rounds: u64,
    since: Instant,
}

/// A thread that has not come round for so long is stuck: two of its longest sleeps, and one second.
const STUCK_AFTER: Duration = Duration::from_secs(5);

impl Watch {
    pub(crate) fn new(shards: &[Arc<ShardCounters>], now: Instant) -> Self {
        let watched =
            |counters: &Arc<ShardCounters>| Watched { counters: counters.clone(), rounds: 0, since: now };
        Self { shards: shards.iter().map(watched).collect() }
    }

    /// Which threads are stuck, in words; `None` when all come round. Call every second.
    pub(crate) fn stuck(&mut self, now: Instant) -> Option<String> {
        let times = self.shards.iter_mut().map(|shard| shard.still_for(now)).enumerate();
        let stuck = times.filter(|(_, still)| *still >= STUCK_AFTER);
        let said = |(shard, still): (usize, Duration)| {
            format!("data-{shard} stands still for {} s", still.as_secs())
        };
        let stuck: Vec<_> = stuck.map(said).collect();
        (!stuck.is_empty()).then(|| stuck.join("; "))
    }
}

impl Watched {
    fn still_for(&mut self, now: Instant) -> Duration {
        let rounds = self.counters.pulse.rounds.load(Relaxed);
        if rounds != self.rounds {
            (self.rounds, self.since) = (rounds, now);
        }
        now.saturating_duration_since(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_does_not_come_round_is_named_until_it_does() {
        let (shards, start) = ([Arc::default(), Arc::<ShardCounters>::default()], Instant::now());
        let mut watch = Watch::new(&shards, start);
        let after = |seconds| start + Duration::from_secs(seconds);
        shards[0].pulse.beat();
        shards[1].pulse.beat();
        assert_eq!((watch.stuck(after(1)), watch.stuck(after(5))), (None, None));
        shards[0].pulse.beat();
        assert_eq!(watch.stuck(after(6)).unwrap(), "data-1 stands still for 5 s");
        shards[1].pulse.beat();
        assert_eq!(watch.stuck(after(7)), None);
    }

    #[test]
    fn a_thread_that_never_began_is_stuck_too() {
        let start = Instant::now();
        let mut watch = Watch::new(&[Arc::default()], start);
        assert!(watch.stuck(start + STUCK_AFTER).is_some());
    }
}
