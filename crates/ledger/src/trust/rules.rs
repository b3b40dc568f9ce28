//! The rules: a table, and the pure function that follows it.

use super::{CellTrust, Signal, SignalKind, TrustState};
use ids::UnixTime;
use std::time::Duration;

/// Version of the table and of the three figures below.
pub const RULES: u32 = 3;
/// Trust needs good signals on so many different days (UTC) behind the day of the last trouble. A unit authenticates
/// anew each day at least: a week of them.
pub const DAYS: usize = 7;
/// And of so many kinds, one of which a copied key cannot bring.
pub const KINDS: usize = 2;
/// Data that are older read as [`TrustState::Unsure`]; whoever comes back after that begins in probation.
pub const STALE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What one kind of signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which.
    pub kind: SignalKind,
    /// The cell is no better than this from now on: until it is lifted, or, for probation, until trust is earned anew.
    pub falls_to: Option<TrustState>,
    /// What it lifts of the same unit, as far as that was so before; trust is then to be earned anew.
    pub lifts: &'static [SignalKind],
    /// What it counts for.
    pub weight: Weight,
}

/// What a signal counts for when trust is earned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Nothing.
    None,
    /// The cell is there, and no more.
    Seen,
    /// It is good, and whoever has a copy of the key can bring it.
    Copyable,
    /// It is good, and comes from elsewhere than the unit.
    Independent,
}

use SignalKind as Kind;
use TrustState::{Blocked, Probation, Suspect, Unsure};

/// What a person's judgement lifts.
const JUDGED: &[Kind] = &[
    Kind::Contested,
    Kind::FindingMedium,
    Kind::HolderClone,
    Kind::KeyUntrusted,
    Kind::JudgedClone,
    Kind::FindingHigh,
    Kind::JudgedMisuse,
    Kind::RowTampered,
];
/// What a person's word lifts that findings have an honest cause.
const BENIGN: &[Kind] = &[Kind::FindingMedium, Kind::FindingHigh, Kind::JudgedMisuse];
/// What has to do with one unit, and goes with it.
const OF_UNIT: &[Kind] = &[
    Kind::Silent,
    Kind::Contested,
    Kind::FindingMedium,
    Kind::HolderClone,
    Kind::KeyUntrusted,
    Kind::JudgedClone,
    Kind::FindingHigh,
    Kind::JudgedMisuse,
    Kind::RowTampered,
    Kind::Barred,
];

/// What each kind does.
pub const TABLE: &[Rule] = &[
    good(Kind::Attached, Weight::Copyable),
    good(Kind::LineConfirmed, Weight::Independent),
    good(Kind::TrailConfirmed, Weight::Independent),
    good(Kind::FactsConfirmed, Weight::Independent),
    good(Kind::Attested, Weight::Independent),
    good(Kind::ProofConfirmed, Weight::Independent),
    Rule { weight: Weight::Seen, ..fall(Kind::Observed, Probation) },
    Rule { lifts: &[Kind::Silent], ..fall(Kind::Returned, Probation) },
    fall(Kind::Migrated, Probation),
    fall(Kind::Assigned, Probation),
    fall(Kind::NewcomerClone, Probation),
    fall(Kind::FindingLow, Probation),
    fall(Kind::Silent, Unsure),
    fall(Kind::Contested, Unsure),
    fall(Kind::FindingMedium, Unsure),
    fall(Kind::HolderClone, Suspect),
    fall(Kind::KeyUntrusted, Suspect),
    fall(Kind::JudgedClone, Suspect),
    fall(Kind::FindingHigh, Suspect),
    fall(Kind::JudgedMisuse, Suspect),
    fall(Kind::RowTampered, Suspect),
    fall(Kind::Barred, Blocked),
    lift(Kind::JudgedGenuine, JUDGED),
    lift(Kind::JudgedBenign, BENIGN),
    lift(Kind::Released, &[Kind::Barred]),
    lift(Kind::TakenOff, OF_UNIT),
];

const fn good(kind: Kind, weight: Weight) -> Rule {
    Rule { kind, falls_to: None, lifts: &[], weight }
}

const fn fall(kind: Kind, to: TrustState) -> Rule {
    Rule { kind, falls_to: Some(to), lifts: &[], weight: Weight::None }
}

const fn lift(kind: Kind, lifts: &'static [Kind]) -> Rule {
    Rule { kind, falls_to: None, lifts, weight: Weight::None }
}

impl SignalKind {
    /// What it does.
    pub fn rule(self) -> Rule {
        // A test holds the table to have each kind.
        TABLE.iter().copied().find(|rule| rule.kind == self).unwrap_or(fall(self, Suspect))
    }

    /// Whether it keeps a cell down until it is lifted.
    pub(super) fn stays(self) -> bool {
        self.rule().falls_to.is_some_and(|state| state > Probation)
    }

    pub(super) fn lifts(self, other: Self) -> bool {
        self.rule().lifts.contains(&other)
    }
}

/// A cell's trust once a signal is known; `at`: now.
pub fn rules(current: &CellTrust, signal: &Signal, at: UnixTime) -> CellTrust {
    let all = steps(current, signal, at);
    all.iter().fold(current.clone(), |trust, step| trust.with(step, at))
}

/// The signal, and before it what goes without saying: who is seen after silence is back.
pub(super) fn steps(current: &CellTrust, signal: &Signal, at: UnixTime) -> Vec<Signal> {
    let signal = signal.known_at(at);
    let is_seen = signal.kind.rule().weight != Weight::None;
    let gone_at = current.data_at.map(|data_at| data_at.after(STALE)).filter(|gone_at| signal.at > *gone_at);
    let was_silent = current.is_silent(&signal);
    let mut steps = Vec::new();
    if is_seen && (gone_at.is_some() || was_silent) {
        let implied = |kind, at, detail: &str| Signal {
            kind,
            at,
            data_at: at,
            detail: detail.to_owned(),
            ..signal.clone()
        };
        steps.extend(gone_at.filter(|_| !was_silent).map(|at| implied(Kind::Silent, at, "no data")));
        steps.push(implied(Kind::Returned, signal.at, "it was silent"));
    }
    steps.push(signal);
    steps
}
