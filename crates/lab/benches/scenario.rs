//! What a player makes on one core, without any engine: an estate of so many units in towns of 1,000, for some days, as it is by default.
//! `cargo bench -p lab -- UNITS DAYS` (20,000 and 7) prints rows/s, octets and the digest.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench measures and prints"
)]

use lab::scenario::{Player, Scenario};
use std::{fs, time::Duration};

fn resident(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// CPU time of this thread so far.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse::<u32>().ok());
    let (units, days) = (numbers.next().unwrap_or(20_000), numbers.next().unwrap_or(7));
    let text = format!(
        "format = 1\nabout = \"a bench\"\nspan_d = {days}\n[estate]\nunits = {units}\ntowns = {}\ntown_km = 10\n",
        (units / 1000).clamp(1, 1024)
    );
    let scenario = Scenario::parse(&text).unwrap();
    let began = cpu();
    let mut player = Player::new(&scenario, 1).unwrap();
    let rows = (&mut player).map(std::hint::black_box).count() as u64;
    let spent = cpu() - began;
    println!(
        "{units} units, {days} days: {rows} rows in {:.1} s of CPU on one thread: {:.0} rows/s, {} ns each",
        spent.as_secs_f64(),
        rows as f64 / spent.as_secs_f64(),
        spent.as_nanos() / u128::from(rows.max(1))
    );
    println!("{:?}", player.counts());
    println!("memory: {} MB at most; digest {}", resident("VmHWM:"), player.digest());
}
