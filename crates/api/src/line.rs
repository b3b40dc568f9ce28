//! Access lines as the API shows them.

use ids::AccessLine;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One access line and the prefixes that its subscribers come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its name.
    pub line: AccessLine,
    /// Outer addresses seen behind it.
    pub prefixes: Vec<IpNet>,
    /// Region, as policies name it.
    pub region: String,
}

/// Asks to add or replace one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutLine {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Its name.
    pub line: AccessLine,
    /// Outer addresses seen behind it.
    pub prefixes: Vec<IpNet>,
    /// Region, as policies name it.
    #[serde(default)]
    pub region: String,
}

/// All lines, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// The lines.
    pub lines: Vec<Line>,
}
