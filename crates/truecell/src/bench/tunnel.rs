mod cost;
mod ends;
mod iperf;
mod pipe;
mod round_trips;

use super::{Lacks, Row, Runs, charon::Charon, process::said, work::Work};
use crate::{folder::Folder, output::Output};
use anyhow::{Context, ensure};
use clap::Args;
use cost::Cost;
use ends::{Ends, World};
use iperf::Direction;
use round_trips::RoundTrips;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::{path::Path, process::Command};

#[derive(Debug, Args)]
pub(crate) struct Tunnel {
    /// Runs, each of every pair of ends in turn
    #[arg(long, default_value_t = 5, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// How long data goes in each run: up, down, and down beside round trips
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,

    /// Tunnels of our gateway, at most, when its CPU time for each packet is looked at; 0 to leave that out
    #[arg(long, default_value_t = 10_000, value_name = "COUNT")]
    tunnels: u32,

    /// Datagrams in each run of that
    #[arg(long, default_value_t = 200_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    datagrams: u32,

    /// Leave charon out
    #[arg(long)]
    alone: bool,
}

const BENCH: &str = "tunnel";
/// All that runs shares these: two ends, and who sends and receives.
const PROCESSORS: usize = 2;
/// While round trips are measured: of what TCP down to the unit has carried in the same run between the first ends,
/// charon's where it is measured. So all ends have one load.
const LOAD: f64 = 0.1;

/// What a pair of ends shows in all its runs.
struct Shown {
    ends: Ends,
    /// Gbit/s.
    uplink: Runs,
    downlink: Runs,
    /// Microseconds.
    median: Runs,
    p99: Runs,
}

impl Tunnel {
    /// Measures on two processors, with all files in a folder below `parent`.
    ///
    /// # Errors
    /// Why there is no figure.
    pub(crate) fn measure(&self, parent: Option<&Path>, output: &Output) -> anyhow::Result<Vec<Row>> {
        ensure!(rustix::process::geteuid().is_root(), Lacks::Root);
        for [tool, version] in [["iperf3", "--version"], ["nsenter", "--version"], ["ip", "-V"]] {
            said(Command::new(tool).arg(version)).context(Lacks::Tool(tool))?;
        }
        pin()?;
        let folder = Folder::make(parent, "truecell-bench")?;
        let mut rows = self.ends(&folder, output)?;
        if self.tunnels > 0 {
            let Self { datagrams, runs, tunnels, .. } = *self;
            rows.extend(Cost { datagrams, runs, tunnels }.measure(BENCH, &folder.path().join("cost"))?);
        }
        Ok(rows)
    }

    fn ends(&self, folder: &Folder, output: &Output) -> anyhow::Result<Vec<Row>> {
        let charon = if self.alone { None } else { self.charon(folder, output) };
        let world = World::make(&folder.path().join("ends"), charon)?;
        let mut shown: Vec<_> = world.ends().into_iter().map(Shown::nothing_of).collect();
        let mut work = Work::new(self.runs as usize * shown.len());
        for _ in 0..self.runs {
            let mut load = None;
            for shown in &mut shown {
                self.run(&world, shown, &mut load)?;
                work.one_done();
            }
        }
        Ok(rows(&world, &shown))
    }

    fn charon(&self, folder: &Folder, output: &Output) -> Option<Charon> {
        let found = Charon::find(folder.path().join("charon"));
        found.map_err(|why| output.note(&format!("charon is left out: {why}"))).ok()
    }

    /// `load`: Gbit/s beside round trips; the first ends of a run set it.
    fn run(&self, world: &World, shown: &mut Shown, load: &mut Option<f64>) -> anyhow::Result<()> {
        let tunnel = world.stand(shown.ends)?;
        shown.uplink.push(iperf::tcp(&tunnel.link, Direction::Uplink, self.seconds)?);
        let downlink = iperf::tcp(&tunnel.link, Direction::Downlink, self.seconds)?;
        shown.downlink.push(downlink);
        let load = *load.get_or_insert(downlink * LOAD);
        let trips = RoundTrips::under(&tunnel.link, load, self.seconds)?;
        shown.median.push(trips.percentile(50)?);
        shown.p99.push(trips.percentile(99)?);
        Ok(())
    }
}

impl Shown {
    fn nothing_of(ends: Ends) -> Self {
        let [uplink, downlink, median, p99] = [(); 4].map(|()| Runs::default());
        Self { ends, uplink, downlink, median, p99 }
    }

    /// What the figures are of, their unit, and each run's.
    fn figures(&self) -> [(&'static str, &'static str, &Runs); 4] {
        [
            ("TCP uplink", "Gbit/s", &self.uplink),
            ("TCP downlink", "Gbit/s", &self.downlink),
            ("round trip at one load, median", "us", &self.median),
            ("round trip at one load, 99 of 100", "us", &self.p99),
        ]
    }
}

/// Ours beside each other pair that was measured.
fn rows(world: &World, shown: &[Shown]) -> Vec<Row> {
    let of = |ends: Ends| shown.iter().find(|shown| shown.ends == ends);
    let pairs = [(Ends::Ours, Ends::Bare), (Ends::Ours, Ends::Charon), (Ends::OursAndCharon, Ends::Charon)];
    let beside = |(ends, peer): (Ends, Ends)| {
        let (ours, its) = (of(ends)?.figures(), of(peer)?.figures());
        Some(ours.into_iter().zip(its).map(move |((what, unit, runs), (_, _, its))| {
            let row = Row::new(BENCH, format!("{what}, {}", world.name(ends)), unit, runs.clone());
            row.beside(world.name(peer), its.clone())
        }))
    };
    pairs.into_iter().filter_map(beside).flatten().collect()
}

/// Leaves the first two of the processors that it may use to this process and what it starts.
fn pin() -> anyhow::Result<()> {
    let mine = sched_getaffinity(None)?;
    let mut both = CpuSet::new();
    (0..CpuSet::MAX_CPU).filter(|cpu| mine.is_set(*cpu)).take(PROCESSORS).for_each(|cpu| both.set(cpu));
    Ok(sched_setaffinity(None, &both)?)
}
