use super::{
    Row, Runs,
    estate::{Estate, Site},
    open_files,
    process::{GatewayProcess, Process},
    serve::{self, serve},
    work::Work,
};
use crate::folder::Folder;
use anyhow::{Context, anyhow};
use clap::Args;
use lab::{Arrivals, Load, Pressed, UnitIdentity};
use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

#[derive(Debug, Args)]
pub(crate) struct Flood {
    /// IKE_SA_INIT a second from addresses that hear no answer
    #[arg(long, default_value_t = 50_000, value_name = "COUNT")]
    spoofed: u32,

    /// Attempts a second with copies of the keys of lost units
    #[arg(long, default_value_t = 5_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(..=7_000))]
    copies: u32,

    /// Genuine units that attach beside either, in a second
    #[arg(long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    genuine: u32,

    /// For how long
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
}

const BENCH: &str = "flood";
/// Within this time a genuine unit has to stand.
const IN_TIME: Duration = Duration::from_secs(10);
/// Few lose even one message.
const SOON: Duration = Duration::from_secs(1);
/// Addresses that hear no answer, each in a network of its own.
const SPOOFED: u16 = 4096;
/// Keys that have copies.
const KEYS: usize = 64;
/// Networks from which the copies come.
const NETWORKS: u8 = 64;
/// Between two looks at the gateway's memory.
const LOOK: Duration = Duration::from_millis(100);
/// Descriptors for all but the copies' sockets and the units'.
const OTHER_FILES: u64 = 256 + SPOOFED as u64;

/// What comes beside genuine units.
#[derive(Clone, Copy)]
enum Kind {
    Nothing,
    Spoofed,
    Copies,
}

/// The same, ready to come.
enum Beside {
    Nothing,
    Spoofed(lab::Flood),
    Copies(Box<Load>),
}

/// How much of it came.
enum Came {
    Nothing,
    Spoofed(u64),
    Copies(Pressed),
}

/// One flood.
struct Passed {
    arrivals: Arrivals,
    came: Came,
    lasted: Duration,
    cpu: Duration,
    /// KiB, at each look.
    resident: Vec<f64>,
}

const KINDS: [Kind; 3] = [Kind::Nothing, Kind::Spoofed, Kind::Copies];

impl Flood {
    /// Measures, with all files in a folder below `parent`.
    ///
    /// # Errors
    /// Why there is no figure.
    pub(crate) fn measure(&self, parent: Option<&Path>) -> anyhow::Result<Vec<Row>> {
        let genuine = (self.genuine * self.seconds) as usize;
        open_files::allow((genuine + self.places()) as u64 + OTHER_FILES)?;
        let folder = Folder::make(parent, "truecell-bench")?;
        let all = KINDS.len() * genuine + KEYS;
        let mut work = Work::new(all + KINDS.len() * genuine);
        let estate = Estate::make(folder.path(), Site::Loopback, all, || work.one_done())?;
        let (keys, units) = estate.units.split_at(KEYS);
        lose(&estate, keys)?;
        let mut rows = Vec::new();
        for (kind, units) in KINDS.into_iter().zip(units.chunks(genuine)) {
            let gateway = serve(&estate)?;
            let mut beside = self.beside(kind, &gateway, keys)?;
            rows.extend(self.flood(&gateway, units, &mut beside, keys, &mut work)?.rows(kind));
            gateway.process.stop()?;
        }
        Ok(rows)
    }

    /// Of the copies: an attempt has its place for 2 s.
    fn places(&self) -> usize {
        2 * self.copies as usize
    }

    fn beside(&self, kind: Kind, gateway: &GatewayProcess, keys: &[UnitIdentity]) -> anyhow::Result<Beside> {
        let unit = keys.first().context("no key")?;
        Ok(match kind {
            Kind::Nothing => Beside::Nothing,
            Kind::Spoofed => Beside::Spoofed(lab::Flood::new(&gateway.known, unit, SPOOFED)?),
            Kind::Copies => {
                Beside::Copies(Box::new(Load::in_networks(gateway.known.clone(), self.places(), NETWORKS)?))
            }
        })
    }

