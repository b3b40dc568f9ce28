//! How an incident ends: a person has looked, and where two hold one key, has said which is the unit.

use super::{Incident, IncidentState};
use crate::{
    Appearance, Judged, Ledger, LedgerError, Profile, Row, Tx,
    detection::Outcome,
    transaction::Because,
    trust::{Said, SignalKind, TrustEvidence},
};
use ids::UnixTime;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who holds a key, as an incident about them keeps them: two, or one alone who should not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides {
    /// The one who came.
    pub newcomer: Appearance,
    /// The one who was there, or was there before; `None` where the newcomer is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Appearance>,
}

/// Which of two is the unit; of one alone, whether it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Genuine {
    /// The one who came.
    Newcomer,
    /// The one who was there.
    Holder,
    /// None of them.
    Neither,
    /// They are one: nobody has a copy.
    Both,
}

/// An incident was settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// Who did.
    pub by: String,
    /// When.
    pub at: UnixTime,
    /// Why.
    pub why: String,
    /// Which is the unit, where two held one key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genuine: Option<Genuine>,
    /// What is behind its findings, where it is about such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Outcome>,
    /// The incident of which it is part from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<u64>,
}

impl Closed {
    /// Somebody has looked, and there is nothing more to say.
    pub fn new(by: &str, at: UnixTime, why: &str) -> Self {
        Self { by: by.to_owned(), at, why: why.to_owned(), genuine: None, found: None, part_of: None }
    }
}

impl Genuine {
    /// Each.
    pub const ALL: [Self; 4] = [Self::Newcomer, Self::Holder, Self::Neither, Self::Both];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Newcomer => "newcomer",
            Self::Holder => "holder",
            Self::Neither => "neither",
            Self::Both => "both",
        }
    }

    /// Whether the newcomer and the holder are copies.
    pub(crate) fn copies(self) -> (bool, bool) {
        match self {
            Self::Newcomer => (false, true),
            Self::Holder => (true, false),
            Self::Neither => (true, true),
            Self::Both => (false, false),
        }
    }
}

impl fmt::Display for Genuine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Sides {
    /// What an incident about those who hold one key has in its evidence under this name.
    pub const NAME: &'static str = "sides";

    /// They look alike and are in one place: what is said of one would be said of the other. One alone at the unit's
    /// own line is where the unit is.
    pub fn are_alike(&self) -> bool {
        self.holder.as_ref().map_or(self.newcomer.at_home, |holder| self.newcomer.is_like(holder))
    }
}

impl Incident {
    /// Who holds one key, if it is about such.
    pub fn sides(&self) -> Option<Sides> {
        self.evidence.get(Sides::NAME).and_then(|sides| Sides::deserialize(sides).ok())
    }

    /// The incident of which it is part.
    pub fn part_of(&self) -> Option<u64> {
        self.closed.as_ref().and_then(|closed| closed.part_of)
    }

    /// A later word about two, or about findings, takes the place of an earlier one: whoever was wrong can say so.
    fn settle(mut self, closed: Closed) -> Result<Self, LedgerError> {
        let number = self.number;
        if let Some(whole) = self.part_of() {
            return Err(LedgerError::Conflict(format!("incident {number} is part of {whole}")));
        }
        let says_nothing = closed.genuine.is_none() && closed.found.is_none();
        if let Some(before) = self.closed.as_ref().filter(|_| says_nothing) {
            let (at, by) = (before.at, &before.by);
            return Err(LedgerError::Conflict(format!("incident {number} was closed at {at} by {by}")));
        }
        (self.state, self.closed) = (IncidentState::Closed, Some(closed));
        Ok(self)
    }
}

impl Ledger {
    /// Closes an incident: somebody has looked, and there is nothing more to do.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::Conflict`] where it is closed already; what ledger and journal say.
    pub fn close_incident(&self, number: u64, closed: Closed) -> Result<Incident, LedgerError> {
        self.change(|tx| tx.settle(number, closed))
    }

