//! Orders to the carrier's management systems (TR-069 ACS, TR-369 controller): what only the unit itself can do about its
//! radio and its key. It is the one way by which Truecell has a unit do something.
//!
//! A row says what is to be done, by which unit, why, and how far it is. A management system fetches what is open, does it,
//! and reports. At most one order of a kind stands for a unit, and `radio-on` and `radio-off` withdraw each other.
//!
//! An order is for a box, and what management systems know is a name: a copy of a unit can speak to them as the unit. So an
//! order that was made by a verdict says by what its box is known ([`OnlyIf`]), and the management system looks at that in
//! the same exchange with the box, before it does anything. As not every system will, one is made only while nobody else
//! with the unit's key is attached, and withdrawn as soon as the unit is let in, or says something else of itself.
//!
//! While an emergency call goes on by a unit's radio, an order to turn that off waits, until the call is over, or the time is
//! that it waits at most. That is a time in the row, so nothing has to happen for an order to be due.

mod books;
mod judged;

use crate::Row;
use ids::{DeviceId, IkeSpi, UnixTime, spi_as_text};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One order to the management system of a unit, numbered per carrier from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagementOrder {
    /// Its number.
    pub number: u64,
    /// Which unit.
    pub device: DeviceId,
    /// What is to be done.
    pub task: Task,
    /// By what the box is known that is to do it; nothing is to be done to another. `None`: a person says that it is the unit.
    pub only_if: Option<OnlyIf>,
    /// Who ordered it: a person, or `admission`.
    pub by: String,
    /// Why.
    pub why: String,
    /// The incident that it comes from.
    pub incident: Option<u64>,
    /// Which of the two of that incident it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Side>,
    /// When it was ordered.
    pub at: UnixTime,
    /// It is not to be done before: an emergency call goes on, or did.
    pub waits_until: Option<UnixTime>,
    /// A management system has it.
    pub taken: Option<Said>,
    /// It stands no more.
    pub ended: Option<Ended>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Turn the radio off, and keep it off.
    RadioOff,
    /// Turn it on again.
    RadioOn,
    /// Make a new key and enrol by it; takes an install order that is open.
    EnrolAnew,
}

/// By what the box is known that is to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnlyIf {
    /// The initiator's SPI of its IKE SA is, or was last, this one.
    Tunnel(#[serde(with = "spi_as_text")] IkeSpi),
    /// It hears none of the cells that the unit heard at its line.
    HearsOtherCells,
}

/// One of the two of an incident; of one about one alone, it is the newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The one who came.
    Newcomer,
    /// The one who was there.
    Holder,
}

/// What a management system said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// When.
    pub at: UnixTime,
    /// Who did.
    pub by: String,
    /// In its words.
    pub text: String,
}

/// It stands no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// How.
    pub how: End,
    /// Since when.
    pub at: UnixTime,
    /// By whom: a management system, a person, or `facts`: the unit itself shows it.
    pub by: String,
    /// In their words.
    pub text: String,
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// It was done.
    Done,
    /// It could not be done.
    Failed,
    /// It is not to be done any more.
    Withdrawn,
}

/// What a management system reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Report {
    /// It has the order, and will do it.
    Taken,
    /// It is done.
    Done,
    /// It cannot be done.
    Failed,
}

/// Where an order is at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ManagementState {
    /// For the end of an emergency call.
    Waiting,
    /// To be done.
    Open,
    /// A management system has it.
    Taken,
    /// Done.
    Done,
    /// Not done, as it could not be.
    Failed,
    /// Not to be done any more.
    Withdrawn,
}

/// An order to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewManagementOrder {
    /// Which unit.
    pub device: DeviceId,
    /// What is to be done.
    pub task: Task,
    /// By what the box is known that is to do it.
    pub only_if: Option<OnlyIf>,
    /// Why.
    pub why: String,
    /// The incident that it comes from, and whom of it it is about.
    pub incident: Option<(u64, Option<Side>)>,
    /// It is not to be done before.
    pub waits_until: Option<UnixTime>,
}

impl Task {
    /// Each.
    pub const ALL: [Self; 3] = [Self::RadioOff, Self::RadioOn, Self::EnrolAnew];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RadioOff => "radio-off",
            Self::RadioOn => "radio-on",
            Self::EnrolAnew => "enrol-anew",
        }
    }

    /// What cannot stand beside it.
    fn opposite(self) -> Option<Self> {
        match self {
            Self::RadioOff => Some(Self::RadioOn),
            Self::RadioOn => Some(Self::RadioOff),
            Self::EnrolAnew => None,
        }
    }
}

impl Report {
    /// Each.
    pub const ALL: [Self; 3] = [Self::Taken, Self::Done, Self::Failed];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

impl ManagementState {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Open => "open",
            Self::Taken => "taken",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ManagementState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for OnlyIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tunnel(spi) => write!(f, "its tunnel is {spi}"),
            Self::HearsOtherCells => f.write_str("it hears none of the cells of its line"),
        }
    }
}

impl ManagementOrder {
    /// The name of the value by which those are found that have not ended.
    const STANDS: &'static str = "stands";
    /// Its value for those of any unit.
    const OF_ANY: &'static str = "any";

    /// Where it is.
    pub fn state(&self, now: UnixTime) -> ManagementState {
        match (&self.ended, &self.taken) {
            (Some(Ended { how: End::Done, .. }), _) => ManagementState::Done,
            (Some(Ended { how: End::Failed, .. }), _) => ManagementState::Failed,
            (Some(Ended { how: End::Withdrawn, .. }), _) => ManagementState::Withdrawn,
            (None, Some(_)) => ManagementState::Taken,
            (None, None) if self.waits_until.is_some_and(|until| now < until) => ManagementState::Waiting,
            (None, None) => ManagementState::Open,
        }
    }

    fn key_of(number: u64) -> String {
        format!("{number:012}")
    }
}

impl Row for ManagementOrder {
    const TABLE: &'static str = "management_order";

    fn key(&self) -> String {
        Self::key_of(self.number)
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        let mut entries = vec![("device", self.device.to_string())];
        entries.extend(self.incident.map(|number| ("incident", number.to_string())));
        if self.ended.is_none() {
            entries.push((Self::STANDS, self.device.to_string()));
            entries.push((Self::STANDS, Self::OF_ANY.to_owned()));
        }
        entries
    }
}

#[cfg(test)]
mod tests;
