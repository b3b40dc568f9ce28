use super::{
    due::DUE,
    missing::Missing,
    percent::Share,
    play::{Found, Played},
};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// How well all of it was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Seeds are this one and those that follow.
    pub first_seed: u32,
    /// So many.
    pub seeds: u32,
    /// By what of the records is missing.
    pub cases: Vec<Case>,
}

/// All runs with the same missing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    /// What is missing.
    pub missing: Missing,
    /// Runs.
    pub runs: u64,
    /// Days of units that nobody attacked.
    pub unit_days: u64,
    /// How each method did.
    pub methods: Vec<Row>,
    /// What was missed, by method and scenario.
    pub missed: Vec<Missed>,
    /// Who was accused and is honest, by method, scenario and actor.
    pub accused: Vec<Accused>,
}

/// How a method did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// `any` of the detectors, a detector, or a method beside them.
    pub method: &'static str,
    /// What it must find: found, of all.
    pub recall: Share,
    /// The scenario of which it found least.
    pub worst_recall: Option<Worst>,
    /// Whom it named: rightly, of all.
    pub precision: Share,
    /// The scenario with the least of that.
    pub worst_precision: Option<Worst>,
    /// From the beginning to when it was said; what was missed counts as never.
    pub times: Times,
    /// Attacked cells found before their first code, of those that had one; not of single detectors.
    pub before_code: Share,
    /// The same of payments.
    pub before_payment: Share,
    /// Days of honest units, and on how many of them somebody honest was accused.
    pub accused_days: Share,
    /// The scenario with the most of that.
    pub worst_accused: Option<Worst>,
}

/// A scenario, and its share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worst {
    /// Which.
    pub scenario: String,
    /// Its share.
    pub share: Share,
}

/// How long it took, in seconds; `None`: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    /// Half of all took no longer.
    pub median_s: Option<f64>,
    /// 95 of 100 took no longer.
    pub most_s: Option<f64>,
}

/// What a method missed in a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// Which method.
    pub method: &'static str,
    /// Which scenario.
    pub scenario: String,
    /// So many.
    pub missed: u64,
    /// Of so many.
    pub of: u64,
}

/// Whom a method accused in a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accused {
    /// Which method.
    pub method: &'static str,
    /// Which scenario.
    pub scenario: String,
    /// The honest actor, or `others`.
    pub on: String,
    /// Cells, units, handsets, lines and feeds, in all runs.
    pub named: u64,
    /// On so many days of theirs.
    pub days: u64,
    /// In so many runs.
    pub runs: u64,
    /// What was said first of one of them.
    pub what: String,
}

/// What one method did in all runs of a scenario.
#[derive(Default)]
struct Tally {
    due: Vec<Option<Duration>>,
    before_code: Share,
    before_payment: Share,
    precision: Share,
    accused_days: Share,
}

const OTHERS: &str = "others";

impl Case {
    pub(super) fn of<'a>(
        missing: Missing,
        played: impl Iterator<Item = (&'a str, &'a Played)> + Clone,
    ) -> Self {
        let mut tallies: BTreeMap<&'static str, BTreeMap<&str, Tally>> = BTreeMap::new();
        let mut accused = BTreeMap::new();
        let (mut runs, mut unit_days) = (0, 0);
        for (scenario, run) in played {
            (runs, unit_days) = (runs + 1, unit_days + run.unit_days);
            for (method, found) in &run.methods {
                tallies.entry(method).or_default().entry(scenario).or_default().add(found, run.unit_days);
                accuse(&mut accused, method, scenario, found);
            }
        }
        let order = in_order();
        let methods = order.iter().filter_map(|method| Some(Row::of(method, tallies.get(method)?)));
        let missed = order.iter().filter_map(|method| Some((*method, tallies.get(method)?)));
        let missed =
            missed.flat_map(|(method, of)| of.iter().map(move |(name, tally)| tally.missed(method, name)));
        let accused =
            order.iter().flat_map(|method| accused.iter().filter(move |((by, ..), _)| by == method));
        Self {
            missing,
            runs,
            unit_days,
            methods: methods.collect(),
            missed: missed.filter(|missed| missed.missed > 0).collect(),
            accused: accused.map(|(_, accused)| accused.clone()).collect(),
        }
    }
}

