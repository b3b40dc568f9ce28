//! What findings do to the trust in cells, also those that are not kept.

use super::{Detected, Detection, Kept, Severity, books::New};
use crate::{
    Device, LedgerError, LifeCycle, NewIncident, Row, Tx,
    trust::{Signal, TrustEvidence},
};
use ids::{CellKey, DeviceId, UnixTime};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Signals about cells, to be told at once.
pub(super) type Signals = BTreeMap<CellKey, Vec<Signal>>;

/// Kind of incidents about detectors that find too much.
const FLOOD: &str = "finding-flood";

impl Tx<'_> {
    /// Findings beyond what is taken of their detectors in a day: one incident for each detector, and what they do to cells.
    pub(super) fn flood(
        &mut self,
        beyond: &[&Detected],
        by: &str,
        now: UnixTime,
        incidents: &mut BTreeSet<u64>,
        signals: &mut Signals,
    ) -> Result<(), LedgerError> {
        let mut by_detector = BTreeMap::<&str, Vec<&Detected>>::new();
        for found in beyond {
            by_detector.entry(&found.detector).or_default().push(found);
        }
        for (detector, all) in by_detector {
            let most = Kept::A_DAY;
            let incident = NewIncident {
                kind: FLOOD,
                devices: Vec::new(),
                summary: format!("{detector} finds more than the {most} a day that are kept"),
                evidence: json!({ "table": Detection::TABLE, "key": detector, "first": all.first() }),
                more: all.len() as u64 - 1,
            };
            let number = self.open_incident(incident, by, now)?.number;
            incidents.insert(number);
            for found in all {
                let new = self.weighed(found)?;
                self.signals_of(&new, number, signals)?;
            }
        }
        Ok(())
    }

    /// What a finding does to the cells that it names, and to all cells of the units that it names.
    pub(super) fn signals_of(
        &mut self,
        new: &New<'_>,
        incident: u64,
        signals: &mut Signals,
    ) -> Result<(), LedgerError> {
        let New { found, severity, of_no_unit, .. } = new;
        // Beside a cell that nobody registered a unit's may be where it belongs.
        let is_mixed = !of_no_unit.is_empty() && of_no_unit.len() < found.cells.len();
        let of_units = if is_mixed { (*severity).min(Severity::Low) } else { *severity };
        let mut told = BTreeMap::<(CellKey, Option<DeviceId>), Severity>::new();
        for cell in &found.cells {
            match of_no_unit.contains(cell) {
                true => told.insert((*cell, None), *severity),
                false => told.insert((*cell, self.unit_of(*cell)?), of_units),
            };
        }
        for device in &found.devices {
            let device = self.believed::<Device>(&device.to_string())?;
            let Some(device) = device.filter(|device| device.state != LifeCycle::Retired) else { continue };
            told.extend(device.cells.iter().map(|cell| ((*cell, Some(device.id)), of_units)));
        }
        for ((cell, device), severity) in told {
            let Some(kind) = severity.signal() else { continue };
            signals.entry(cell).or_default().push(Signal {
                kind,
                device,
                at: found.at,
                data_at: found.at,
                source: found.detector.clone(),
                evidence: TrustEvidence::Incident(incident),
                detail: found.what.clone(),
            });
        }
        Ok(())
    }
}
