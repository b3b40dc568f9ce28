use super::ingest::{detected, failed, paths};
use crate::{
    cli::Cli,
    control::Control,
    data_dir::DataDir,
    failure::Failure,
    output::{Output, facts, seconds},
    progress::Progress,
    table::Table,
};
use api::finding::{Detected, DetectionId, FindingPage};
use clap::Args;
use ids::UnixTime;
use intake::{History, LedgerAs, Terms};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// Judge again what the lake has, and say what differs from what was found then
///
/// By the detectors of this version, from the lake's first row on, with units and sessions as the journal has them. Nothing is changed.
#[derive(Debug, Args)]
pub(crate) struct Detect {
    /// Findings from this time on, as in 2026-01-31T23:59:59Z
    #[arg(long, value_name = "TIME")]
    from: UnixTime,
    /// And before this one
    #[arg(long, value_name = "TIME")]
    to: UnixTime,
    /// Judge by the ledger as it is now: for a history that is older than the ledger
    #[arg(long)]
    ledger_as_it_is: bool,
}

/// What was found then, beside what is found now.
#[derive(Serialize)]
struct Answer {
    from: UnixTime,
    to: UnixTime,
    /// Found both times.
    same: usize,
    /// Found now, and not then.
    only_now: Vec<Detected>,
    /// Found then, and not now.
    only_then: Vec<Detected>,
}

impl Detect {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let config = cli.read_config()?;
        let data = DataDir::new(config.data.clone());
        let ledger = if self.ledger_as_it_is { LedgerAs::Now } else { LedgerAs::Then };
        let setup = config.detect.setup(UnixTime::default());
        let terms = Terms { setup, every: Duration::MAX, ledger, ends: true };
        let now = self.now(&data, &terms)?;
        let then = self.then(&data).await?;
        let same = now.keys().filter(|id| then.contains_key(*id)).count();
        let without = |those: &BTreeMap<DetectionId, Detected>, others: &BTreeMap<DetectionId, Detected>| {
            those.iter().filter(|(id, _)| !others.contains_key(*id)).map(|(_, found)| found.clone()).collect()
        };
        let (only_now, only_then): (Vec<_>, Vec<_>) = (without(&now, &then), without(&then, &now));
        let answer = Answer { from: self.from, to: self.to, same, only_now, only_then };
        output.answer(&answer, Answer::text)?;
        if answer.only_now.is_empty() && answer.only_then.is_empty() {
            Ok(())
        } else {
            Err(Failure::answered())
        }
    }

    fn now(&self, data: &DataDir, terms: &Terms) -> Result<BTreeMap<DetectionId, Detected>, Failure> {
        let history = History::open(&paths(data)?, terms).map_err(|error| failed(&error))?;
        let hours = |time: UnixTime| usize::try_from(time.secs().div_euclid(3600)).unwrap_or(0);
        let mut bar = None;
        let found = history.judge(self.from, self.to, |time| {
            let (first, bar) = bar.get_or_insert_with(|| {
                let first = hours(time);
                (first, Progress::new(hours(self.to).saturating_sub(first)))
            });
            bar.at(hours(time).saturating_sub(*first));
        });
        drop(bar);
        let found = found.map_err(|error| failed(&error))?;
        let found = found.iter().map(|found| detected(found).map(|found| (found.id, found)));
        found.collect::<Result<_, _>>().map_err(|error| Failure::system("a finding has no JSON", &error))
    }

    async fn then(&self, data: &DataDir) -> Result<BTreeMap<DetectionId, Detected>, Failure> {
        let mut control = Control::open(data, "detect").await?;
        let (mut then, mut after) = (BTreeMap::new(), String::new());
        loop {
            let path = format!("/v1/findings?limit=1000&from={}&to={}{after}", self.from, self.to);
            let page: FindingPage = control.client().get(&path).await?;
            then.extend(page.findings.into_iter().map(|row| (row.found.id, row.found)));
            let Some(next) = page.next else { return Ok(then) };
            after = format!("&after={next}");
        }
    }
}

impl Answer {
    fn text(&self) -> String {
        let facts = facts(&[
            ("from", seconds(self.from)),
            ("to", seconds(self.to)),
            ("the same", self.same.to_string()),
            ("only now", self.only_now.len().to_string()),
            ("only then", self.only_then.len().to_string()),
        ]);
        let mut table = Table::new(&["FOUND", "AT", "DETECTOR", "VERSION", "WHAT"]);
        for (when, those) in [("now", &self.only_now), ("then", &self.only_then)] {
            for found in those {
                let Detected { at, detector, version, what, .. } = found;
                table.row([
                    when.to_owned(),
                    seconds(*at),
                    detector.clone(),
                    version.to_string(),
                    what.clone(),
                ]);
            }
        }
        if self.only_now.is_empty() && self.only_then.is_empty() {
            facts
        } else {
            format!("{facts}\n{table}")
        }
    }
}
