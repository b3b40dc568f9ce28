use crate::Row;
use ids::AccessLine;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A fixed line, and the networks that its subscribers come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLineRecord {
    /// Its name.
    pub line: AccessLine,
    /// Outer addresses seen behind it; none means that nobody knows.
    pub prefixes: Vec<IpNet>,
    /// Region.
    pub region: String,
}

impl AccessLineRecord {
    /// Whether `address` is behind this line; `None` when nobody knows.
    pub fn covers(&self, address: IpAddr) -> Option<bool> {
        let address = address.to_canonical();
        (!self.prefixes.is_empty()).then(|| self.prefixes.iter().any(|prefix| prefix.contains(&address)))
    }
}

impl Row for AccessLineRecord {
    const TABLE: &'static str = "line";

    fn key(&self) -> String {
        self.line.to_string()
    }
}
