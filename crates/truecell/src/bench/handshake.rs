use super::{
    Row, Runs,
    charon::Charon,
    estate::{Estate, Site},
    process::GatewayProcess,
    serve::serve,
    work::Work,
};
use crate::{folder::Folder, output::Output};
use clap::Args;
use lab::{Load, UnitIdentity};
use std::{collections::BTreeMap, path::Path, thread, time::Duration};

#[derive(Debug, Args)]
pub(crate) struct Handshake {
    /// Units that attach in each run
    #[arg(long, default_value_t = 5000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    attaches: u32,

    /// Of these, how many at a time
    #[arg(long, default_value_t = 64, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=65_025))]
    in_flight: u32,

    /// Runs, each with a gateway that was just started
    #[arg(long, default_value_t = 5, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Idle tunnels whose memory is looked at, less an eleventh of them that are there before; 0 for none
    #[arg(long, default_value_t = 11_000, value_name = "COUNT", value_parser = tunnels)]
    tunnels: u32,

    /// For how long they are idle before that: key schedules are let go after 60 s without a packet, the
    /// last response after 180 s
    #[arg(long, default_value_t = 200, value_name = "SECONDS")]
    rest: u32,

    /// Leave charon out
    #[arg(long)]
    alone: bool,
}

const BENCH: &str = "handshake";

fn tunnels(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(1..11) => Err("fewer than 11 show no slope".into()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}")),
    }
}

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
        let estate = Estate::make(folder.path(), Site::Loopback, self.units(), || work.one_done())?;
        let (mut ours, mut its) = (Shown::default(), Shown::default());
        for _ in 0..self.runs {
            self.attach(serve(&estate)?, &estate, &mut ours, &mut work)?;
            if let Some(charon) = &charon {
                self.attach(charon.start(&estate)?, &estate, &mut its, &mut work)?;
            }
        }
        if self.tunnels > 0 {
            let mut gateways = vec![serve(&estate)?];
            gateways.extend(charon.as_ref().map(|charon| charon.start(&estate)).transpose()?);
            let idle = self.idle(&gateways, &estate, &mut work)?;
            for (shown, idle) in [&mut ours, &mut its].into_iter().zip(idle) {
                shown.idle.push(idle);
            }
            gateways.into_iter().try_for_each(|gateway| gateway.process.stop())?;
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
        let before = gateway.process.cpu()?;
        load.attach(measured, || work.one_done())?;
        thread::sleep(SETTLED);
        let spent = gateway.process.cpu()?.since(&before);
        let each = |spent: Duration| spent.as_secs_f64() * 1000.0 / f64::from(self.attaches);
        shown.cpu.push(each(spent.values().sum()));
        for (thread, spent) in spent {
            shown.threads.entry(thread).or_default().push(each(spent));
        }
        gateway.process.stop()
    }

    /// Memory for each tunnel of each gateway, between an eleventh of them and all; they rest at the same time.
    fn idle(
        &self,
        gateways: &[GatewayProcess],
        estate: &Estate,
        work: &mut Work,
    ) -> anyhow::Result<Vec<f64>> {
        let all = estate.units.get(..self.tunnels as usize).unwrap_or_default();
        let (few, rest) = all.split_at(all.len() / 11);
        let mut loads = self.loads(gateways)?;
        let mut resident_with = |units: &[UnitIdentity]| {
            loads.iter_mut().try_for_each(|load| load.attach(units, || work.one_done()))?;
            thread::sleep(SETTLED.max(Duration::from_secs(self.rest.into())));
            gateways.iter().map(|gateway| gateway.process.resident()).collect::<anyhow::Result<Vec<_>>>()
        };
        let (before, after) = (resident_with(few)?, resident_with(rest)?);
        let each = |(before, after): (f64, f64)| (after - before) / rest.len() as f64;
        Ok(before.into_iter().zip(after).map(each).collect())
    }

    fn loads(&self, gateways: &[GatewayProcess]) -> anyhow::Result<Vec<Load>> {
        gateways.iter().map(|gateway| gateway.load(self.in_flight as usize)).collect()
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
