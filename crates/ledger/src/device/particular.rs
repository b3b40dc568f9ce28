use super::{Device, DeviceChange};
use crate::LedgerError;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// One thing that people say of a unit, as a text: a column of CSV files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Particular {
    /// Who answers for it.
    Owner,
    /// Where it is installed.
    Site,
    /// The postal address of that.
    Address,
    /// Where on the Earth that is, in decimal degrees: `37.4999,126.9`.
    Position,
    /// Region.
    Region,
    /// Class.
    Class,
    /// Its access line.
    Line,
    /// The cells that it may carry, with spaces between them.
    Cells,
    /// The networks that it may serve, with spaces between them.
    Plmns,
    /// The tracking or location area of its cells.
    Tac,
    /// Whom it serves.
    AccessMode,
    /// The closed subscriber group that it serves.
    Csg,
    /// Who made it.
    Vendor,
    /// Its model and hardware version.
    Hardware,
    /// The firmware that it is meant to have.
    Firmware,
    /// Anything worth knowing.
    Note,
}

/// The text names no particular.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a unit has no `{0}`")]
pub struct ParseParticularError(String);

impl Device {
    /// Cells that one unit may carry: three technologies with several carriers each, and sectors.
    pub const MAX_CELLS: usize = 32;
    /// Networks that one unit may serve: a cell of NR broadcasts 12 at most (TS 38.331 §6.4, maxPLMN).
    pub const MAX_PLMNS: usize = 12;
    /// Octets of each text.
    pub const MAX_TEXT: usize = 1_000;

    /// Nothing that is otherwise than `before` is longer than it may be.
    ///
    /// # Errors
    /// [`LedgerError::TooLong`]
    pub(crate) fn fits(&self, before: Option<&Self>) -> Result<(), LedgerError> {
        let is_new = |one: &Particular| before.is_none_or(|before| one.text(before) != one.text(self));
        let is_too_long = |one: &Particular| {
            let (has, most, _) = one.size(self);
            has > most
        };
        let too_long = Particular::ALL.into_iter().filter(is_new).find(is_too_long);
        too_long.map_or(Ok(()), |what| {
            let (_, most, unit) = what.size(self);
            Err(LedgerError::TooLong { device: self.id, what, most, unit })
        })
    }
}

impl Particular {
    /// Each, in the order in which they are written.
    pub const ALL: [Self; 16] = [
        Self::Owner,
        Self::Site,
        Self::Address,
        Self::Position,
        Self::Region,
        Self::Class,
        Self::Line,
        Self::Cells,
        Self::Plmns,
        Self::Tac,
        Self::AccessMode,
        Self::Csg,
        Self::Vendor,
        Self::Hardware,
        Self::Firmware,
        Self::Note,
    ];

    /// Its name, as of a column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Site => "site",
            Self::Address => "address",
            Self::Position => "position",
            Self::Region => "region",
            Self::Class => "class",
            Self::Line => "line",
            Self::Cells => "cells",
            Self::Plmns => "plmns",
            Self::Tac => "tac",
            Self::AccessMode => "access_mode",
            Self::Csg => "csg",
            Self::Vendor => "vendor",
            Self::Hardware => "hardware",
            Self::Firmware => "firmware",
            Self::Note => "note",
        }
    }

    /// How much of it a unit has, how much it may have at most, and of what.
    fn size(self, device: &Device) -> (usize, usize, &'static str) {
        if self == Self::Cells {
            (device.cells.len(), Device::MAX_CELLS, "cells")
        } else if self == Self::Plmns {
            (device.plmns.len(), Device::MAX_PLMNS, "networks")
        } else {
            (self.text(device).len(), Device::MAX_TEXT, "octets")
        }
    }

    /// What a unit has; empty for nothing. Space around it counts for nothing.
    pub fn text(self, device: &Device) -> String {
        match self {
            Self::Owner => device.owner.trim().to_owned(),
            Self::Site => device.site.trim().to_owned(),
            Self::Address => device.address.trim().to_owned(),
            Self::Position => known(device.position),
            Self::Region => device.region.trim().to_owned(),
            Self::Class => device.class.trim().to_owned(),
            Self::Line => known(device.access_line.as_ref()),
            Self::Cells => list(&device.cells),
            Self::Plmns => list(&device.plmns),
            Self::Tac => known(device.tac),
            Self::AccessMode => known(device.access_mode),
            Self::Csg => known(device.csg),
            Self::Vendor => device.vendor.trim().to_owned(),
            Self::Hardware => device.hardware.trim().to_owned(),
            Self::Firmware => device.firmware.trim().to_owned(),
            Self::Note => device.note.trim().to_owned(),
        }
    }

    /// Has a change say it; an empty text for what is not known any more.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn put(self, text: &str, change: &mut DeviceChange) -> Result<(), String> {
        let text = text.trim();
        let words = || Some(text.to_owned());
        match self {
            Self::Owner => change.owner = words(),
            Self::Site => change.site = words(),
            Self::Address => change.address = words(),
            Self::Position => change.position = Some(parsed(text)?),
            Self::Region => change.region = words(),
            Self::Class => change.class = words(),
            Self::Line => change.access_line = Some(parsed(text)?),
            Self::Cells => change.cells = Some(set(text)?),
            Self::Plmns => change.plmns = Some(set(text)?),
            Self::Tac => change.tac = Some(parsed(text)?),
            Self::AccessMode => change.access_mode = Some(parsed(text)?),
            Self::Csg => change.csg = Some(parsed(text)?),
            Self::Vendor => change.vendor = words(),
            Self::Hardware => change.hardware = words(),
            Self::Firmware => change.firmware = words(),
            Self::Note => change.note = words(),
        }
        Ok(())
    }
}

fn known(value: Option<impl fmt::Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn list(set: &BTreeSet<impl fmt::Display>) -> String {
    set.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn parsed<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<Option<T>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error: T::Err| error.to_string())
}

fn set<T: FromStr<Err: fmt::Display> + Ord>(text: &str) -> Result<BTreeSet<T>, String> {
    text.split_whitespace()
        .map(|one| one.parse().map_err(|error: T::Err| format!("`{one}`: {error}")))
        .collect()
}

impl FromStr for Particular {
    type Err = ParseParticularError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|one| one.name() == text)
            .ok_or_else(|| ParseParticularError(text.to_owned()))
    }
}

impl fmt::Display for Particular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
