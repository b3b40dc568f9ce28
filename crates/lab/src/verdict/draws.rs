use super::rates::Rate;
use chacha20::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use std::time::Duration;

/// Draws of one actor: the same for the same seed, whatever the others draw.
pub(super) struct Draws(ChaCha8Rng);

impl Draws {
    pub(super) fn new(seed: u64, actor: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(actor);
        Self(rng)
    }

    /// From 0 to below 1.
    pub(super) fn share(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn below(&mut self, bound: u32) -> u32 {
        (self.share() * f64::from(bound)) as u32
    }

    /// A rate in per cent.
    pub(super) fn happens(&mut self, rate: Rate) -> bool {
        self.share() * 100.0 < rate.value
    }

    /// A mean in minutes.
    pub(super) fn minutes(&mut self, mean: Rate) -> Duration {
        self.exponential(mean.value * 60.0)
    }

    /// Until something happens next that happens so often a day.
    pub(super) fn until(&mut self, rate: Rate) -> Duration {
        self.exponential(86_400.0 / rate.value)
    }

    fn exponential(&mut self, mean: f64) -> Duration {
        Duration::from_secs_f64(-mean * (1.0 - self.share()).ln())
    }
}
