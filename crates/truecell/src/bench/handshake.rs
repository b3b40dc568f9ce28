use super::{Row, Runs, charon::Charon, estate::Estate, process::GatewayProcess, serve::serve};
use crate::{folder::Folder, output::Output, progress::Progress};
use anyhow::ensure;
use clap::Args;
use lab::UnitIdentity;
use std::{collections::BTreeMap, path::Path, thread, time::Duration};

#[derive(Debug, Args)]
pub(crate) struct Handshake {
    /// Units that attach in each run
    #[arg(long, default_value_t = 2000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    attaches: u32,

    /// Of these, how many at a time
    #[arg(long, default_value_t = 64, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=65_025))]
    in_flight: u32,

    /// Runs, each with a gateway that was just started
    #[arg(long, default_value_t = 5, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Idle tunnels at which memory is looked at for the second time, after an eleventh of them; 0: not at all
    #[arg(long, default_value_t = 11_000, value_name = "COUNT")]
    tunnels: u32,

    /// Leave charon out
    #[arg(long)]
    alone: bool,
}

const BENCH: &str = "handshake";

/// From the last attach until all that it caused is done: the journal's fsync comes within 50 ms, its
/// checkpoint within a second.
const SETTLED: Duration = Duration::from_millis(1100);

/// What a gateway shows in all its runs.
#[derive(Default)]
struct Shown {
    /// Milliseconds for each attach.
    cpu: Runs,
    /// The same by thread.
    threads: BTreeMap<String, Runs>,
    /// KiB for each idle tunnel.
    idle: Runs,
}

impl Handshake {
    /// Measures, with all files in a folder below `parent`.
    ///
    /// # Errors
    /// Why there is no figure.
    pub(crate) fn measure(&self, parent: Option<&Path>, output: &Output) -> anyhow::Result<Vec<Row>> {
        let folder = Folder::make(parent, "truecell-bench")?;
        let charon = if self.alone { None } else { self.charon(&folder, output) };
        let mut work = Work::new(self.units() + self.attached() * if charon.is_some() { 2 } else { 1 });
        let estate = Estate::make(folder.path(), self.units(), || work.one_done())?;
        let (mut ours, mut its) = (Shown::default(), Shown::default());
        for _ in 0..self.runs {
            self.attach(serve(&estate)?, &estate, &mut ours, &mut work)?;
            if let Some(charon) = &charon {
                self.attach(charon.start(&estate)?, &estate, &mut its, &mut work)?;
            }
        }
        if self.tunnels > 0 {
            self.idle(serve(&estate)?, &estate, &mut ours, &mut work)?;
            if let Some(charon) = &charon {
                self.idle(charon.start(&estate)?, &estate, &mut its, &mut work)?;
            }
        }
        Ok(rows(ours, charon.map(|charon| (charon.name, its))))
    }

    fn charon(&self, folder: &Folder, output: &Output) -> Option<Charon> {
        let found = Charon::find(folder.path().join("charon"));
        found.map_err(|why| output.note(&format!("charon is left out: {why}"))).ok()
    }

    /// Devices that are needed.
    fn units(&self) -> usize {
        (self.in_flight + self.attaches).max(self.tunnels) as usize
    }

    /// Attaches of one gateway.
    fn attached(&self) -> usize {
        ((self.in_flight + self.attaches) * self.runs + self.tunnels) as usize
    }

    /// CPU time for each attach, once as many as are in flight have warmed the gateway up.
    fn attach(
        &self,
        gateway: GatewayProcess,
        estate: &Estate,
        shown: &mut Shown,
        work: &mut Work,
    ) -> anyhow::Result<()> {
        let (first, rest) = estate.units.split_at(self.in_flight as usize);
        let measured = rest.get(..self.attaches as usize).unwrap_or_default();
        let mut load = gateway.load(self.in_flight as usize)?;
        load.attach(first, || work.one_done())?;
        thread::sleep(SETTLED);
        let before = gateway.cpu()?;
        load.attach(measured, || work.one_done())?;
        thread::sleep(SETTLED);
        let spent = gateway.cpu()?.since(&before);
        let each = |spent: Duration| spent.as_secs_f64() * 1000.0 / f64::from(self.attaches);
        shown.cpu.push(each(spent.values().sum()));
        for (thread, spent) in spent {
            shown.threads.entry(thread).or_default().push(each(spent));
        }
        gateway.stop()
    }

    /// Memory for each tunnel between an eleventh of them and all.
    fn idle(
        &self,
        gateway: GatewayProcess,
        estate: &Estate,
        shown: &mut Shown,
        work: &mut Work,
    ) -> anyhow::Result<()> {
        let (few, all) = (self.tunnels as usize / 11, self.tunnels as usize);
        ensure!(few > 0, "fewer than 11 tunnels show no slope");
        let mut load = gateway.load(self.in_flight as usize)?;
        let mut resident_with = |units: &[UnitIdentity]| {
            load.attach(units, || work.one_done())?;
            thread::sleep(SETTLED);
            gateway.resident()
        };
        let before = resident_with(estate.units.get(..few).unwrap_or_default())?;
        let after = resident_with(estate.units.get(few..all).unwrap_or_default())?;
        shown.idle.push((after - before) / (all - few) as f64);
        gateway.stop()
    }
}

fn rows(ours: Shown, peer: Option<(String, Shown)>) -> Vec<Row> {
    let attach = Row::new(BENCH, "attach", "ms of CPU", ours.cpu);
    let threads = ours.threads.into_iter();
    let threads =
        threads.map(|(name, runs)| Row::new(BENCH, format!("attach, thread {name}"), "ms of CPU", runs));
    let idle = Row::new(BENCH, "idle tunnel", "KiB", ours.idle);
    let (attach, idle) = match peer {
        Some((name, its)) => (attach.beside(name.clone(), its.cpu), idle.beside(name, its.idle)),
        None => (attach, idle),
    };
    let rows = std::iter::once(attach).chain(threads).chain([idle]);
    rows.filter(|row| row.value.is_some()).collect()
}

/// How much is done, on the terminal.
struct Work {
    bar: Progress,
    done: usize,
}

impl Work {
    fn new(total: usize) -> Self {
        Self { bar: Progress::new(total), done: 0 }
    }

    fn one_done(&mut self) {
        self.done += 1;
        self.bar.at(self.done);
    }
}
