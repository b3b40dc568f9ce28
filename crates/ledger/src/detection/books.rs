//! What is written about findings.

use super::{
    Detected, Detection, DetectionId, Kept, Link, Misuse, Severity,
    grouping::{Group, Register, group, links},
    signals::Signals,
};
use crate::{
    ClosedIncident, Device, Finding, Incident, IncidentState, Ledger, LedgerError, LifeCycle, NewIncident,
    Row, Tx, transaction::Because, trust::severity,
};
use ids::{CellKey, DeviceId, UnixTime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What became of a batch of findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenDetections {
    /// Taken now.
    pub taken: u64,
    /// Taken before: they changed nothing.
    pub known: u64,
    /// Beyond what is taken of one detector in a day: counted on an incident `finding-flood`, and no more is kept of them.
    pub beyond: u64,
    /// Refused: another finding was taken under that id.
    pub differing: Vec<DifferingDetection>,
    /// Incidents on which they count, by number.
    pub incidents: BTreeSet<u64>,
}

/// A finding that says something else than the one that was taken under its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferingDetection {
    /// Which.
    pub id: DetectionId,
    /// The incident on which the one counts that stands.
    pub incident: u64,
}

/// A finding, with what puts it together with others and what it does to cells.
pub(super) struct New<'a> {
    pub(super) found: &'a Detected,
    pub(super) links: BTreeSet<Link>,
    pub(super) severity: Severity,
    /// Of its cells, those that no unit has.
    pub(super) of_no_unit: BTreeSet<CellKey>,
}

/// Behind the number of every incident.
const LAST: &str = "999999999999";
const BY: &str = "findings";
const WHY: &str = "found";
/// Rows that go at once because they are too old or too many.
const CLEARED: usize = 1_000;

impl Ledger {
    /// Takes findings: each counts on an incident and moves the trust in its cells. One transaction: all of it or nothing. Said
    /// again, by id, they change nothing; what is not as it was said before under that id is refused by itself.
    ///
    /// # Errors
    /// The transient ones: nothing has changed, and they may be said again.
    pub fn take_detections(
        &self,
        batch: &[Detected],
        by: &str,
        now: UnixTime,
    ) -> Result<TakenDetections, LedgerError> {
        self.rely_on_index::<Detection>()?;
        self.rely_on_index::<Device>()?;
        self.change(|tx| tx.take_detections(batch, by, now))
    }
}

