use super::{
    Row, Runs,
    estate::{Estate, Site},
    open_files,
    process::GatewayProcess,
    serve::serve,
    work::Work,
};
use crate::{data_dir::DataDir, folder::Folder};
use anyhow::{Context, anyhow};
use api::{Client, stats::NodeStats};
use clap::Args;
use gateway::quantile;
use rusqlite::Connection;
use rustix::process::setpriority_process;
use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::Builder;

#[derive(Debug, Args)]
pub(crate) struct Claims {
    /// Units that attach, one after another
    #[arg(long, default_value_t = 20_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    units: u32,

    /// How many begin in a second, whether those before them stand or not
    #[arg(long, default_value_t = 1_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
}

const BENCH: &str = "claims";
/// For so long the last unit goes on trying.
const PATIENCE: Duration = Duration::from_secs(60);
/// setpriority(2).
const LEAST_PRIORITY: i32 = 19;
/// Between two empty commits.
const EVERY: Duration = Duration::from_millis(5);
/// Descriptors for everything but the units' sockets.
const OTHER_FILES: u64 = 256;

impl Claims {
    /// Measures, with all files in a folder below `parent`.
    ///
    /// # Errors
    /// Why there is no figure.
    pub(crate) fn measure(&self, parent: Option<&Path>) -> anyhow::Result<Vec<Row>> {
        let units = self.units as usize;
        open_files::allow(units.min(lab::SOCKETS) as u64 + OTHER_FILES)?;
        let folder = Folder::make(parent, "truecell-bench")?;
        let mut work = Work::new(3 * units);
        let estate = Estate::make(folder.path(), Site::Loopback, units, || work.one_done())?;
        let gateway = serve(&estate)?;
        // Once before, so that nothing is there for the first time.
        self.arrive(&gateway, &estate, &mut work)?;
        let before = times(&estate.data)?;
        let ended = AtomicBool::new(false);
        let database = Connection::open(folder.path().join("empty.sqlite"))?;
        let (arrived, commits) = thread::scope(|threads| {
            let commits = threads.spawn({
                let (database, ended) = (database, &ended);
                move || commits(&database, ended)
            });
            stand_back()?;
            let arrived = self.arrive(&gateway, &estate, &mut work);
            ended.store(true, Relaxed);
            let commits = commits.join().map_err(|_| anyhow!("the commits panicked"))??;
            anyhow::Ok((arrived?, commits))
        })?;
        let spread = since(&times(&estate.data)?, &before);
        gateway.process.stop()?;
        rows(&spread, commits, arrived)
    }

    /// How many stood within the time, and how many attempts were refused or given up.
    fn arrive(
        &self,
        gateway: &GatewayProcess,
        estate: &Estate,
        work: &mut Work,
    ) -> anyhow::Result<(usize, usize)> {
        let mut load = gateway.load(estate.units.len())?;
        let every = Duration::from_secs(1) / self.rate;
        let arrivals = load.arrive(&estate.units, every, PATIENCE, || work.one_done())?;
        Ok((arrivals.within(PATIENCE), arrivals.refused + arrivals.given_up))
    }
}

/// From now on this thread, and those that it makes, run when nobody else does: units are on other machines.
fn stand_back() -> anyhow::Result<()> {
    setpriority_process(None, LEAST_PRIORITY).context("the units' priority cannot be lowered")
}

/// Commits one row after another as the ledger does, and says how long each took.
fn commits(database: &Connection, ended: &AtomicBool) -> anyhow::Result<Vec<Duration>> {
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "NORMAL")?;
    database.execute_batch("CREATE TABLE one (key INTEGER PRIMARY KEY, value INTEGER)")?;
    let mut took = Vec::new();
    while !ended.load(Relaxed) {
        let began = Instant::now();
        database.execute_batch("BEGIN IMMEDIATE; INSERT OR REPLACE INTO one VALUES (1, 1); COMMIT")?;
        took.push(began.elapsed());
        thread::sleep(EVERY);
    }
    Ok(took)
}

fn times(data: &DataDir) -> anyhow::Result<Vec<(u64, u64)>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let stats = runtime.block_on(async {
        let mut client = Client::connect(&data.socket()).await?;
        anyhow::Ok(client.get::<NodeStats>("/v1/stats").await?)
    })?;
    Ok(stats.counters.claim_times)
}

fn since(after: &[(u64, u64)], before: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let had = |micros| before.iter().find(|(step, _)| *step == micros).map_or(0, |(_, count)| *count);
    after.iter().map(|(micros, count)| (*micros, count - had(*micros))).collect()
}

fn rows(
    spread: &[(u64, u64)],
    mut commits: Vec<Duration>,
    (stood, failed): (usize, usize),
) -> anyhow::Result<Vec<Row>> {
    commits.sort_unstable();
    let ms = |took: Duration| took.as_secs_f64() * 1000.0;
    let of_commits = |part: f64| {
        let index = (commits.len() as f64 * part).ceil() as usize;
        commits.get(index.saturating_sub(1)).copied().map(ms).context("no commit was made")
    };
    let row = |name: &str, part: f64| {
        let claims = quantile(spread, part).map(ms).context("no claim was judged")?;
        let row = Row::new(BENCH, format!("claim until admitted, {name}"), "ms", Runs::from_iter([claims]));
        anyhow::Ok(row.beside("an empty commit".to_owned(), Runs::from_iter([of_commits(part)?])))
    };
    let count = |what: &str, value: usize| Row::new(BENCH, what, "count", Runs::from_iter([value as f64]));
    Ok(vec![
        row("p50", 0.5)?,
        row("p99", 0.99)?,
        count("units that stood", stood),
        count("attempts refused or given up", failed),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_does_not_count() {
        assert_eq!(since(&[(16, 5), (20, 7)], &[(20, 3)]), [(16, 5), (20, 4)]);
    }
}
