mod judging;

pub use judging::{Closed, Genuine, Sides};

use crate::{Finding, LedgerError, Row};
use ids::{DeviceId, UnixTime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Something that people must look at, numbered per carrier from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// Its number.
    pub number: u64,
    /// Stable word: `second-claim`, `lost-unit-returned` ...
    pub kind: String,
    /// Units that it is about.
    pub devices: Vec<DeviceId>,
    /// Since when.
    pub opened_at: UnixTime,
    /// Where it is.
    pub state: IncidentState,
    /// What happened, in a sentence.
    pub summary: String,
    /// What was seen of each side.
    pub evidence: Value,
    /// How often the same happened again while it was open.
    pub repeats: u64,
    /// When it happened last.
    pub last_at: UnixTime,
    /// Who settled it, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
}

/// Where an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    /// Nobody has settled it.
    Open,
    /// Settled.
    Closed,
}

/// An incident to be opened. While one of the same kind about the same units is open, it counts there
/// instead; where it is about no unit, one about the same row, which its evidence names by `table` and `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIncident {
    /// Stable word.
    pub kind: &'static str,
    /// Units that it is about.
    pub devices: Vec<DeviceId>,
    /// What happened.
    pub summary: String,
    /// What was seen.
    pub evidence: Value,
    /// How often the same happened before, without being told.
    pub more: u64,
}

impl NewIncident {
    /// About a row that was tampered with: about the unit whose it is by its key, if that is one.
    pub fn of_row(found: &Finding) -> Self {
        let Finding { table, key, why } = found;
        Self {
            devices: key.parse().into_iter().collect(),
            summary: format!("{table} {key} was tampered with: {why}"),
            evidence: json!({ "table": table, "key": key, "why": why }),
            ..Self::tampered()
        }
    }

    /// Somebody wrote to the database, and nothing more is said.
    pub(crate) fn tampered() -> Self {
        let (kind, summary, evidence) = (LedgerError::TAMPERED, String::new(), Value::Null);
        Self { kind, devices: Vec::new(), summary, evidence, more: 0 }
    }

    pub(crate) fn group(&self) -> String {
        group(self.kind, &self.devices, &self.evidence)
    }

    pub(crate) fn group_of(kind: &str, devices: &[DeviceId]) -> String {
        group(kind, devices, &Value::Null)
    }
}

/// What incidents have in common that count on one.
fn group(kind: &str, devices: &[DeviceId], evidence: &Value) -> String {
    let row = ["table", "key"].map(|name| evidence.get(name).and_then(Value::as_str));
    match (devices, row) {
        ([], [Some(table), Some(key)]) => format!("{kind} {table} {key}"),
        _ => devices.iter().fold(kind.to_owned(), |group, device| format!("{group} {device}")),
    }
}

impl Incident {
    pub(crate) fn key_of(number: u64) -> String {
        format!("{number:012}")
    }
}

impl Row for Incident {
    const TABLE: &'static str = "incident";

    fn key(&self) -> String {
        Self::key_of(self.number)
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        let mut entries: Vec<_> = self.devices.iter().map(|device| ("device", device.to_string())).collect();
        if self.state == IncidentState::Open {
            entries.push(("open", group(&self.kind, &self.devices, &self.evidence)));
        }
        entries
    }
}