    fn flood(
        &self,
        gateway: &GatewayProcess,
        units: &[UnitIdentity],
        beside: &mut Beside,
        keys: &[UnitIdentity],
        work: &mut Work,
    ) -> anyhow::Result<Passed> {
        let mut load = gateway.load(units.len())?;
        let (every, stop) = (Duration::from_secs(1) / self.genuine, AtomicBool::new(false));
        let (before, began) = (gateway.process.cpu()?, Instant::now());
        let (arrivals, came, resident) = thread::scope(|threads| {
            let came = threads.spawn(|| self.come(beside, keys, &stop));
            let resident = threads.spawn(|| watch(&gateway.process, &stop));
            let stops = Stops(&stop);
            let arrivals = load.arrive(units, every, IN_TIME, || work.one_done());
            drop(stops);
            let (came, resident) = (came.join(), resident.join());
            let panicked = |_| anyhow!("a thread of the load panicked");
            anyhow::Ok((arrivals?, came.map_err(panicked)??, resident.map_err(panicked)??))
        })?;
        let lasted = began.elapsed();
        let cpu = gateway.process.cpu()?.since(&before).values().sum();
        Ok(Passed { arrivals, came, lasted, cpu, resident })
    }

    fn come(&self, beside: &mut Beside, keys: &[UnitIdentity], stop: &AtomicBool) -> anyhow::Result<Came> {
        Ok(match beside {
            Beside::Nothing => Came::Nothing,
            Beside::Spoofed(flood) => Came::Spoofed(flood.run(self.spoofed, stop)?),
            Beside::Copies(load) => Came::Copies(load.press(keys, self.copies, stop)?),
        })
    }
}

/// Ends what comes beside, also when there is no figure.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn lose(estate: &Estate, keys: &[UnitIdentity]) -> anyhow::Result<()> {
    for unit in keys {
        let device = unit.name.split('.').next().unwrap_or_default();
        serve::truecell(&estate.config, &["device", "lost", device, "--why", "its key has copies"])?;
    }
    Ok(())
}

fn watch(gateway: &Process, stop: &AtomicBool) -> anyhow::Result<Vec<f64>> {
    let mut resident = vec![gateway.resident()?];
    while !stop.load(Relaxed) {
        thread::sleep(LOOK);
        resident.push(gateway.resident()?);
    }
    Ok(resident)
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no flood",
            Self::Spoofed => "spoofed IKE_SA_INIT",
            Self::Copies => "copied keys",
        }
    }
}

impl Passed {
    fn rows(&self, kind: Kind) -> Vec<Row> {
        let row = |what: &str, unit, value: f64| {
            Row::new(BENCH, format!("{}: {what}", kind.name()), unit, Runs::from_iter([value]))
        };
        let each_second = |count: f64| count / self.lasted.as_secs_f64();
        let part = |count: usize, of: usize| 100.0 * count as f64 / of as f64;
        let units = self.arrivals.units.len();
        let mut rows = match &self.came {
            Came::Nothing => Vec::new(),
            Came::Spoofed(sent) => vec![row("sent", "a second", each_second(*sent as f64))],
            Came::Copies(Pressed { begun, refused, let_in }) => vec![
                row("attempts", "a second", each_second(*begun as f64)),
                row("attempts refused", "a second", each_second(*refused as f64)),
                row("attempts let in", "count", *let_in as f64),
            ],
        };
        rows.extend([
            row("genuine units that stand within 10 s", "%", part(self.arrivals.within(IN_TIME), units)),
            row("genuine units that stand within 1 s", "%", part(self.arrivals.within(SOON), units)),
            row("CPU of the gateway", "% of a processor", 100.0 * each_second(self.cpu.as_secs_f64())),
        ]);
        let (first, rest) = self.resident.split_at(self.resident.len() / 2);
        let most = |looks: &[f64]| looks.iter().copied().fold(0.0, f64::max) / 1024.0;
        let before = self.resident.first().copied().unwrap_or_default() / 1024.0;
        rows.extend([
            row("memory, more than before", "MiB", most(&self.resident) - before),
            row("memory, more in the second half than in the first", "MiB", most(rest) - most(first)),
        ]);
        rows
    }
}
