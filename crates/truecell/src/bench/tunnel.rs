mod iperf;
mod pipe;

use super::{
    Row, Runs,
    charon::Charon,
    estate::{Estate, Site, UnitFiles},
    network::Link,
    process::Process,
    serve,
};
use crate::{folder::Folder, output::Output, progress::Progress};
use anyhow::ensure;
use clap::Args;
use iperf::Direction;
use pipe::Pipe;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::path::Path;

#[derive(Debug, Args)]
pub(crate) struct Tunnel {
    /// Runs, each of every pair of ends in turn
    #[arg(long, default_value_t = 5, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// How long data goes one way in each run
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,

    /// Leave charon out
    #[arg(long)]
    alone: bool,
}

const BENCH: &str = "tunnel";
/// All that runs shares these: two ends, and who sends and receives.
const PROCESSORS: usize = 2;

/// Who is at the ends of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// `truecell serve` and `truecell lab unit`.
    Ours,
    /// `truecell serve` and charon.
    CharonAtOurs,
    /// Twice charon.
    Charon,
    /// [`Pipe`]
    Bare,
}

/// A tunnel that stands. The processes end before their link goes.
struct Standing {
    _ends: Vec<Process>,
    _pipe: Option<Pipe>,
    link: Link,
}

/// What the ends are made of.
struct World {
    estate: Estate,
    unit: UnitFiles,
    charon: Option<Charon>,
    /// For the files.
    _folder: Folder,
}

impl Tunnel {
    /// Measures between two network name spaces, on two processors, with all files in a folder below `parent`.
    ///
    /// # Errors
    /// Why there is no figure.
    pub(crate) fn measure(&self, parent: Option<&Path>, output: &Output) -> anyhow::Result<Vec<Row>> {
        ensure!(rustix::process::geteuid().is_root(), "it makes network name spaces, which takes root");
        pin()?;
        let world = self.world(parent, output)?;
        let pairs = world.pairs();
        let mut carried: Vec<_> =
            pairs.iter().map(|ends| (*ends, Direction::BOTH.map(|_| Runs::default()))).collect();
        let work = Progress::new(self.runs as usize * pairs.len());
        for run in 0..self.runs as usize {
            for (place, (ends, runs)) in carried.iter_mut().enumerate() {
                let tunnel = world.stand(*ends)?;
                for (direction, runs) in Direction::BOTH.into_iter().zip(runs) {
                    runs.push(iperf::tcp(&tunnel.link, direction, self.seconds)?);
                }
                work.at(run * pairs.len() + place + 1);
            }
        }
        Ok(world.throughput(&carried))
    }

    fn world(&self, parent: Option<&Path>, output: &Output) -> anyhow::Result<World> {
        let folder = Folder::make(parent, "truecell-bench")?;
        let found = if self.alone { None } else { Some(Charon::find(folder.path().join("charon"))) };
        let charon = found
            .and_then(|found| found.map_err(|why| output.note(&format!("charon is left out: {why}"))).ok());
        let estate = Estate::make(folder.path(), Site::Link, 0, || ())?;
        let unit = estate.unit_files(folder.path())?;
        Ok(World { estate, unit, charon, _folder: folder })
    }
}

impl World {
    /// Who can be measured here.
    fn pairs(&self) -> Vec<Ends> {
        let with_charon = [Ends::CharonAtOurs, Ends::Charon].into_iter().filter(|_| self.charon.is_some());
        [Ends::Ours, Ends::Bare].into_iter().chain(with_charon).collect()
    }

    /// A tunnel over a link of its own.
    fn stand(&self, ends: Ends) -> anyhow::Result<Standing> {
        let link = Link::new()?;
        let (mut processes, mut pipe) = (Vec::new(), None);
        match (ends, &self.charon) {
            (Ends::Ours, _) => {
                processes.push(serve::serve_on(&link, &self.estate)?);
                processes.push(serve::attach(&self.unit, &link)?);
            }
            (Ends::CharonAtOurs, Some(charon)) => {
                processes.push(serve::serve_on(&link, &self.estate)?);
                processes.push(charon.attach(&self.unit, &link)?);
            }
            (Ends::Charon, Some(charon)) => {
                processes.push(charon.serve(&self.estate, &link)?);
                processes.push(charon.attach(&self.unit, &link)?);
            }
            (Ends::Bare | Ends::CharonAtOurs | Ends::Charon, _) => pipe = Some(Pipe::lay(&link)?),
        }
        Ok(Standing { _ends: processes, _pipe: pipe, link })
    }

    fn throughput(&self, carried: &[(Ends, [Runs; 2])]) -> Vec<Row> {
        let of = |ends: Ends| carried.iter().find(|(who, _)| *who == ends).map(|(_, runs)| runs);
        let charon = || self.charon.as_ref().map(|charon| charon.name.clone()).unwrap_or_default();
        let comparisons = [
            (Ends::Ours, "ours at both ends", Ends::Bare, "TUN, AES-256-GCM and UDP alone".to_owned()),
            (Ends::Ours, "ours at both ends", Ends::Charon, format!("{} at both ends", charon())),
            (Ends::CharonAtOurs, "charon at ours", Ends::Charon, format!("{} at both ends", charon())),
        ];
        let row = |(who, what, peer, name): &(Ends, &str, Ends, String), direction: Direction| {
            let (ours, its) = (of(*who)?.get(direction as usize)?, of(*peer)?.get(direction as usize)?);
            let row = Row::new(BENCH, format!("TCP {}, {what}", direction.word()), "Gbit/s", ours.clone());
            Some(row.beside(name.clone(), its.clone()))
        };
        comparisons
            .iter()
            .flat_map(|comparison| Direction::BOTH.map(|direction| row(comparison, direction)))
            .flatten()
            .collect()
    }
}

/// Leaves the first two of the processors that it may use to this process and what it starts.
fn pin() -> anyhow::Result<()> {
    let mine = sched_getaffinity(None)?;
    let mut both = CpuSet::new();
    (0..CpuSet::MAX_CPU).filter(|cpu| mine.is_set(*cpu)).take(PROCESSORS).for_each(|cpu| both.set(cpu));
    Ok(sched_setaffinity(None, &both)?)
}
