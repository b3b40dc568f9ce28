//! Gateway and femtocells on a bad network in virtual time. A seed draws everything that happens; a
//! small model says what must hold.
//!
//! `IKE_SIM_SEEDS` sets how many seeds are run, `IKE_SIM_SEED` replays one of them with its trace.
#![allow(clippy::disallowed_methods, reason = "virtual time begins at some time")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod draw;
mod model;
mod toy;
mod world;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};
use world::World;

/// Runs one seed; a broken rule is named with the seed that breaks it.
fn run(seed: u64, trace: bool) -> Result<(), String> {
    let outcome = std::panic::catch_unwind(|| {
        let mut world = World::new(seed, trace);
        world.play();
        world.into_broken_rules()
    });
    match outcome {
        Ok(broken) if broken.is_empty() => Ok(()),
        Ok(broken) => Err(broken.join("\n  ")),
        Err(_) => Err("panicked".to_owned()),
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn what_must_hold_holds_for_every_seed() {
    if let Some(seed) = number("IKE_SIM_SEED") {
        assert_eq!(run(seed, true), Ok(()));
        return;
    }
    let seeds = number("IKE_SIM_SEEDS").unwrap_or(10_000);
    let next = AtomicU64::new(0);
    let work = || {
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || failed.len() >= 3 {
                return failed;
            }
            failed.extend(run(seed, false).err().map(|why| format!("IKE_SIM_SEED={seed}: {why}")));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let failed: Vec<String> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
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
