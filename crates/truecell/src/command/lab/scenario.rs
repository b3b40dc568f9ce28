use crate::{
    failure::{Failure, Problem},
    output::{Output, count, seconds},
    table::Table,
};
use clap::Args;
use detect::Finding;
use ids::{CellKey, Sha256, UnixTime};
use lab::scenario::{AttackedCell, Counts, Expected, Outcome, SHIPPED, Scenario, Shipped, Violated, run};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _, fs, time::Duration};

/// Scenarios, each played row by row and judged by all detectors, and whether that comes to what its file expects
///
/// A carrier's femtocells, macro cells and subscribers are drawn from the seed, and its feeds with them; nothing is sent
/// anywhere. The same file and seed give the same on every machine. Ends with 1 where something was missed or accused.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Names of `truecell lab list`, or files (docs/scenarios.md)
    #[arg(required = true, value_name = "NAME|FILE")]
    scenarios: Vec<String>,

    /// Seed of the draws; else the file's own
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

/// The scenarios that come with Truecell
#[derive(Debug, Args)]
pub(crate) struct List {}

/// Whether scenario files can be played
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files (docs/scenarios.md)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
}

#[derive(Serialize)]
struct Scenarios {
    scenarios: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    about: String,
    span_d: u32,
    units: u32,
    /// It has a box.
    is_attack: bool,
}

/// What came of one scenario.
#[derive(Serialize)]
struct Report {
    name: String,
    seed: u64,
    about: String,
    as_expected: bool,
    expected: Vec<Expectation>,
    violated: Vec<Violation>,
    attacks: Vec<AttackReport>,
    /// Findings by detector.
    found: BTreeMap<&'static str, u64>,
    findings: Vec<Finding>,
    rows: Counts,
    late: u64,
    digest: Sha256,
}

#[derive(Serialize)]
struct Expectation {
    finding: String,
    on: String,
    by: Option<String>,
    met: bool,
    at: Option<UnixTime>,
    after_s: Option<f64>,
    cells_missed: Vec<CellKey>,
}

#[derive(Serialize)]
struct Violation {
    finding: String,
    on: String,
    count: usize,
    first: Finding,
}

#[derive(Serialize)]
struct AttackReport {
    actor: String,
    from: Option<UnixTime>,
    cells: BTreeMap<String, AttackedCell>,
    handsets: usize,
    codes: u64,
    payments: u64,
    amount_minor: i64,
}

impl Run {
    pub(super) fn run(&self, output: &Output) -> Result<(), Failure> {
        let mut all_as_expected = true;
        let read = self.scenarios.iter().map(|name| Ok((name, scenario(name)?)));
        let read: Vec<_> = read.collect::<Result<_, Failure>>()?;
        for (name, scenario) in read {
            let seed = self.seed.unwrap_or_else(|| scenario.seed().into());
            let outcome = run(&scenario, seed).map_err(|error| bad(name, &error))?;
            all_as_expected &= outcome.is_as_expected();
            let report = Report::of(name, seed, &scenario, outcome);
            if output.is_json() { output.line(&report)? } else { output.text(&report.text())? }
        }
        if all_as_expected { Ok(()) } else { Err(Failure::answered()) }
    }
}

impl List {
    pub(super) fn run(output: &Output) -> Result<(), Failure> {
        let listed = SHIPPED.iter().map(|shipped| {
            let scenario = shipped.scenario().map_err(|error| bad(shipped.name, &error))?;
            Ok(Listed {
                name: shipped.name,
                span_d: scenario.span_d(),
                units: scenario.estate.units(),
                is_attack: scenario.is_attack(),
                about: scenario.about,
            })
        });
        let scenarios: Vec<_> = listed.collect::<Result<_, Failure>>()?;
        output.answer(&Scenarios { scenarios }, |listed| {
            let mut table = Table::new(&["NAME", "DAYS", "UNITS", "WHAT HAPPENS"]);
            for Listed { name, about, span_d, units, is_attack: _ } in &listed.scenarios {
                table.row([(*name).to_owned(), span_d.to_string(), units.to_string(), about.clone()]);
            }
            table.to_string()
        })
    }
}

impl Check {
    pub(super) fn run(&self, output: &Output) -> Result<(), Failure> {
        for file in &self.files {
            let scenario = scenario(file)?;
            let Scenario { actors, steps, expects, nevers, .. } = &scenario;
            let good = serde_json::json!({
                "file": file, "about": scenario.about, "actors": actors.len(), "steps": steps.len(),
                "expectations": expects.len() + nevers.len(),
            });
            let text = format!(
                "good: {file}, {}, {}, {}",
                count(actors.len() as u64, "actor"),
                count(steps.len() as u64, "step"),
                count((expects.len() + nevers.len()) as u64, "expectation"),
            );
            if output.is_json() { output.line(&good)? } else { output.text(&text)? }
        }
        Ok(())
    }
}

