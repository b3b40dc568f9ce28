//! What detectors found in the records of the core, as the ledger keeps it: each finding once, by its id, and the incident that it counts
//! on. Which findings belong together is one pure function ([`group`]); what an incident says of its findings is [`Misuse`]; what a
//! finding does to the trust in cells is a table ([`crate::trust::FOUND`]).
//!
//! What detectors can make the ledger keep is bounded: so many findings of one detector a day, so many in all ([`Kept`]). What is beyond
//! that is counted on an incident of its own, and lowers trust all the same.

mod books;
mod grouping;
mod judged;
mod kept;
mod misuse;
mod query;
mod signals;

pub use books::{DifferingDetection, TakenDetections};
pub use grouping::{Group, JOINS_FROM, Link, Register, group, links};
pub use judged::Outcome;
pub use kept::Kept;
pub use misuse::{Misuse, Severity};
pub use query::{AskedDetections, DetectionPage, Place};

use crate::{Incident, Row};
use ids::{AccessLine, CellKey, DeviceId, Label, SubscriberKey, UnixTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

/// Something that a detector found, with all that a person needs to judge it. Its JSON is that of the engine's finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detected {
    /// The same whenever the same is found from the same rows.
    pub id: DetectionId,
    /// Which detector: 1 to 32 lower-case letters, digits and underscores.
    pub detector: String,
    /// Its version.
    pub version: u16,
    /// When it became known, in the time of the rows.
    pub at: UnixTime,
    /// What it is about.
    pub key: Subject,
    /// What was seen, with its figures, for people; [`Self::TEXT`] octets at most.
    pub what: String,
    /// Cells that it concerns, [`Self::MOST`] at most, as of each list here.
    pub cells: Vec<CellKey>,
    /// Units.
    pub devices: Vec<DeviceId>,
    /// Access lines.
    pub lines: Vec<AccessLine>,
    /// Handsets.
    pub handsets: Handsets,
    /// Rows that show it, by feed and number.
    pub evidence: Vec<(Label, u64)>,
    /// How sure it is that no honest cause explains this, 0 to 100.
    pub confidence: u8,
    /// Honest causes that were considered and are not ruled out by the rows alone.
    pub benign: Vec<String>,
    /// Something of its past is not known: evicted, or in a gap.
    pub partial: bool,
}

/// Which handsets a finding concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handsets {
    /// How many, at least.
    pub count: u64,
    /// A few of them.
    pub some: Vec<SubscriberKey>,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// A finding's name: 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DetectionId(u128);

/// The text is not 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a finding has 32 hex digits, in lower case")]
pub struct ParseDetectionIdError;

/// A finding as a row: what was found, and the incident that it counts on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// What was found.
    pub found: Detected,
    /// The incident that it was put to: it may be part of another by now.
    pub incident: u64,
    /// What puts it together with others.
    pub links: BTreeSet<Link>,
    /// When the ledger took it.
    pub taken_at: UnixTime,
}

/// A finding is not one that an engine says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("finding {id}: {why}")]
pub struct BadDetection {
    /// Which.
    pub id: DetectionId,
    /// What is wrong with it.
    pub why: String,
}

impl Detected {
    /// Entries of a list.
    pub const MOST: usize = 16;
    /// Octets of a text.
    pub const TEXT: usize = 1_000;

    /// Each list and text is within its bound, and what it names is well formed.
    ///
    /// # Errors
    /// [`BadDetection`], with the first thing that is not.
    pub fn check(&self) -> Result<(), BadDetection> {
        let lists = [
            ("cells", self.cells.len()),
            ("devices", self.devices.len()),
            ("lines", self.lines.len()),
            ("handsets", self.handsets.some.len()),
            ("evidence", self.evidence.len()),
            ("benign", self.benign.len()),
        ];
        let is_plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_';
        let mut texts = self.benign.iter().chain([&self.what]);
        let long = lists.iter().find(|(_, entries)| *entries > Self::MOST);
        let why = if let Some((name, entries)) = long {
            format!("it has {entries} {name}, and {} is the most", Self::MOST)
        } else if !(1..=32).contains(&self.detector.len()) || !self.detector.bytes().all(is_plain) {
            "its detector has no name of 1 to 32 lower-case letters, digits and underscores".to_owned()
        } else if texts.any(|text| text.len() > Self::TEXT) {
            format!("a text of it is longer than {} octets", Self::TEXT)
        } else if self.confidence > 100 {
            "its confidence is above 100".to_owned()
        } else {
            return Ok(());
        };
        Err(BadDetection { id: self.id, why })
    }
}

impl FromStr for DetectionId {
    type Err = ParseDetectionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |octet: u8| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet);
        let is_id = text.len() == 32 && text.bytes().all(is_digit);
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_id);
        number.map(Self).ok_or(ParseDetectionIdError)
    }
}

impl fmt::Display for DetectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for DetectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DetectionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DetectionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Detection {
    /// Under each of these names a list of rows is in the order of time.
    pub(crate) const AT: &'static str = "at";
    pub(crate) const CELL: &'static str = "cell";
    pub(crate) const DEVICE: &'static str = "device";
    pub(crate) const DETECTOR: &'static str = "detector";
    pub(crate) const INCIDENT: &'static str = "incident";
    /// What it links by, each with the incident.
    pub(crate) const LINK: &'static str = "link";
    /// When it was taken.
    pub(crate) const TAKEN: &'static str = "taken";

    /// A time as a text of one length, in order; what was before 1970 is 1970.
    pub(crate) fn place(at: UnixTime) -> String {
        format!("{:020}", at.micros().max(0))
    }

    fn key_of(id: DetectionId) -> String {
        id.to_string()
    }
}

impl Row for Detection {
    const TABLE: &'static str = "finding";

    fn key(&self) -> String {
        Self::key_of(self.found.id)
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        let Detected { at, detector, cells, devices, .. } = &self.found;
        let (at, number) = (Self::place(*at), Incident::key_of(self.incident));
        let mut entries = vec![
            (Self::AT, at.clone()),
            (Self::DETECTOR, format!("{detector} {at}")),
            (Self::INCIDENT, format!("{number} {at}")),
            (Self::TAKEN, Self::place(self.taken_at)),
        ];
        entries.extend(cells.iter().map(|cell| (Self::CELL, format!("{cell} {at}"))));
        entries.extend(devices.iter().map(|device| (Self::DEVICE, format!("{device} {at}"))));
        entries.extend(self.links.iter().map(|link| (Self::LINK, format!("{link} {number}"))));
        entries
    }
}

#[cfg(test)]
mod tests;
