mod carrier;

use super::{Row, Runs, work::Work};
use crate::folder::Folder;
use anyhow::Context;
use carrier::Carrier;
use clap::Args;
use detect::{Bounds, Feed, Finding, Setup};
use intake::{Given, Intake, LedgerAs, Paths, Summary, Terms, Told};
use lake::{Input, Kind, Options, Source};
use rustix::time::{ClockId, clock_gettime};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

#[derive(Debug, Args)]
pub(crate) struct Detect {
    /// Seconds of a carrier's records, 115,000 in each
    #[arg(long, default_value_t = 200, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seconds: u64,

    /// Femtocells
    #[arg(long, default_value_t = 200_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=200_000))]
    units: u32,

    /// Subscribers
    #[arg(long, default_value_t = 10_000_000, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=12_000_000))]
    subscribers: u64,

    /// Seconds of the machine's time between two checkpoints
    #[arg(long, default_value_t = 60, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint: u64,
}

const BENCH: &str = "detect";
/// How late rows may be, and how silent a feed.
const LATENESS: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(3600);

/// Counts what it is told.
#[derive(Default)]
struct Count {
    findings: u64,
    commits: u64,
}

impl Told for Count {
    fn findings(&mut self, found: &[Finding]) -> Result<(), String> {
        self.findings += found.len() as u64;
        Ok(())
    }

    fn committed(&mut self, _number: u64, _judged_until: ids::UnixTime) {
        self.commits += 1;
    }
}

impl Detect {
    /// Measures, with all files in a folder below `parent`.
    ///
    /// # Errors
    /// Why there is no figure.
    pub(crate) fn measure(&self, parent: Option<&Path>) -> anyhow::Result<Vec<Row>> {
        let folder = Folder::make(parent, "truecell-bench")?;
        let mut work = Work::new(self.seconds as usize + 2);
        let mut carrier = Carrier::new(self.units, self.subscribers);
        carrier.write_ledger(&folder.path().join("journal"))?;
        let sources = carrier.write_rows(&folder.path().join("rows"), self.seconds, || work.one_done())?;
        let bare = rows_alone(&sources)?;
        work.one_done();
        forget_peak()?;
        let (began, used) = (Instant::now(), cpu());
        let (summary, count) = self.take(folder.path(), &sources, &carrier)?;
        let (took, used) = (began.elapsed(), cpu() - used);
        let peak = peak()?;
        work.one_done();
        let access = summary.read.rows.get(&Kind::Access).copied().unwrap_or_default() as f64;
        let row = |what: &str, unit, value: f64| Row::new(BENCH, what, unit, Runs::from_iter([value]));
        let rate = row("access records judged, lake written", "1/s", access / took.as_secs_f64());
        Ok(vec![
            rate.beside("the same files read, and nothing else".into(), Runs::from_iter([bare])),
            row("the same, CPU of both threads", "us", used.as_secs_f64() * 1e6 / access),
            row("access records", "count", access),
            row("time", "s", took.as_secs_f64()),
            row("memory at most", "MiB", peak / 1024.0),
            row("lake", "octets a record", summary.read.octets as f64 / access),
            row("checkpoints", "count", count.commits as f64),
            row("findings", "count", count.findings as f64),
            row("judged", "count", summary.judged.counts.judged as f64),
        ])
    }

    fn take(
        &self,
        folder: &Path,
        sources: &[PathBuf],
        carrier: &Carrier,
    ) -> anyhow::Result<(Summary, Count)> {
        let feed = |name: &ids::Label| Feed { name: name.clone(), lateness: LATENESS, silence: SILENCE };
        let feeds = carrier.feeds().map(feed).chain([intake::ledger_feed()]).collect();
        let terms = Terms {
            setup: Setup { start: carrier.start(), feeds, bounds: Bounds::default() },
            every: Duration::from_secs(self.checkpoint),
            ledger: LedgerAs::Then,
            ends: true,
        };
        let paths = Paths {
            lake: folder.join("lake"),
            journal: folder.join("journal"),
            commits: folder.join("detect"),
        };
        let stops = AtomicBool::new(false);
        let sources = sources.iter().map(|path| (Input::Path(path.clone()), Options::default())).collect();
        let mut count = Count::default();
        let given = Given { sources, follows: false, stops: &stops };
        let summary = Intake::open(paths, terms)?.run(&given, &mut count)?;
        Ok((summary, count))
    }
}

/// Access records a second that one processor reads from the same files, and does nothing else.
fn rows_alone(sources: &[PathBuf]) -> anyhow::Result<f64> {
    let (began, mut rows) = (Instant::now(), 0_u64);
    for path in sources {
        for entry in Source::open(Input::Path(path.clone()), Options::default())? {
            rows += u64::from(entry?.kind() == Kind::Access);
        }
    }
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

/// What this process has used of processors.
fn cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec as u32)
}

/// The most memory counts from now on (proc(5): /proc/PID/clear_refs).
fn forget_peak() -> anyhow::Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("the peak of memory cannot be set back")
}

/// The most memory that this process had, KiB.
fn peak() -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let value = line.and_then(|line| line.trim().strip_suffix("kB")).context("no VmHWM")?;
    Ok(value.trim().parse()?)
}
