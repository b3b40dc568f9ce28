//! Gateway and femtocells on a bad network in virtual time. A seed draws everything that happens; a
//! small model says what must hold.
//!
//! `IKE_SIM_SEEDS` sets how many seeds are run, `IKE_SIM_FROM` the first of them; `IKE_SIM_SEED` replays one with
//! its trace.
#![allow(clippy::disallowed_methods, reason = "virtual time begins at some time")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod draw;
mod model;
mod tally;
mod toy;
mod world;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};
use tally::Tally;
use world::World;

/// Runs one seed; a broken rule is named with the seed that breaks it.
fn run(seed: u64, trace: bool) -> Result<Tally, String> {
    let outcome = std::panic::catch_unwind(|| {
        let mut world = World::new(seed, trace);
        world.play();
        world.into_results()
    });
    match outcome {
        Ok((tally, broken)) if broken.is_empty() => Ok(tally),
        Ok((_, broken)) => Err(broken.join("\n  ")),
        Err(_) => Err("panicked".to_owned()),
    }
}

/// What some seeds did: in how many of them each thing happened, and those that broke a rule.
#[derive(Default)]
struct Runs {
    happened: BTreeMap<&'static str, u64>,
    failed: Vec<String>,
}

impl Runs {
    fn run(&mut self, seed: u64) {
        match run(seed, false) {
            Ok(tally) => tally.names().for_each(|what| *self.happened.entry(what).or_default() += 1),
            Err(why) => self.failed.push(format!("IKE_SIM_SEED={seed}: {why}")),
        }
    }

    fn add(mut self, other: Self) -> Self {
        other.happened.into_iter().for_each(|(what, seeds)| *self.happened.entry(what).or_default() += seeds);
        self.failed.extend(other.failed);
        self
    }
}

/// Runs that many seeds on all CPUs; stops early when several fail.
fn run_all(seeds: u64) -> Runs {
    let next = AtomicU64::new(number("IKE_SIM_FROM").unwrap_or(0));
    let end = next.load(Ordering::Relaxed) + seeds;
    let work = || {
        let mut runs = Runs::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || runs.failed.len() >= 3 {
                return runs;
            }
            runs.run(seed);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).fold(Runs::default(), Runs::add)
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn what_must_hold_holds_for_every_seed_and_everything_happens() {
    if let Some(seed) = number("IKE_SIM_SEED") {
        assert!(run(seed, true).map_err(|why| println!("{why}")).is_ok());
        return;
    }
    let seeds = number("IKE_SIM_SEEDS").unwrap_or(10_000);
    let runs = run_all(seeds);
    assert!(runs.failed.is_empty(), "{}", runs.failed.join("\n"));
    println!("in how many of {seeds} seeds: {:#?}", runs.happened);
    if seeds < 1_000 {
        return; // too few to have everything
    }
    for (what, in_thousand) in tally::EXPECTED {
        let happened = runs.happened.get(what).copied().unwrap_or(0);
        assert!(happened * 1_000 >= in_thousand * seeds, "{what}: in {happened} of {seeds} seeds");
    }
}

#[test]
fn a_seed_plays_the_same_every_time() {
    for seed in [3, 77, 4_242] {
        let digests = [0, 1].map(|_| {
            let mut world = World::new(seed, false);
            world.play();
            world.digest()
        });
        assert_eq!(digests[0], digests[1], "seed {seed}");
    }
}