impl Tx<'_> {
    fn take_detections(
        &mut self,
        batch: &[Detected],
        by: &str,
        now: UnixTime,
    ) -> Result<TakenDetections, LedgerError> {
        let mut taken = TakenDetections::default();
        let new = self.not_taken(batch, &mut taken)?;
        if new.is_empty() {
            return Ok(taken);
        }
        let mut kept = self.believed::<Kept>(Kept::KEY)?.unwrap_or_default();
        let (within, beyond): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|found| kept.admits(&found.detector, now));
        let mut signals = Signals::new();
        let within = within.into_iter().map(|found| self.weighed(found)).collect::<Result<Vec<_>, _>>()?;
        taken.taken = within.len() as u64;
        for group in self.grouped(&within)? {
            let number = self.put_to_incident(&group, &within, by, now)?;
            taken.incidents.insert(number);
            for new in group.findings.iter().filter_map(|place| within.get(*place)) {
                self.signals_of(new, number, &mut signals)?;
            }
        }
        taken.beyond = beyond.len() as u64;
        self.flood(&beyond, by, now, &mut taken.incidents, &mut signals)?;
        for (cell, signals) in &signals {
            self.cell_signal_each(*cell, signals, now)?;
        }
        self.clear(&mut kept, by, now)?;
        self.put_row_anyway(&kept, &Because::new(by, WHY), now)?;
        Ok(taken)
    }

    /// Those that were not taken before, in the order of their time, each once.
    fn not_taken<'b>(
        &mut self,
        batch: &'b [Detected],
        taken: &mut TakenDetections,
    ) -> Result<Vec<&'b Detected>, LedgerError> {
        let mut new = BTreeMap::<DetectionId, &Detected>::new();
        for found in batch {
            let before = self.believed::<Detection>(&Detection::key_of(found.id))?;
            let same = match (&before, new.get(&found.id)) {
                (Some(before), _) => before.found == *found,
                (None, Some(before)) => *before == found,
                (None, None) => {
                    new.insert(found.id, found);
                    continue;
                }
            };
            if same {
                taken.known += 1;
            } else {
                let incident = before.map_or(0, |before| before.incident);
                taken.differing.push(DifferingDetection { id: found.id, incident });
            }
        }
        let mut new: Vec<_> = new.into_values().collect();
        new.sort_by_key(|found| (found.at, found.id));
        Ok(new)
    }

    pub(super) fn believed<R: Row>(&mut self, key: &str) -> Result<Option<R>, LedgerError> {
        let row = self.row::<R>(key).map(|row| row.map(|(row, _)| row));
        self.untampered(row)
    }

    /// What was read, unless a row of it was tampered with: then a person is told, and it says nothing.
    fn untampered<T: Default>(&mut self, read: Result<T, LedgerError>) -> Result<T, LedgerError> {
        let Err(error) = read else { return read };
        let found = Finding::of(&error).ok_or(error)?;
        let told = NewIncident { devices: Vec::new(), ..NewIncident::of_row(&found) };
        if !self.is_open(&told)? {
            self.open_incident(told, BY, UnixTime::now())?;
        }
        Ok(T::default())
    }

    pub(super) fn weighed<'b>(&mut self, found: &'b Detected) -> Result<New<'b>, LedgerError> {
        let mut register = Register::default();
        for cell in &found.cells {
            if self.unit_of(*cell)?.is_none() {
                register.of_no_unit.insert(*cell);
            }
        }
        for line in &found.lines {
            let units =
                self.store().find(Device::TABLE, Device::LINE, &line.to_string(), "", Register::FEW + 1)?;
            if units.len() > Register::FEW {
                register.shared.insert(line.clone());
            }
        }
        let links = links(found, &register);
        Ok(New { found, links, severity: severity(found), of_no_unit: register.of_no_unit })
    }

    /// The unit that has a cell now.
    pub(super) fn unit_of(&mut self, cell: CellKey) -> Result<Option<DeviceId>, LedgerError> {
        let units = self.all::<Device>(Some((Device::CELL, &cell.to_string())));
        Ok(self
            .untampered(units)?
            .into_iter()
            .find(|unit| unit.state != LifeCycle::Retired)
            .map(|unit| unit.id))
    }

    fn grouped(&mut self, new: &[New<'_>]) -> Result<Vec<Group>, LedgerError> {
        let mut open = BTreeMap::new();
        for link in new.iter().flat_map(|new| &new.links) {
            if open.contains_key(link) {
                continue;
            }
            if let Some(number) = self.open_by(link)? {
                open.insert(link.clone(), number);
            }
        }
        Ok(group(&new.iter().map(|new| &new.links).collect::<Vec<_>>(), &open))
    }

    /// The open incident to which a link leads: the newest to which a finding was put that has it, or what that is part of.
    fn open_by(&mut self, link: &Link) -> Result<Option<u64>, LedgerError> {
        let prefix = format!("{link} ");
        let last = self.store().last_entry(Detection::TABLE, Detection::LINK, &format!("{prefix}{LAST}"))?;
        let number = last.and_then(|last| last.strip_prefix(&prefix)?.parse().ok());
        number.map_or(Ok(None), |number| self.open_of(number))
    }

    /// The incident of which this one is part by now, or itself, if it is open.
    fn open_of(&mut self, mut number: u64) -> Result<Option<u64>, LedgerError> {
        while let Some(incident) = self.believed::<Incident>(&Incident::key_of(number))? {
            // An incident is part of an older one alone.
            match incident.part_of().filter(|whole| *whole < number) {
                Some(whole) => number = whole,
                None => return Ok((incident.state == IncidentState::Open).then_some(number)),
            }
        }
        Ok(None)
    }

    /// Puts findings to the incident on which they count: a new one, the one that is open, or the oldest of several, of which the
    /// others become part.
    fn put_to_incident(
        &mut self,
        group: &Group,
        all: &[New<'_>],
        by: &str,
        now: UnixTime,
    ) -> Result<u64, LedgerError> {
        let new = || group.findings.iter().filter_map(|place| all.get(*place));
        let number = match group.incidents.first() {
            Some(oldest) => *oldest,
            None => self.last_number::<Incident>()? + 1,
        };
        for New { found, links, .. } in new() {
            let (found, links) = ((*found).clone(), links.clone());
            let row = Detection { found, incident: number, links, taken_at: now };
            self.put_row_anyway(&row, &Because::new(by, WHY), now)?;
        }
        let parts = new().map(|new| Misuse::of(new.found, new.severity));
        let Some(mut misuse) = parts.reduce(Misuse::with) else { return Ok(number) };
        for younger in group.incidents.iter().skip(1) {
            misuse = misuse.with(self.becomes_part(*younger, number, by, now)?);
            misuse.parts.insert(*younger);
        }
        let incident = match group.incidents.first() {
            None => misuse.open(number, now),
            Some(_) => {
                let incident = self.known_incident(number)?;
                let misuse = match incident.misuse() {
                    Some(before) => before.with(misuse),
                    None => misuse,
                };
                incident.about(&misuse, now)
            }
        };
        self.put_row(&incident, &Because::new(by, WHY), now)?;
        Ok(number)
    }

    /// Ends an incident as part of an older one; what it says of its findings.
    fn becomes_part(&mut self, number: u64, of: u64, by: &str, now: UnixTime) -> Result<Misuse, LedgerError> {
        let mut incident = self.known_incident(number)?;
        let why = format!("part of {of}");
        let because = Because::new(by, &why);
        let closed = ClosedIncident { part_of: Some(of), ..ClosedIncident::new(by, now, &why) };
        (incident.state, incident.closed) = (IncidentState::Closed, Some(closed));
        self.put_row(&incident, &because, now)?;
        let none = || LedgerError::Conflict(format!("incident {number} is not about findings"));
        incident.misuse().ok_or_else(none)
    }

    /// Findings that are too old, or too many, go: those first that were taken first.
    fn clear(&mut self, kept: &mut Kept, by: &str, now: UnixTime) -> Result<(), LedgerError> {
        let (old, any) = (Detection::place(now.before(Kept::LONG)), Detection::place(now));
        let beyond = usize::try_from(kept.beyond()).unwrap_or(usize::MAX).min(CLEARED);
        let because = Because::new(by, "kept for long enough");
        for (up_to, most) in [(old, CLEARED), (any, beyond)] {
            let rows = self.store().find_up_to(Detection::TABLE, Detection::TAKEN, ("", ""), &up_to, most)?;
            for (_, row) in rows {
                self.remove_row::<Detection>(&row.key, &because, now)?;
                kept.rows = kept.rows.saturating_sub(1);
            }
        }
        Ok(())
    }
}
