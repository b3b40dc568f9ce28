use super::{
    ANY,
    due::{DUE, due},
    missing::Missing,
    payments::Payments,
    percent::Share,
    said::Said,
    unknown_ids::UnknownIds,
};
use crate::scenario::{BadScenario, Player, Scenario, Truth};
use detect::{Engine, Subject};
use ids::{DeviceId, UnixTime};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What came of a run.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// Days of units that nobody attacked.
    pub(super) unit_days: u64,
    /// What each method found, in the order of [`DUE`] and then of detectors that are due nowhere.
    pub(super) methods: BTreeMap<&'static str, Found>,
}

/// What a method found in a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// What it must find: how long after it began that was found.
    pub(super) due: Vec<Option<Duration>>,
    /// Cells with a code or a payment that were found before the first.
    pub(super) before_code: Share,
    pub(super) before_payment: Share,
    /// Cells, units, handsets, lines and feeds that it named rightly.
    pub(super) right: u64,
    /// And wrongly: the honest actor, if it is one, on how many days, and what was said first.
    pub(super) wrong: BTreeMap<Subject, Wrong>,
}

#[derive(Clone, Debug)]
pub(super) struct Wrong {
    pub(super) honest: Option<String>,
    pub(super) days: BTreeSet<i64>,
    pub(super) what: String,
}

/// Plays a scenario, and has all methods look at it.
pub(super) fn play(scenario: &Scenario, seed: u64, missing: Missing) -> Result<Played, BadScenario> {
    let scenario = missing.of(scenario, seed);
    let mut player = Player::new(&scenario, seed)?;
    let mut engine = Engine::new(player.setup());
    let (mut unknown_ids, mut payments) = (UnknownIds::default(), Payments::new(scenario.begins()));
    let (mut findings, mut told) = (Vec::new(), Vec::new());
    for arrival in &mut player {
        unknown_ids.see(arrival.arrives, &arrival.input);
        payments.see(arrival.arrives, &arrival.input);
        engine.take(arrival.input, &mut findings);
        told.resize(findings.len(), arrival.arrives);
    }
    let ends = player.ends();
    engine.finish(ends, &mut findings);
    told.resize(findings.len(), ends);
    let truth = player.truth();
    let mut said: Vec<_> =
        findings.into_iter().zip(told).map(|(finding, told)| Said::finding(finding, told, truth)).collect();
    said.extend(unknown_ids.finish(ends, truth));
    said.extend(payments.finish(truth));
    Ok(judge(&scenario, truth, &unknown_ids, &said))
}

fn judge(scenario: &Scenario, truth: &Truth, registers: &UnknownIds, said: &[Said]) -> Played {
    let of_method = |by: &str| -> Vec<&Said> { said.iter().filter(|said| is_by(by, said)).collect() };
    let rules = DUE.iter().map(|rule| {
        let said = of_method(rule.by);
        let targets = due(rule, scenario, truth, &registers.registered);
        let first = targets.iter().map(|(attack, target)| {
            let found = said.iter().filter(|said| target.is_found(*attack, said)).map(|said| said.told).min();
            found.map(|told| told.since(target.from))
        });
        let mut found = named(scenario, &said);
        found.due = first.collect();
        if rule.is_of_all() {
            (found.before_code, found.before_payment) = in_time(truth, &said);
        }
        (rule.by, found)
    });
    let mut methods: BTreeMap<_, _> = rules.collect();
    for about in detect::ABOUT {
        methods.entry(about.id).or_insert_with(|| named(scenario, &of_method(about.id)));
    }
    let attacked: BTreeSet<&DeviceId> = truth.attacks.iter().flat_map(|attack| &attack.units).collect();
    let units = u64::from(scenario.estate.units()) - attacked.len() as u64;
    Played { unit_days: units * u64::from(scenario.span_d()), methods }
}

fn is_by(by: &str, said: &Said) -> bool {
    let is_detector = || detect::ABOUT.iter().any(|about| about.id == said.by && about.id != "feed_gap");
    said.by == by || (by == ANY && is_detector())
}

/// Whom a method named, rightly and wrongly.
fn named(scenario: &Scenario, said: &[&Said]) -> Found {
    let mut found = Found::default();
    let mut right = BTreeSet::new();
    for said in said {
        if said.attack.is_some() || is_missing(scenario, &said.on) {
            right.insert(&said.on);
            continue;
        }
        let first = || Wrong { honest: said.honest.clone(), days: BTreeSet::new(), what: said.what.clone() };
        let wrong = found.wrong.entry(said.on.clone()).or_insert_with(first);
        wrong.days.insert(said.told.secs().div_euclid(86_400));
    }
    found.right = right.len() as u64;
    found
}

/// Rows of that feed are missing.
fn is_missing(scenario: &Scenario, on: &Subject) -> bool {
    let Subject::Feed(name) = on else { return false };
    let is_it = |feed: &&crate::scenario::FeedTerms| feed.name.as_str() == name.as_str();
    scenario.feeds.iter().find(is_it).is_some_and(|feed| feed.lost_pct() > 0.0 || !feed.gaps.is_empty())
}

/// Cells that were found before the first code there, and before the first payment.
fn in_time(truth: &Truth, said: &[&Said]) -> (Share, Share) {
    let (mut code, mut payment) = (Share::default(), Share::default());
    for (at, attack) in truth.attacks.iter().enumerate() {
        for (cell, of) in &attack.cells {
            let told = said.iter().filter(|said| said.attack == Some(at) && said.names(cell));
            let told = told.map(|said| said.told).min();
            let is_before = |time: UnixTime| told.is_some_and(|told| told < time);
            of.first_code.into_iter().for_each(|time| code.count(is_before(time)));
            of.first_payment.into_iter().for_each(|time| payment.count(is_before(time)));
        }
    }
    (code, payment)
}