    /// Says which of two is the unit, or whether one alone is, and closes the incident. From now on who looks like the
    /// copy, and comes from where it was, is refused; who looks like the unit there has that for it. Where both look
    /// alike from one place nothing tells them apart: this closes, and management is asked to have the unit enrol anew.
    /// The last word about an incident counts.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::Conflict`] where the incident is not about who holds a key, or not
    /// about that one; what ledger and journal say.
    pub fn judge_incident(
        &self,
        number: u64,
        genuine: Genuine,
        closed: Closed,
    ) -> Result<Incident, LedgerError> {
        self.change(|tx| {
            let incident = tx.settle(number, Closed { genuine: Some(genuine), ..closed.clone() })?;
            let sides = incident.sides().ok_or_else(|| {
                LedgerError::Conflict(format!("incident {number} is not about who holds a key"))
            })?;
            let is_alone = sides.holder.is_none();
            if is_alone && matches!(genuine, Genuine::Holder | Genuine::Both) {
                let why = format!(
                    "incident {number} is about one alone: that is the unit, `newcomer`, or `neither`"
                );
                return Err(LedgerError::Conflict(why));
            }
            let are_alike = sides.are_alike();
            if !are_alike {
                tx.judge(&incident, sides, genuine, &closed)?;
            }
            // Of a copy alone the cells have heard, and where the unit is nobody has said.
            if !is_alone || genuine == Genuine::Newcomer {
                tx.tell_cells(&incident, genuine, &closed)?;
            }
            tx.management_follows(&incident, (genuine, are_alike && !is_alone), &closed)?;
            Ok(incident)
        })
    }
}

impl Tx<'_> {
    pub(crate) fn settle(&mut self, number: u64, closed: Closed) -> Result<Incident, LedgerError> {
        let incident = self.known_incident(number)?.settle(closed.clone())?;
        self.put_row(&incident, &Because::new(&closed.by, &closed.why), closed.at)?;
        Ok(incident)
    }

    pub(crate) fn known_incident(&mut self, number: u64) -> Result<Incident, LedgerError> {
        let missing = || LedgerError::NotFound { table: Incident::TABLE, key: number.to_string() };
        Ok(self.row(&Incident::key_of(number))?.ok_or_else(missing)?.0)
    }

    /// One who serves is the unit, or nobody is.
    fn tell_cells(
        &mut self,
        incident: &Incident,
        genuine: Genuine,
        closed: &Closed,
    ) -> Result<(), LedgerError> {
        let kind = match genuine {
            Genuine::Newcomer | Genuine::Holder | Genuine::Both => SignalKind::JudgedGenuine,
            Genuine::Neither => SignalKind::JudgedClone,
        };
        let said = Said::now("judgement", TrustEvidence::Incident(incident.number), &closed.why, closed.at);
        for device in &incident.devices {
            if let Some(device) = self.device(*device)? {
                self.cell_signals(&device, &[kind], &said, closed.at)?;
            }
        }
        Ok(())
    }

    fn judge(
        &mut self,
        incident: &Incident,
        sides: Sides,
        genuine: Genuine,
        closed: &Closed,
    ) -> Result<(), LedgerError> {
        let (newcomer, holder) = genuine.copies();
        for device in &incident.devices {
            let mut profile = self.profile(*device)?.0.unwrap_or_else(|| Profile::new(*device));
            let sides = [(Some(&sides.newcomer), newcomer), (sides.holder.as_ref(), holder)];
            for (side, is_copy) in sides.into_iter().filter_map(|(side, is)| Some((side?, is))) {
                let (at, by) = (closed.at, closed.by.clone());
                profile.judge(side, Judged { is_copy, at, by, incident: Some(incident.number) });
            }
            self.put_profile(&profile, (&closed.by, &closed.why), closed.at)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
