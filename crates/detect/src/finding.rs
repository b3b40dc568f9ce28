use ids::{AccessLine, CellKey, DeviceId, Hex, Label, Sha256, SubscriberKey, UnixTime};
use serde::{Serialize, Serializer};
use std::fmt;

/// Something that a detector found, with all that a person needs to judge it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The same whenever the same is found from the same rows.
    pub id: FindingId,
    /// Which detector.
    pub detector: &'static str,
    /// Its version.
    pub version: u16,
    /// When it became known, in event time: the row or timer that brought it.
    pub at: UnixTime,
    /// What it is about.
    pub key: Subject,
    /// What was seen, with its figures, for people.
    pub what: String,
    /// Cells that it concerns, [`Finding::MOST`] at most.
    pub cells: Vec<CellKey>,
    /// Units.
    pub devices: Vec<DeviceId>,
    /// Access lines.
    pub lines: Vec<AccessLine>,
    /// Handsets.
    pub handsets: Handsets,
    /// Rows that show it, by feed and number: the first and the newest, [`Finding::MOST`] at most.
    pub evidence: Vec<(Label, u64)>,
    /// How sure it is that no honest cause explains this, 0 to 100.
    pub confidence: u8,
    /// Honest causes that were considered and are not ruled out by the rows alone.
    pub benign: Vec<&'static str>,
    /// Something of its past is not known: evicted, or in a gap.
    pub partial: bool,
}

/// Which handsets a finding concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Handsets {
    /// How many, at least.
    pub count: u64,
    /// A few of them, whole keys.
    pub some: Vec<SubscriberKey>,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A cell.
    Cell(CellKey),
    /// A unit.
    Device(DeviceId),
    /// An access line.
    Line(AccessLine),
    /// A subscriber.
    Subscriber(SubscriberKey),
    /// A feed.
    Feed(Label),
}

/// A finding's name: hash of detector, version, key, and first row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingId([u8; 16]);

impl Finding {
    /// Cells, units, lines and rows of a finding at most.
    pub const MOST: usize = 16;
}

impl FindingId {
    pub(crate) fn new(detector: &str, version: u16, key: &Subject, first: &(Label, u64)) -> Self {
        let key = match key {
            Subject::Cell(cell) => format!("cell {cell}"),
            Subject::Device(device) => format!("device {device}"),
            Subject::Line(line) => format!("line {line}"),
            Subject::Subscriber(subscriber) => format!("subscriber {}", subscriber.hex()),
            Subject::Feed(feed) => format!("feed {feed}"),
        };
        let text = format!("{detector} {version}\n{key}\n{} {}", first.0, first.1);
        let Sha256(hash) = Sha256::of(text.as_bytes());
        let mut id = [0; 16];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for FindingId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
