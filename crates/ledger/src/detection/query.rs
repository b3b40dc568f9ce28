//! How findings are looked for.

use super::{Detection, DetectionId};
use crate::{Ledger, LedgerError, Page, Row, row::SealedRow};
use ids::{CellKey, DeviceId, UnixTime};
use std::{fmt, str::FromStr};

/// Which findings are asked for; what is not said excludes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedDetections {
    /// Not before this time.
    pub from: Option<UnixTime>,
    /// Before this time.
    pub to: Option<UnixTime>,
    /// Of this detector.
    pub detector: Option<String>,
    /// That name this cell.
    pub cell: Option<CellKey>,
    /// That name this unit.
    pub device: Option<DeviceId>,
    /// That were put to this incident.
    pub incident: Option<u64>,
    /// Behind this place in the list.
    pub after: Option<Place>,
}

/// A place in a list of findings, which is in the order of their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The time of the finding.
    pub at: UnixTime,
    /// Its id.
    pub id: DetectionId,
}

/// Some findings.
pub type DetectionPage = Page<Detection>;

/// The text is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a place among findings is a time and an id, as `next` of a page has them")]
pub struct ParsePlaceError;

/// Rows that are read for one answer at most, however few of them are asked for.
const LOOKED_AT: usize = 100_000;
const ROWS: usize = 1_000;

impl Ledger {
    /// Up to `limit` findings, in the order of their time. A page that is not full may have a next one: then so many rows were looked
    /// at that were not asked for.
    ///
    /// # Errors
    /// The transient ones.
    pub fn detections(&self, asked: &AskedDetections, limit: usize) -> Result<DetectionPage, LedgerError> {
        self.rely_on_index::<Detection>()?;
        let (name, prefix) = asked.index();
        let from = asked.from.map_or_else(String::new, Detection::place);
        let mut after = match asked.after {
            Some(place) => (format!("{prefix}{}", Detection::place(place.at)), place.id.to_string()),
            None => (format!("{prefix}{from}"), String::new()),
        };
        let last = asked.to.map_or_else(|| END.to_owned(), |to| Detection::place(before(to)));
        let last = format!("{prefix}{last}");
        let mut page = DetectionPage { rows: Vec::new(), tampered: Vec::new(), next: None };
        for _ in 0..LOOKED_AT / ROWS {
            let rows = self
                .read(|store| store.find_up_to(Detection::TABLE, name, (&after.0, &after.1), &last, ROWS))?;
            let is_last = rows.len() < ROWS;
            for (value, row) in rows {
                if page.rows.len() == limit {
                    return Ok(page);
                }
                let at = value.strip_prefix(&prefix).unwrap_or_default();
                page.next = Some(format!("{at}-{}", row.key));
                after = (value, row.key.clone());
                self.add(&row, asked, &mut page)?;
            }
            if is_last {
                page.next = None;
                return Ok(page);
            }
        }
        Ok(page)
    }

    fn add(
        &self,
        row: &SealedRow,
        asked: &AskedDetections,
        page: &mut DetectionPage,
    ) -> Result<(), LedgerError> {
        let read = Page::unseal(std::slice::from_ref(row), None, usize::MAX, &self.inner().row_key)?;
        page.tampered.extend(read.tampered);
        page.rows.extend(read.rows.into_iter().filter(|found| asked.has(found)));
        Ok(())
    }

    /// Up to `limit` findings of an incident and of its parts, of each in the order of their time.
    ///
    /// # Errors
    /// The transient ones.
    pub fn detections_of(&self, number: u64, limit: usize) -> Result<DetectionPage, LedgerError> {
        let mut page = DetectionPage { rows: Vec::new(), tampered: Vec::new(), next: None };
        let Some(incident) = self.incident(number)? else { return Ok(page) };
        let parts = incident.misuse().map(|misuse| misuse.parts).unwrap_or_default();
        for number in std::iter::once(number).chain(parts) {
            let mut asked = AskedDetections { incident: Some(number), ..AskedDetections::default() };
            loop {
                let read = self.detections(&asked, limit.saturating_sub(page.rows.len()).min(ROWS))?;
                page.rows.extend(read.rows);
                page.tampered.extend(read.tampered);
                asked.after = read.next.as_deref().and_then(|next| next.parse().ok());
                if page.rows.len() >= limit {
                    page.next = page.next.or(read.next);
                    break;
                }
                if asked.after.is_none() {
                    break;
                }
            }
        }
        Ok(page)
    }
}

impl AskedDetections {
    /// The index that has fewest that are not asked for, and what its values begin with.
    fn index(&self) -> (&'static str, String) {
        if let Some(number) = self.incident {
            (Detection::INCIDENT, Detection::before_incident(number))
        } else if let Some(cell) = self.cell {
            (Detection::CELL, format!("{cell} "))
        } else if let Some(device) = self.device {
            (Detection::DEVICE, format!("{device} "))
        } else if let Some(detector) = &self.detector {
            (Detection::DETECTOR, format!("{detector} "))
        } else {
            (Detection::AT, String::new())
        }
    }

    fn has(&self, row: &Detection) -> bool {
        let Detection { found, incident, .. } = row;
        self.from.is_none_or(|from| found.at >= from)
            && self.to.is_none_or(|to| found.at < to)
            && self.detector.as_ref().is_none_or(|detector| found.detector == *detector)
            && self.cell.is_none_or(|cell| found.cells.contains(&cell))
            && self.device.is_none_or(|device| found.devices.contains(&device))
            && self.incident.is_none_or(|number| *incident == number)
    }
}

/// Behind every time.
const END: &str = "99999999999999999999";

fn before(time: UnixTime) -> UnixTime {
    UnixTime::from_micros(time.micros().saturating_sub(1))
}

impl FromStr for Place {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (at, id) = text.split_once('-').ok_or(ParsePlaceError)?;
        let at = at.parse().map(UnixTime::from_micros).map_err(|_| ParsePlaceError)?;
        Ok(Self { at, id: id.parse().map_err(|_| ParsePlaceError)? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", Detection::place(self.at), self.id)
    }
}