/// Methods as they are listed: all detectors as one, what there is beside them, and each detector.
fn in_order() -> Vec<&'static str> {
    let mut order: Vec<_> = DUE.iter().map(|rule| rule.by).collect();
    let others =
        detect::ABOUT.iter().map(|about| about.id).filter(|id| !DUE.iter().any(|rule| rule.by == *id));
    order.extend(others);
    order
}

fn accuse<'a>(
    accused: &mut BTreeMap<(&'static str, &'a str, String), Accused>,
    method: &'static str,
    scenario: &'a str,
    found: &Found,
) {
    let mut here = std::collections::BTreeSet::new();
    for wrong in found.wrong.values() {
        let on = wrong.honest.clone().unwrap_or_else(|| OTHERS.to_owned());
        let first = || Accused {
            method,
            scenario: scenario.to_owned(),
            on: on.clone(),
            named: 0,
            days: 0,
            runs: 0,
            what: wrong.what.clone(),
        };
        let accused = accused.entry((method, scenario, on.clone())).or_insert_with(first);
        accused.named += 1;
        accused.days += wrong.days.len() as u64;
        accused.runs += u64::from(here.insert(on));
    }
}

impl Tally {
    fn add(&mut self, found: &Found, unit_days: u64) {
        self.due.extend(&found.due);
        self.before_code.add(found.before_code);
        self.before_payment.add(found.before_payment);
        let wrong = found.wrong.len() as u64;
        self.precision.add(Share { hits: found.right, of: found.right + wrong });
        let days = found.wrong.values().map(|wrong| wrong.days.len() as u64).sum();
        self.accused_days.add(Share { hits: days, of: unit_days });
    }

    fn recall(&self) -> Share {
        let hits = self.due.iter().flatten().count() as u64;
        Share { hits, of: self.due.len() as u64 }
    }

    fn missed(&self, method: &'static str, scenario: &str) -> Missed {
        let Share { hits, of } = self.recall();
        Missed { method, scenario: scenario.to_owned(), missed: of - hits, of }
    }
}

impl Row {
    fn of(method: &'static str, tallies: &BTreeMap<&str, Tally>) -> Self {
        let sum = |share: fn(&Tally) -> Share| {
            tallies.values().fold(Share::default(), |mut sum, tally| {
                sum.add(share(tally));
                sum
            })
        };
        let least = |share: fn(&Tally) -> Share| worst(tallies, share, |value| value);
        Self {
            method,
            recall: sum(Tally::recall),
            worst_recall: least(Tally::recall),
            precision: sum(|tally| tally.precision),
            worst_precision: least(|tally| tally.precision),
            times: Times::of(tallies.values().flat_map(|tally| tally.due.iter().copied()).collect()),
            before_code: sum(|tally| tally.before_code),
            before_payment: sum(|tally| tally.before_payment),
            accused_days: sum(|tally| tally.accused_days),
            worst_accused: worst(tallies, |tally| tally.accused_days, |value| -value)
                .filter(|worst| worst.share.hits > 0),
        }
    }
}

/// The scenario with the least `by` of its share.
fn worst(tallies: &BTreeMap<&str, Tally>, share: fn(&Tally) -> Share, by: fn(f64) -> f64) -> Option<Worst> {
    let shares =
        tallies.iter().filter_map(|(name, tally)| Some((by(share(tally).value()?), name, share(tally))));
    let (_, name, share) = shares.min_by(|(a, ..), (b, ..)| a.total_cmp(b))?;
    Some(Worst { scenario: (*name).to_owned(), share })
}

impl Times {
    fn of(mut times: Vec<Option<Duration>>) -> Self {
        // What was missed is last.
        times.sort_unstable_by_key(|time| time.unwrap_or(Duration::MAX));
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).checked_sub(1)?;
            times.get(rank).copied().flatten().map(|time| time.as_secs_f64())
        };
        Self { median_s: at(50), most_s: at(95) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_took_longest() {
        let times = |found: u64, missed: usize| {
            let mut times: Vec<_> = (1..=found).rev().map(|s| Some(Duration::from_secs(s))).collect();
            times.extend(vec![None; missed]);
            let Times { median_s, most_s } = Times::of(times);
            (median_s, most_s)
        };
        assert_eq!(times(100, 0), (Some(50.0), Some(95.0)));
        assert_eq!(times(95, 5), (Some(50.0), Some(95.0)));
        assert_eq!(times(94, 6), (Some(50.0), None));
        assert_eq!(times(1, 2), (None, None));
        assert_eq!(times(0, 0), (None, None));
    }
}
