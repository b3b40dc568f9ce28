//! What a person says of an incident about findings.

use super::{Detection, Misuse};
use crate::{
    ClosedIncident, Device, Incident, Ledger, LedgerError, Tx,
    trust::{Signal, SignalKind, TrustEvidence},
};
use ids::{CellKey, DeviceId};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What is behind findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// An honest cause.
    Benign,
    /// Misuse.
    Misuse,
}

impl Outcome {
    /// Each.
    pub const ALL: [Self; 2] = [Self::Benign, Self::Misuse];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Benign => "benign",
            Self::Misuse => "misuse",
        }
    }

    fn signal(self) -> SignalKind {
        match self {
            Self::Benign => SignalKind::JudgedBenign,
            Self::Misuse => SignalKind::JudgedMisuse,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Ledger {
    /// Says what is behind the findings of an incident and of its parts, and closes it: an honest cause lifts what findings said of
    /// their cells until now, misuse makes these suspect. The last word counts.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::Conflict`] where the incident is not about findings, or is part of another; what ledger
    /// and journal say.
    pub fn judge_detections(
        &self,
        number: u64,
        outcome: Outcome,
        closed: ClosedIncident,
    ) -> Result<Incident, LedgerError> {
        self.rely_on_index::<Device>()?;
        let mut cells = BTreeSet::new();
        let mut devices = BTreeSet::new();
        for found in self.detections_of(number, usize::MAX)?.rows {
            cells.extend(found.found.cells);
            devices.extend(found.found.devices);
        }
        self.change(|tx| {
            let incident = tx.settle(number, ClosedIncident { found: Some(outcome), ..closed.clone() })?;
            let none = || LedgerError::Conflict(format!("incident {number} is not about findings"));
            let Misuse { cells: listed, devices: units, .. } = incident.misuse().ok_or_else(none)?;
            let units = units.union(&devices).copied().collect();
            let told = tx.cells_of(listed.union(&cells).copied().collect(), &units)?;
            for (cell, devices) in told {
                let signal = |device| Signal {
                    kind: outcome.signal(),
                    device,
                    at: closed.at,
                    data_at: closed.at,
                    source: "judgement".to_owned(),
                    evidence: TrustEvidence::Incident(number),
                    detail: closed.why.clone(),
                };
                let of_units = devices.into_iter().map(Some).map(signal);
                let signals: Vec<_> = match outcome {
                    // Also what was said before a unit had the cell.
                    Outcome::Benign => of_units.chain([signal(None)]).collect(),
                    Outcome::Misuse if of_units.len() == 0 => vec![signal(None)],
                    Outcome::Misuse => of_units.collect(),
                };
                tx.cell_signal_each(cell, &signals, closed.at)?;
            }
            Ok(incident)
        })
    }
}

impl Tx<'_> {
    /// Cells, and those of these units, each with the units of them that have it now.
    fn cells_of(
        &mut self,
        cells: BTreeSet<CellKey>,
        devices: &BTreeSet<DeviceId>,
    ) -> Result<BTreeMap<CellKey, BTreeSet<DeviceId>>, LedgerError> {
        let mut told: BTreeMap<_, BTreeSet<DeviceId>> =
            cells.into_iter().map(|cell| (cell, BTreeSet::new())).collect();
        for device in devices {
            let Some(device) = self.device(*device)? else { continue };
            for cell in &device.cells {
                told.entry(*cell).or_default().insert(device.id);
            }
        }
        Ok(told)
    }
}

impl Detection {
    /// Rows of one incident begin behind this.
    pub(super) fn before_incident(number: u64) -> String {
        format!("{} ", Incident::key_of(number))
    }
}
