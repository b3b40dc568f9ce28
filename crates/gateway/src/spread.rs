//! How long something took, many times over: counts by length, with steps of a fifth.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Steps in each doubling.
const STEPS: u32 = 4;
/// The shortest that is told apart, microseconds.
const FIRST: f64 = 16.0;
/// Steps up to 16 s; what is longer counts with the last.
const ALL: usize = 20 * STEPS as usize + 1;

/// Counts by length. One writer, read by anyone.
pub(crate) struct Spread([AtomicU64; ALL]);

impl Default for Spread {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; ALL])
    }
}

impl Spread {
    /// It took so long once more.
    pub(crate) fn count(&self, took: Duration) {
        let micros = took.as_secs_f64() * 1e6;
        // A length is positive and bounded by the last step.
        let step = ((micros / FIRST).max(1.0).log2() * f64::from(STEPS)).ceil() as usize;
        if let Some(count) = self.0.get(step.min(ALL - 1)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// How many took longer than the step before and at most so many microseconds, for each step that has any.
    pub(crate) fn view(&self) -> Vec<(u64, u64)> {
        let steps = self.0.iter().enumerate().map(|(step, count)| (at_most(step), count.load(Relaxed)));
        steps.filter(|(_, count)| *count > 0).collect()
    }
}

/// Microseconds.
fn at_most(step: usize) -> u64 {
    // At most 2^24.
    (FIRST * (step as f64 / f64::from(STEPS)).exp2()).ceil() as u64
}

/// The length that `part` of all (0 to 1) kept to, as far as the steps tell; `None` where there is none.
pub fn quantile(spread: &[(u64, u64)], part: f64) -> Option<Duration> {
    let all: u64 = spread.iter().map(|(_, count)| count).sum();
    let wanted = part * all as f64;
    let mut so_far = 0;
    let found = spread.iter().find(|(_, count)| {
        so_far += count;
        so_far as f64 >= wanted
    });
    found.map(|(micros, _)| Duration::from_micros(*micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_length_counts_where_it_belongs_and_a_step_is_a_fifth(micros in 0..16_000_000_u64) {
            let spread = Spread::default();
            spread.count(Duration::from_micros(micros));
            let [(at_most, 1)] = spread.view()[..] else { panic!("one step has one") };
            prop_assert!(micros <= at_most);
            prop_assert!(at_most <= 16 || at_most as f64 <= micros as f64 * 1.19 + 2.0, "{micros} in {at_most}");
        }
    }

    #[test]
    fn ninety_nine_of_a_hundred_and_what_is_beyond_the_last_step() {
        let spread = Spread::default();
        (0..99).for_each(|_| spread.count(Duration::from_micros(100)));
        spread.count(Duration::from_secs(3600));
        let seen = spread.view();
        assert!(quantile(&seen, 0.99).unwrap() < Duration::from_micros(120));
        assert_eq!(quantile(&seen, 1.0), Some(Duration::from_micros(1 << 24)));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
