//! Incidents as the API shows them.

use ids::{DeviceId, UnixTime};
use serde::{Deserialize, Serialize};

/// Something that a person must look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number, counted per carrier.
    pub number: u64,
    /// What it is about.
    pub kind: String,
    /// The units that it names.
    pub devices: Vec<DeviceId>,
    /// When it opened.
    pub opened_at: UnixTime,
    /// Whether it is open.
    pub state: String,
    /// In one sentence.
    pub summary: String,
    /// What was seen.
    pub evidence: serde_json::Value,
}

/// Some incidents, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incidents {
    /// The incidents.
    pub incidents: Vec<Incident>,
}
