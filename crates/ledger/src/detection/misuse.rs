//! What an incident says of its findings: the same whatever their order.

use super::Detected;
use crate::{Incident, IncidentState, trust::SignalKind};
use ids::{AccessLine, CellKey, DeviceId, UnixTime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The findings of an incident in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Misuse {
    /// How bad it is, by the worst of them.
    pub severity: Severity,
    /// The highest confidence of one, 0 to 100.
    pub confidence: u8,
    /// The time of the first, in the time of the rows.
    pub first_at: UnixTime,
    /// The time of the last.
    pub last_at: UnixTime,
    /// How many, by detector.
    pub detectors: BTreeMap<String, u64>,
    /// How many of them are partial.
    pub partial: u64,
    /// Cells, the first [`Self::MOST`] by key, as of each list here.
    pub cells: BTreeSet<CellKey>,
    /// Units.
    pub devices: BTreeSet<DeviceId>,
    /// Access lines.
    pub lines: BTreeSet<AccessLine>,
    /// A list was longer.
    pub more: bool,
    /// Handsets of the one that has most: there are so many at least.
    pub handsets: u64,
    /// Honest causes that were considered and not ruled out by the rows.
    pub benign: BTreeSet<String>,
    /// Incidents that became part of this one.
    pub parts: BTreeSet<u64>,
}

/// How bad it is: what it does to the trust in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No cell is worse for it.
    None,
    /// A sign: probation.
    Low,
    /// It leaves doubt: unsure.
    Medium,
    /// It hardly has an honest cause: suspect.
    High,
}

impl Severity {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The signal of it about a cell.
    pub fn signal(self) -> Option<SignalKind> {
        match self {
            Self::None => None,
            Self::Low => Some(SignalKind::FindingLow),
            Self::Medium => Some(SignalKind::FindingMedium),
            Self::High => Some(SignalKind::FindingHigh),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Misuse {
    /// Entries of a list.
    pub const MOST: usize = 128;
    /// What an incident about findings has in its evidence under this name.
    pub const NAME: &'static str = "findings";
    /// Kind of incidents about what cells, units, lines and handsets did.
    pub const KIND: &'static str = "misuse";
    /// Kind of incidents about what feeds did not say.
    pub const GAP: &'static str = "feed-gap";

    /// Of one finding, with what it does to cells.
    pub fn of(found: &Detected, severity: Severity) -> Self {
        let mut this = Self {
            severity,
            confidence: found.confidence,
            first_at: found.at,
            last_at: found.at,
            detectors: BTreeMap::from([(found.detector.clone(), 1)]),
            partial: u64::from(found.partial),
            cells: found.cells.iter().copied().collect(),
            devices: found.devices.iter().copied().collect(),
            lines: found.lines.iter().cloned().collect(),
            more: false,
            handsets: found.handsets.count,
            benign: found.benign.iter().cloned().collect(),
            parts: BTreeSet::new(),
        };
        this.make_room();
        this
    }

    /// Both together.
    pub fn with(mut self, other: Self) -> Self {
        self.severity = self.severity.max(other.severity);
        self.confidence = self.confidence.max(other.confidence);
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
        for (detector, findings) in other.detectors {
            *self.detectors.entry(detector).or_default() += findings;
        }
        self.partial += other.partial;
        self.cells.extend(other.cells);
        self.devices.extend(other.devices);
        self.lines.extend(other.lines);
        self.more |= other.more;
        self.handsets = self.handsets.max(other.handsets);
        self.benign.extend(other.benign);
        self.parts.extend(other.parts);
        self.make_room();
        self
    }

    fn make_room(&mut self) {
        let cut = [
            cut(&mut self.cells, Self::MOST),
            cut(&mut self.devices, Self::MOST),
            cut(&mut self.lines, Self::MOST),
            cut(&mut self.benign, Self::MOST),
        ];
        self.more |= cut.contains(&true);
    }

    /// How many findings.
    pub fn findings(&self) -> u64 {
        self.detectors.values().sum()
    }

    /// The same in a sentence.
    pub fn summary(&self) -> String {
        let more = if self.more { "+" } else { "" };
        let count = |entries: usize, one: &str| {
            let plural = if entries == 1 { "" } else { "s" };
            (entries > 0).then(|| format!("{entries}{more} {one}{plural}"))
        };
        let findings = usize::try_from(self.findings()).unwrap_or(usize::MAX);
        let by = self.detectors.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let about = [count(self.cells.len(), "cell"), count(self.devices.len(), "unit")];
        let about = about.into_iter().flatten().collect::<Vec<_>>().join(" of ");
        let about = if about.is_empty() { about } else { format!(" about {about}") };
        let plural = if findings == 1 { "" } else { "s" };
        format!("{findings} finding{plural}{about}: {by}")
    }

    pub(super) fn evidence(&self) -> Value {
        json!({ Self::NAME: self })
    }

    fn kind(&self) -> &'static str {
        if self.severity == Severity::None { Self::GAP } else { Self::KIND }
    }

    /// A new incident about these.
    pub(super) fn open(self, number: u64, now: UnixTime) -> Incident {
        let incident = Incident {
            number,
            kind: self.kind().to_owned(),
            devices: Vec::new(),
            opened_at: now,
            state: IncidentState::Open,
            summary: String::new(),
            evidence: Value::Null,
            repeats: 0,
            last_at: now,
            closed: None,
        };
        incident.about(&self, now)
    }
}

impl Incident {
    /// What it says of its findings, if it is about such.
    pub fn misuse(&self) -> Option<Misuse> {
        self.evidence.get(Misuse::NAME).and_then(|misuse| Misuse::deserialize(misuse).ok())
    }

    /// The same incident with these findings.
    pub(super) fn about(mut self, misuse: &Misuse, now: UnixTime) -> Self {
        self.devices = misuse.devices.iter().copied().collect();
        self.summary = misuse.summary();
        self.evidence = misuse.evidence();
        self.repeats = misuse.findings().saturating_sub(1);
        self.last_at = now;
        self
    }
}

/// Leaves the first `most`; whether there were more.
fn cut<T: Ord + Clone>(set: &mut BTreeSet<T>, most: usize) -> bool {
    let Some(first) = set.iter().nth(most).cloned() else { return false };
    set.split_off(&first);
    true
}