/// A shipped one by its name, else a file.
pub(super) fn scenario(name: &str) -> Result<Scenario, Failure> {
    if let Some(shipped) = Shipped::named(name) {
        return shipped.scenario().map_err(|error| bad(name, &error));
    }
    let text = fs::read_to_string(name).map_err(|error| {
        let problem = Problem::new("scenario", format!("{name} is no scenario")).because(error);
        Failure::Usage(problem.next("name one of `truecell lab list`, or a file that is there"))
    })?;
    Scenario::parse(&text).map_err(|error| bad(name, &error))
}

fn bad(name: &str, why: &impl std::fmt::Display) -> Failure {
    let problem =
        Problem::new("scenario", format!("{name} cannot be played")).because(why.to_string().trim_end());
    Failure::Usage(problem.next("correct what it names; docs/scenarios.md has each key"))
}

impl Report {
    fn of(name: &str, seed: u64, scenario: &Scenario, outcome: Outcome) -> Self {
        let as_expected = outcome.is_as_expected();
        let Outcome { findings, expected, violated, truth, counts, late, digest } = outcome;
        let mut found = BTreeMap::new();
        findings.iter().for_each(|finding| *found.entry(finding.detector).or_insert(0) += 1);
        let attacks = truth.attacks.into_iter().map(|attack| AttackReport {
            actor: attack.actor,
            from: attack.from,
            cells: attack.cells.into_iter().map(|(cell, of)| (cell.to_string(), of)).collect(),
            handsets: attack.handsets.len(),
            codes: attack.codes,
            payments: attack.payments,
            amount_minor: attack.amount_minor,
        });
        Self {
            name: name.to_owned(),
            seed,
            about: scenario.about.clone(),
            as_expected,
            expected: expected.into_iter().map(Expectation::of).collect(),
            violated: violated.into_iter().map(Violation::of).collect(),
            attacks: attacks.collect(),
            found,
            findings,
            rows: counts,
            late,
            digest,
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self { name, seed, about, .. } = self;
        writeln!(text, "{name}, seed {seed}: {about}")?;
        for attack in &self.attacks {
            attack.write(text)?;
        }
        for expectation in &self.expected {
            expectation.write(text)?;
        }
        for Violation { finding, on, count: of, first } in &self.violated {
            let of = count(*of as u64, "finding");
            writeln!(
                text,
                "  ACCUSED  {finding} on {on}: {of}, first {} of {}",
                first.detector,
                seconds(first.at)
            )?;
            writeln!(text, "           {} (confidence {})", first.what, first.confidence)?;
        }
        let found: Vec<_> = self.found.iter().map(|(detector, of)| format!("{detector} {of}")).collect();
        writeln!(text, "  findings: {}", if found.is_empty() { "none".into() } else { found.join(", ") })?;
        writeln!(text, "  {} of simulated feeds, digest {}", count(self.rows.rows, "row"), self.digest)?;
        writeln!(text, "  {}", if self.as_expected { "as expected" } else { "NOT AS EXPECTED" })
    }
}

impl AttackReport {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self { actor, from, cells, handsets, payments, .. } = self;
        let from = from.map_or_else(|| "never".to_owned(), seconds);
        let [cells, handsets, payments] =
            [(cells.len(), "cell"), (*handsets, "handset"), (*payments as usize, "payment")]
                .map(|(number, noun)| count(number as u64, noun));
        writeln!(text, "  attack   {actor} from {from}: {cells}, {handsets}, {payments}")
    }
}

impl Expectation {
    fn of(expected: Expected) -> Self {
        let Expected { expect, is_met, at, after, missed } = expected;
        Self {
            finding: expect.finding,
            on: expect.on,
            by: expect.by.map(|by| by.to_string()),
            met: is_met,
            at,
            after_s: after.map(|after| after.as_secs_f64()),
            cells_missed: missed,
        }
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self { finding, on, by, met, at, after_s, cells_missed } = self;
        let by = by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
        let when = at.map_or_else(String::new, |at| format!(": {}", seconds(at)));
        let after = after_s.map(Duration::from_secs_f64).map_or_else(String::new, after);
        let missed = cells_missed.iter().map(|cell| format!(" {cell}")).collect::<String>();
        match met {
            true => writeln!(text, "  found    {finding} on {on}{by}{when}{after}"),
            false => writeln!(text, "  MISSED   {finding} on {on}{by}{missed}"),
        }
    }
}

impl Violation {
    fn of(Violated { never, finding, count }: Violated) -> Self {
        Self { finding: never.finding, on: never.on, count, first: finding }
    }
}

/// How long after it began, for people.
fn after(after: Duration) -> String {
    let minutes = after.as_secs() / 60;
    match minutes {
        0 => format!(", after {} s", after.as_secs()),
        1..120 => format!(", after {minutes} min"),
        _ => format!(", after {} h", minutes / 60),
    }
}
