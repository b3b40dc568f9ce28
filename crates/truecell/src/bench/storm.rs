use super::{
    Row, Runs,
    estate::{Estate, Site},
    open_files,
    process::{GatewayProcess, said},
    serve::serve,
    work::Work,
};
use crate::folder::Folder;
use anyhow::Context;
use api::incident::IncidentPage;
use clap::Args;
use lab::Arrivals;
use std::{
    collections::BTreeMap,
    env,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

#[derive(Debug, Args)]
pub(crate) struct Storm {
    /// Units that attach; more than 16,384 share sockets, as behind a NAT
    #[arg(long, default_value_t = 20_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    units: u32,

    /// For so long units go on trying
    #[arg(long, default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    patience: u32,
}

const BENCH: &str = "storm";
/// From the last attach until all that it caused is written.
const SETTLED: Duration = Duration::from_millis(1100);
/// Descriptors for everything but the units' sockets.
const OTHER_FILES: u64 = 256;

/// One storm.
struct Passed {
    arrivals: Arrivals,
    /// Of the gateway, until 95 of 100 stood.
    cpu_until_most: Duration,
    /// Until all that they caused was written, by thread.
    cpu: BTreeMap<String, Duration>,
    /// KiB.
    resident: f64,
}

impl Storm {
    /// Measures, with all files in a folder below `parent`.
    ///
    /// # Errors
    /// Why there is no figure.
    pub(crate) fn measure(&self, parent: Option<&Path>) -> anyhow::Result<Vec<Row>> {
        open_files::allow((self.units as usize).min(lab::SOCKETS) as u64 + OTHER_FILES)?;
        let folder = Folder::make(parent, "truecell-bench")?;
        let mut work = Work::new(3 * self.units as usize);
        let estate = Estate::make(folder.path(), Site::Loopback, self.units as usize, || work.one_done())?;
        let gateway = serve(&estate)?;
        let first = self.storm(&gateway, &estate, &mut work)?;
        // Killed, as by a crash: its leases and its journal are what the next one finds.
        drop(gateway);
        let restarted = Instant::now();
        let gateway = serve(&estate)?;
        let ready = restarted.elapsed();
        let again = self.storm(&gateway, &estate, &mut work)?;
        gateway.process.stop()?;
        let incidents = incidents(&estate)?;
        let mut rows = first.rows("first attach");
        rows.push(row("restart, until units can attach", "s", ready.as_secs_f64()));
        rows.extend(again.rows("after a kill"));
        rows.push(row("incidents", "count", incidents as f64));
        Ok(rows)
    }

    fn storm(&self, gateway: &GatewayProcess, estate: &Estate, work: &mut Work) -> anyhow::Result<Passed> {
        let mut load = gateway.load(estate.units.len())?;
        let before = gateway.process.cpu()?;
        let most = (estate.units.len() * 95).div_ceil(100);
        let (mut standing, mut at_most) = (0, None);
        let patience = Duration::from_secs(self.patience.into());
        let arrivals = load.arrive(&estate.units, Duration::ZERO, patience, || {
            work.one_done();
            standing += 1;
            if standing == most {
                at_most = gateway.process.cpu().ok();
            }
        })?;
        thread::sleep(SETTLED);
        let cpu_until_most = at_most.context("fewer than 95 of 100 units attached in time")?.since(&before);
        let cpu = gateway.process.cpu()?.since(&before);
        let resident = gateway.process.resident()?;
        Ok(Passed { arrivals, cpu_until_most: cpu_until_most.values().sum(), cpu, resident })
    }
}

impl Passed {
    fn rows(&self, which: &str) -> Vec<Row> {
        let units = self.arrivals.units.len() as f64;
        let case = |what: &str| format!("{which}: {what}");
        let all: Duration = self.cpu.values().sum();
        let until = |part| self.arrivals.until(part).as_ref().map(Duration::as_secs_f64);
        let seconds =
            |what: &str, value: Option<f64>| Row::new(BENCH, case(what), "s", value.into_iter().collect());
        let count = |what: &str, value: usize| row(&case(what), "count", value as f64);
        let mut rows = vec![
            seconds("until 95 of 100 stand", until(0.95)),
            seconds("until all stand", until(1.0)),
            row(&case("CPU until 95 of 100 stand"), "s", self.cpu_until_most.as_secs_f64()),
            row(&case("CPU for each unit"), "ms", all.as_secs_f64() * 1000.0 / units),
        ];
        let threads = self.cpu.iter().filter(|(_, spent)| **spent > all / 100);
        rows.extend(threads.map(|(name, spent)| {
            row(
                &case(&format!("CPU for each unit, thread {name}")),
                "ms",
                spent.as_secs_f64() * 1000.0 / units,
            )
        }));
        rows.extend([
            count("attempts refused", self.arrivals.refused),
            count("attempts given up", self.arrivals.given_up),
            row(&case("resident at the end"), "MiB", self.resident / 1024.0),
        ]);
        rows
    }
}

fn row(case: &str, unit: &'static str, value: f64) -> Row {
    Row::new(BENCH, case, unit, Runs::from_iter([value]))
}

fn incidents(estate: &Estate) -> anyhow::Result<usize> {
    let mut command = Command::new(env::current_exe()?);
    let list = said(command.arg("--config").arg(&estate.config).args(["--json", "incident", "list"]))?;
    Ok(serde_json::from_str::<IncidentPage>(&list)?.incidents.len())
}
