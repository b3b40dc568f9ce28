use super::{Row, Runs, work::Work};
use crate::{folder::Folder, table::Table};
use clap::Args;
use lab::verdict::{Attack, Called, Churned, Fed, Given, at_most, attack, churn, tampered, two};
use rustix::time::{ClockId, clock_gettime};
use std::{hint::black_box, path::Path};

#[derive(Debug, Args)]
pub(crate) struct Verdict {
    /// Trials of each attack with each kind of evidence
    #[arg(long, default_value_t = 1000, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    trials: u64,

    /// Days of honest units, in all, in steps of 100: once with nothing fed, once with all
    #[arg(long, default_value_t = 3_000_000, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    unit_days: u64,

    /// The same seed gives the same figures, but for the time that a verdict takes
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
}

const BENCH: &str = "verdict";
const NOTHING: Fed = Fed { line: false, facts: false, trail: false };
const ALL: Fed = Fed { line: true, facts: true, trail: true };
/// Units of which the bar hears together.
const HEARD: u64 = 10_000;
/// Verdicts in each run of which the time is taken.
const VERDICTS: u32 = 100_000;
const RUNS: usize = 9;

/// All that was simulated.
pub(crate) struct Simulated {
    /// By attack and evidence.
    cells: Vec<(String, Called)>,
    /// Beside the cells.
    rows: Vec<Row>,
}

impl Verdict {
    /// Simulates, with one ledger in a folder below `parent`, and takes the time of the verdict itself.
    ///
    /// # Errors
    /// Why there is no figure.
    pub(crate) fn measure(&self, parent: Option<&Path>) -> anyhow::Result<Simulated> {
        let cells: Vec<_> = Attack::ALL
            .into_iter()
            .flat_map(|attack| attack.cells().map(move |given| (attack, given)))
            .collect();
        let mut work = Work::new(cells.len() + 2 * self.unit_days.div_ceil(HEARD) as usize);
        let mut called: Vec<_> = cells
            .into_iter()
            .map(|(kind, given)| {
                let cell = (case(kind, given), attack(kind, given, self.trials, self.seed));
                work.one_done();
                cell
            })
            .collect();
        let folder = Folder::make(parent, "truecell-bench")?;
        called.push((TAMPERED.into(), tampered(folder.path(), self.trials)?));
        let mut rows = Vec::new();
        for (fed, what) in [(NOTHING, "nothing fed"), (ALL, "line, facts and trail fed")] {
            let honest = churn(fed, self.unit_days, self.seed, |done| {
                if done % HEARD == 0 {
                    work.one_done();
                }
            });
            rows.extend(honest_rows(what, &honest));
        }
        rows.push(Row::new(BENCH, "verdict between two, CPU", "us", self.took()));
        Ok(Simulated { cells: called, rows })
    }

    /// Microseconds of CPU for each verdict between two who hold one key.
    fn took(&self) -> Runs {
        let case = two(self.seed);
        let run = |_| {
            let began = cpu();
            for _ in 0..VERDICTS {
                black_box(black_box(&case).judge());
            }
            (cpu() - began) / f64::from(VERDICTS)
        };
        (0..RUNS).map(run).collect()
    }
}

/// What this thread has used, microseconds.
fn cpu() -> f64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    used.tv_sec as f64 * 1e6 + used.tv_nsec as f64 / 1e3
}

const TAMPERED: &str = "insider edits a row behind Truecell";

fn case(attack: Attack, given: Given) -> String {
    format!("{}; {given}", attack.name())
}

fn honest_rows(what: &str, honest: &Churned) -> Vec<Row> {
    let days = honest.unit_days;
    let row = |case: &str, times: u64| {
        let per = |share: f64| share * 100_000.0;
        let bound = Some(per(at_most(times, days)));
        let value = Runs::from_iter([per(times as f64 / days as f64)]);
        Row { bound, ..Row::new(BENCH, format!("honest, {what}: {case}"), "in 100,000 unit-days", value) }
    };
    let mut rows = vec![
        row("turned away wrongly", honest.wrong()),
        row("of these, while no list was wrong", honest.by_rules.values().sum()),
    ];
    rows.extend(honest.by_rules.iter().map(|(cause, times)| row(&format!("by the rules: {cause}"), *times)));
    rows.extend(
        honest.by_lists.iter().map(|(reason, times)| row(&format!("by a wrong list: {reason}"), *times)),
    );
    rows.push(row("moved and not booked, turned away", honest.unbooked));
    rows.extend(
        honest.told_as_two.iter().map(|(told, times)| row(&format!("let in, and told as {told}"), *times)),
    );
    rows
}

impl Simulated {
    /// Each figure by itself.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let one = |case: &str, what: &str, unit, value, bound| {
            let value = Runs::from_iter(value);
            Row { bound, ..Row::new(BENCH, format!("{case}: {what}"), unit, value) }
        };
        let of = |(case, called): &(String, Called)| {
            let ((right, at_least), (wrong, at_most)) = (called.share(), called.share_wrong());
            let served = called.served as f64 / called.trials as f64;
            [
                one(case, "called right", "%", Some(right * 100.0), Some(at_least * 100.0)),
                one(case, "called wrong", "%", Some(wrong * 100.0), Some(at_most * 100.0)),
                one(case, "the copy was let in first", "%", Some(served * 100.0), None),
                one(case, "until called, median", "days", called.days(50), None),
                one(case, "until called, 95 of 100", "days", called.days(95), None),
            ]
        };
        self.cells.iter().flat_map(of).chain(self.rows.iter().cloned()).collect()
    }

    pub(crate) fn text(&self) -> String {
        let mut cells = Table::new(&[
            "ATTACK; EVIDENCE",
            "RIGHT %",
            "AT LEAST",
            "WRONG %",
            "AT MOST",
            "LET IN %",
            "DAYS",
            "95 OF 100",
        ]);
        for (case, called) in &self.cells {
            let ((right, at_least), (wrong, at_most)) = (called.share(), called.share_wrong());
            let shares = [right, at_least, wrong, at_most, called.served as f64 / called.trials as f64];
            let days = [50, 95]
                .map(|percent| called.days(percent).map(|days| format!("{days:.2}")).unwrap_or_default());
            let shares = shares.map(|share| format!("{:.2}", share * 100.0));
            cells.row([case.clone()].into_iter().chain(shares).chain(days));
        }
        let mut rows = Table::new(&["CASE", "VALUE", "AT MOST", "UNIT"]);
        let number = |value: Option<f64>| value.map(|value| format!("{value:.3}")).unwrap_or_default();
        for row in &self.rows {
            rows.row([row.case.clone(), number(row.value), number(row.bound), row.unit.to_owned()]);
        }
        format!("{cells}\n{rows}")
    }
}
