use super::scenario::scenario;
use crate::{
    failure::{Failure, Problem},
    output::{Output, count},
    progress::Progress,
    table::Table,
};
use clap::Args;
use lab::{
    scenario::SHIPPED,
    score::{self, ANY, Case, Named, Row, Share, Worst},
};
use std::{
    fmt::Write as _,
    sync::atomic::{AtomicUsize, Ordering},
};

/// How well the detectors find what they are for, and whom they accuse, beside what there is without them
///
/// Each scenario is played with each seed, with all records and with 5 % of them missing in three ways. All of it is
/// simulated, with the scenarios by which thresholds were chosen (docs/detectors.md). The same seeds give the same score.
#[derive(Debug, Args)]
pub(crate) struct Score {
    /// Names of `truecell lab list`, or files (docs/scenarios.md); else all that come with Truecell
    #[arg(value_name = "NAME|FILE")]
    scenarios: Vec<String>,

    /// With so many seeds
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    seeds: u32,

    /// The first of them
    #[arg(long, default_value_t = 1, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(..=1_000_000_000))]
    seed: u32,
}

impl Score {
    pub(super) fn run(&self, output: &Output) -> Result<(), Failure> {
        let named = |name: &str| Ok(Named { name: name.to_owned(), scenario: scenario(name)? });
        let all = SHIPPED.iter().map(|shipped| shipped.name);
        let scenarios: Vec<_> = if self.scenarios.is_empty() {
            all.map(named).collect::<Result<_, Failure>>()?
        } else {
            self.scenarios.iter().map(|name| named(name)).collect::<Result<_, Failure>>()?
        };
        let progress = Progress::new(score::runs(&scenarios, self.seeds));
        let played = AtomicUsize::new(0);
        let done = || progress.at(played.fetch_add(1, Ordering::Relaxed) + 1);
        let score = score::score(&scenarios, self.seed, self.seeds, &done).map_err(|error| {
            let problem = Problem::new("score", "a scenario cannot be played").because(error);
            Failure::Usage(problem.next("see what `truecell lab check` says of each file"))
        })?;
        drop(progress);
        output.answer(&score, |score| score.cases.iter().map(text).collect::<Vec<_>>().join("\n"))
    }
}

fn text(case: &Case) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write(case, &mut text);
    text
}

fn write(case: &Case, text: &mut String) -> std::fmt::Result {
    let Case { missing, runs, unit_days, methods, missed, accused } = case;
    let of = count(*unit_days, "honest unit-day");
    writeln!(text, "{}: {}, {of}", missing.as_str(), count(*runs, "run"))?;
    let mut found = Table::new(&[
        "METHOD",
        "FOUND",
        "%",
        ">=",
        "WORST",
        "MEDIAN",
        "95 OF 100",
        "BEFORE CODE",
        "BEFORE PAYMENT",
    ]);
    let mut named =
        Table::new(&["METHOD", "RIGHT", "%", ">=", "WORST", "ACCUSED IN 100,000 UNIT-DAYS", "<=", "WORST "]);
    for row in methods {
        found.row(found_row(row));
        named.row(named_row(row));
    }
    writeln!(text, "{found}\n{named}")?;
    for of in missed {
        writeln!(text, "  missed   {}: {} of {} in {}", of.method, of.missed, of.of, of.scenario)?;
    }
    for of in accused.iter().filter(|of| of.method != ANY) {
        let (days, runs) = (count(of.days, "day"), count(of.runs, "run"));
        writeln!(
            text,
            "  accused  {}: {} in {}, {} named on {days} in {runs}: {}",
            of.method, of.on, of.scenario, of.named, of.what
        )?;
    }
    Ok(())
}

fn found_row(row: &Row) -> [String; 9] {
    let Row { method, recall, worst_recall, times, before_code, before_payment, .. } = row;
    let time = |time: Option<f64>| match time {
        _ if recall.of == 0 => nothing(),
        Some(s) if s < 120.0 => format!("{s:.0} s"),
        Some(s) => format!("{:.0} min", s / 60.0),
        None => "never".to_owned(),
    };
    [
        (*method).to_owned(),
        so_many(*recall),
        percent(recall.value()),
        percent(recall.at_least()),
        worst(worst_recall.as_ref()),
        time(times.median_s),
        time(times.most_s),
        so_many(*before_code),
        so_many(*before_payment),
    ]
}

fn named_row(row: &Row) -> [String; 8] {
    let Row { method, precision, worst_precision, accused_days, worst_accused, .. } = row;
    let rate = |share: Option<f64>| share.map_or_else(nothing, |share| format!("{:.1}", share * 100_000.0));
    let most = worst_accused.as_ref();
    [
        (*method).to_owned(),
        so_many(*precision),
        percent(precision.value()),
        percent(precision.at_least()),
        worst(worst_precision.as_ref()),
        rate(accused_days.value()),
        rate(accused_days.at_most()),
        most.map_or_else(nothing, |most| format!("{} {}", rate(most.share.value()), most.scenario)),
    ]
}

fn nothing() -> String {
    "-".to_owned()
}

fn so_many(share: Share) -> String {
    if share.of == 0 { nothing() } else { format!("{} of {}", share.hits, share.of) }
}

fn percent(share: Option<f64>) -> String {
    // Rounded down: what is less than all is not 100.
    share.map_or_else(nothing, |share| format!("{:.1}", (share * 1000.0).floor() / 10.0))
}

fn worst(worst: Option<&Worst>) -> String {
    worst.map_or_else(nothing, |worst| format!("{} {}", percent(worst.share.value()), worst.scenario))
}
