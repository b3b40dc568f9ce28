//! How well the detectors find what they are for, and whom they accuse: scenarios with many seeds, with all records and without some,
//! beside what a carrier would have without them, judged by the same truth.
//!
//! docs/detectors.md says what counts. The scenarios are those with which thresholds were chosen: this is no test on cases that nobody
//! had seen.

mod due;
mod missing;
mod payments;
mod percent;
mod play;
mod said;
mod tally;
mod unknown_ids;

pub use due::{DUE, DueRule};
pub use missing::Missing;
pub use payments::PAYMENTS;
pub use percent::Share;
pub use tally::{Accused, Case, Missed, Row, Score, Times, Worst};
pub use unknown_ids::UNKNOWN_IDS;

use crate::scenario::{BadScenario, Scenario};
use play::{Played, play};
use std::{
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// All detectors but `feed_gap`, as one.
pub const ANY: &str = "any";

/// A scenario with its name.
#[derive(Clone, Debug)]
pub struct Named {
    /// What it is called.
    pub name: String,
    /// It.
    pub scenario: Scenario,
}

/// How often each scenario is played: with each seed, for each of [`Missing::ALL`].
pub fn runs(scenarios: &[Named], seeds: u32) -> usize {
    scenarios.len() * seeds as usize * Missing::ALL.len()
}

/// Plays each scenario with `seeds` seeds from `first` on, on all processors, and keeps score. `done` hears of each run.
///
/// # Errors
/// [`BadScenario`] of the first that cannot be played.
pub fn score(
    scenarios: &[Named],
    first: u32,
    seeds: u32,
    done: &(dyn Fn() + Sync),
) -> Result<Score, BadScenario> {
    let next = AtomicUsize::new(0);
    let all = runs(scenarios, seeds);
    let work = || {
        let mut played = Vec::new();
        loop {
            let run = next.fetch_add(1, Ordering::Relaxed);
            let Some((missing, at, seed)) = numbered(run, scenarios.len(), seeds) else { return played };
            let Some(named) = scenarios.get(at) else { return played };
            let of = play(&named.scenario, u64::from(first) + u64::from(seed), missing);
            played.push((run, of));
            done();
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(all);
    let mut played: Vec<(usize, Result<Played, BadScenario>)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    played.sort_unstable_by_key(|(run, _)| *run);
    let mut played = played.into_iter().map(|(_, played)| played);
    let mut case = |missing: &Missing| -> Result<Case, BadScenario> {
        let of_case = played.by_ref().take(scenarios.len() * seeds as usize);
        let of_case = of_case.collect::<Result<Vec<_>, BadScenario>>()?;
        let names = scenarios.iter().flat_map(|named| (0..seeds).map(|_| named.name.as_str()));
        Ok(Case::of(*missing, names.zip(&of_case)))
    };
    let cases = Missing::ALL.iter().map(&mut case).collect::<Result<_, _>>()?;
    Ok(Score { first_seed: first, seeds, cases })
}

/// Which run that is: what is missing, which scenario, which seed.
fn numbered(run: usize, scenarios: usize, seeds: u32) -> Option<(Missing, usize, u32)> {
    let seeds = seeds as usize;
    let missing = Missing::ALL.get(run / seeds.checked_mul(scenarios).filter(|runs| *runs > 0)?)?;
    Some((*missing, run / seeds % scenarios, (run % seeds) as u32))
}

#[cfg(test)]
mod tests;
