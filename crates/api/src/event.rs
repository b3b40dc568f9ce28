//! The journal as the API shows it: records are the journal's own lines, octet for octet.

use serde::{Deserialize, Serialize};

/// What a check of the whole journal found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Every record is as it was written, up to the head.
    pub ok: bool,
    /// Records checked.
    pub records: u64,
    /// Of them, signed checkpoints.
    pub checkpoints: u64,
    /// Number of the last record.
    pub head: String,
    /// The first bad record, if there is one.
    pub broken: Option<Broken>,
}

/// The first bad record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// In which file.
    pub file: String,
    /// On which line of it.
    pub line: u64,
    /// Its number, or the one it should have.
    pub seq: String,
    /// What is wrong with it.
    pub why: String,
}
