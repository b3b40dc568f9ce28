//! What differs between two configurations, and which of it a running node can take.

use super::Config;
use events::gateway::Change;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Keys that `config apply` has hold at once, alone or with all below them. Everything else needs a restart.
const LIVE: [&str; 25] = [
    "admission",
    "control.approvers",
    "detect",
    "gateway.certificate",
    "gateway.class",
    "gateway.dns",
    "gateway.key",
    "gateway.legacy",
    "gateway.lifetimes",
    "gateway.limits",
    "gateway.off_line",
    "gateway.off_line_hold_s",
    "gateway.quarantine.reach",
    "gateway.replay_window",
    "gateway.suites",
    "gateway.tun.reachable",
    "journal.reserve_mib",
    "log.filter",
    "realm",
    "records.facts.keep_h",
    "records.facts.stale_s",
    "records.line.stale_s",
    "records.line.suspend_per_hour",
    "records.sources",
    "vendor",
];

/// Whether a running node can take another value of this key.
pub(crate) fn is_live(key: &str) -> bool {
    let below =
        |live: &str| key.strip_prefix(live).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    LIVE.into_iter().any(below)
}

/// The keys of a configuration with their values, as TOML writes them; sections that repeat are one value. There are
/// no secrets among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Values(BTreeMap<String, String>);

impl Values {
    /// All that one says.
    pub(crate) fn of(config: &Config) -> Self {
        let mut values = BTreeMap::new();
        flatten(&toml::Table::try_from(config).unwrap_or_default(), "", &mut values);
        Self(values)
    }

    /// With what a file holds that a key names: its SHA-256.
    pub(crate) fn with_content(mut self, key: &str, sha256: Option<String>) -> Self {
        self.0.extend(sha256.map(|sha256| (format!("{key} (SHA-256)"), sha256)));
        self
    }

    /// Every key that has another value in `new`, by name.
    pub(crate) fn changes_to(&self, new: &Self) -> Vec<Change> {
        let keys: BTreeSet<_> = self.0.keys().chain(new.0.keys()).collect();
        let change = |key: &String| {
            let (from, to) = (self.0.get(key).cloned(), new.0.get(key).cloned());
            (from != to).then(|| Change { key: key.clone(), from, to })
        };
        keys.into_iter().filter_map(change).collect()
    }
}

fn flatten(table: &toml::Table, under: &str, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = format!("{under}{key}");
        match value.as_table() {
            Some(inner) => flatten(inner, &format!("{key}."), into),
            None => drop(into.insert(key, value.to_string())),
        }
    }
}
