use super::{
    check::BadScenario,
    file::{Expect, Never, Scenario},
    player::{Counts, Player},
    truth::{Attack, AttackedCell, Truth},
    word::By,
};
use detect::{Engine, Finding, Subject, Taken};
use ids::{CellKey, Sha256, UnixTime};
use std::time::Duration;

/// What came of a scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// All findings, in order.
    pub findings: Vec<Finding>,
    /// What was to be found, in the order of the file.
    pub expected: Vec<Expected>,
    /// What must not be found and was, each with the first such finding.
    pub violated: Vec<Violated>,
    /// What was really so.
    pub truth: Truth,
    /// What was played.
    pub counts: Counts,
    /// Rows that came too late to be judged.
    pub late: u64,
    /// Of all that arrived: the same for the same scenario and seed.
    pub digest: Sha256,
}

/// What was to be found, and whether it was.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The expectation.
    pub expect: Expect,
    /// It was, in time.
    pub is_met: bool,
    /// When it was found first; of `each_cell`: when the last cell was.
    pub at: Option<UnixTime>,
    /// How long after the attack, or that cell's, began.
    pub after: Option<Duration>,
    /// Cells of which it was not found in time, with `each_cell`, or with a code or payment as its bound.
    pub missed: Vec<CellKey>,
}

/// What must not be found, and was.
#[derive(Clone, Debug)]
pub struct Violated {
    /// The rule.
    pub never: Never,
    /// The first finding against it.
    pub finding: Finding,
    /// How many there are.
    pub count: usize,
}

impl Outcome {
    /// Compares what was found of a scenario that was played with what it expects. `late`: rows that came too late to be judged.
    pub fn of(scenario: &Scenario, player: &Player, findings: Vec<Finding>, late: u64) -> Self {
        let truth = player.truth().clone();
        let expected = |expect| expected(expect, &findings, &truth, scenario);
        let expected = scenario.expects.iter().map(expected).collect();
        let violated = |never| violated(never, &findings, &truth);
        let violated = scenario.nevers.iter().filter_map(violated).collect();
        let (counts, digest) = (player.counts(), player.digest());
        Self { findings, expected, violated, truth, counts, late, digest }
    }

    /// All that was to be found was, and nothing that must not be.
    pub fn is_as_expected(&self) -> bool {
        self.violated.is_empty() && self.expected.iter().all(|expected| expected.is_met)
    }
}

/// Plays a scenario and has all detectors judge it. `seed`: of its draws.
///
/// # Errors
/// [`BadScenario`] if it cannot be played.
pub fn run(scenario: &Scenario, seed: u64) -> Result<Outcome, BadScenario> {
    Ok(judge(scenario, Player::new(scenario, seed)?))
}

/// The same with a player of one's own, as one whose boxes are not let in.
pub fn judge(scenario: &Scenario, mut player: Player) -> Outcome {
    let mut engine = Engine::new(player.setup());
    let (mut findings, mut late) = (Vec::new(), 0);
    for arrival in &mut player {
        late += u64::from(engine.take(arrival.input, &mut findings) == Taken::Late);
    }
    engine.finish(player.ends(), &mut findings);
    Outcome::of(scenario, &player, findings, late)
}

fn is_by(detector: &str, sure: u32, finding: &Finding) -> bool {
    let is_any = detector == "any" && finding.detector != "feed_gap";
    (is_any || finding.detector == detector) && u32::from(finding.confidence) >= sure
}

fn is_on(on: &str, finding: &Finding, truth: &Truth) -> bool {
    match on {
        "any" => true,
        "attack" => truth.blame(finding).is_some(),
        "honest" => truth.blame(finding).is_none(),
        actor => {
            let is_attack =
                truth.attacks.iter().any(|attack| attack.actor == actor && attack.is_meant(finding));
            let is_honest =
                || truth.honest.iter().any(|honest| honest.actor == actor && honest.is_meant(finding));
            is_attack || is_honest()
        }
    }
}

fn violated(never: &Never, findings: &[Finding], truth: &Truth) -> Option<Violated> {
    let is_against =
        |finding: &&Finding| is_by(&never.finding, never.sure(), finding) && is_on(&never.on, finding, truth);
    let mut against = findings.iter().filter(is_against);
    let first = against.next()?.clone();
    Some(Violated { never: never.clone(), finding: first, count: 1 + against.count() })
}

fn expected(expect: &Expect, findings: &[Finding], truth: &Truth, scenario: &Scenario) -> Expected {
    let found: Vec<_> = findings
        .iter()
        .filter(|finding| is_by(&expect.finding, expect.sure(), finding) && is_on(&expect.on, finding, truth))
        .collect();
    let is_in_time = |finding: &Finding, cell: Option<&AttackedCell>| match (expect.by, cell) {
        (None, _) => true,
        (Some(By::At(moment)), _) => finding.at <= scenario.begins().after(moment.since_start()),
        (Some(By::FirstCode), cell) => {
            cell.and_then(|cell| cell.first_code).is_none_or(|code| finding.at < code)
        }
        (Some(By::FirstPayment), cell) => {
            cell.and_then(|cell| cell.first_payment).is_none_or(|payment| finding.at < payment)
        }
    };
    let is_whose = |attack: &&Attack| matches!(&*expect.on, "any" | "attack") || attack.actor == expect.on;
    let attacks: Vec<_> = truth.attacks.iter().filter(is_whose).collect();
    let each = expect.each_cell() || matches!(expect.by, Some(By::FirstCode | By::FirstPayment));
    if !each {
        let first = found.iter().find(|finding| is_in_time(finding, None));
        let began = attacks.iter().filter_map(|attack| attack.from).min();
        let at = first.map(|finding| finding.at);
        let after = at.zip(began).map(|(at, began)| at.since(began));
        return Expected { expect: expect.clone(), is_met: first.is_some(), at, after, missed: Vec::new() };
    }
    let cells = attacks.iter().flat_map(|attack| &attack.cells).filter(|(_, cell)| is_due(expect, cell));
    let (mut last, mut after, mut missed) = (None, None, Vec::new());
    for (key, cell) in cells {
        let first = found.iter().find(|finding| names(finding, key) && is_in_time(finding, Some(cell)));
        match first.zip(cell.from) {
            Some((finding, from)) => {
                last = last.max(Some(finding.at));
                after = after.max(Some(finding.at.since(from)));
            }
            None => missed.push(*key),
        }
    }
    let is_met = missed.is_empty() && last.is_some();
    Expected { expect: expect.clone(), is_met, at: last, after, missed }
}

/// Whether a cell is one of which something is to be found: used, and with a code or payment, where that is the bound.
fn is_due(expect: &Expect, cell: &AttackedCell) -> bool {
    cell.from.is_some()
        && match expect.by {
            Some(By::FirstCode) => cell.first_code.is_some(),
            Some(By::FirstPayment) => cell.first_payment.is_some(),
            Some(By::At(_)) | None => true,
        }
}

fn names(finding: &Finding, cell: &CellKey) -> bool {
    finding.cells.contains(cell) || finding.key == Subject::Cell(*cell)
}
