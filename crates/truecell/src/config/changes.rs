//! What differs between two configurations, and which of it a running node can take.

use super::Config;
use events::gateway::Change;
use std::collections::{BTreeMap, BTreeSet};

/// Keys that `config apply` has hold at once, alone or with all below them. Everything else needs a restart.
const LIVE: [&str; 17] = [
    "admission",
    "control.approvers",
    "gateway.certificate",
    "gateway.class",
    "gateway.dns",
    "gateway.key",
    "gateway.legacy",
    "gateway.lifetimes",
    "gateway.limits",
    "gateway.off_line",
    "gateway.off_line_hold_s",
    "gateway.replay_window",
    "gateway.suites",
    "gateway.tun.reachable",
    "journal.reserve_mib",
    "log.filter",
    "realm",
];

/// Whether a running node can take another value of this key.
pub(crate) fn is_live(key: &str) -> bool {
    let below =
        |live: &str| key.strip_prefix(live).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    LIVE.into_iter().any(below)
}

/// Every key with another value, by name; sections that repeat are one value.
pub(crate) fn changes(old: &Config, new: &Config) -> Vec<Change> {
    let (old, new) = (values(old), values(new));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let change = |key: &String| {
        let (from, to) = (old.get(key).cloned(), new.get(key).cloned());
        (from != to).then(|| Change { key: key.clone(), from, to })
    };
    keys.into_iter().filter_map(change).collect()
}

fn values(config: &Config) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    flatten(&toml::Table::try_from(config).unwrap_or_default(), "", &mut values);
    values
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
