use super::{ConfigError, located::Located};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf};

/// One realm: the devices named `<eui>.<name>`, and the only CAs that may vouch for them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Realm {
    /// As it stands behind the first dot of a device's name.
    pub(crate) name: ids::Realm,
    /// PEM files with the CA certificates that are trusted for this realm.
    #[serde(default)]
    pub(crate) anchors: Vec<PathBuf>,
    /// The CA in the data directory is trusted for this realm, and issues for it.
    #[serde(default)]
    pub(crate) embedded_ca: bool,
}

pub(super) fn wrong(realms: &[Realm], at: &Located<'_>) -> Vec<ConfigError> {
    let mut names = BTreeSet::new();
    let mut errors = Vec::new();
    if realms.is_empty() {
        errors.push(at.error(&["realm"], "no realm: no device could ever attach", "add a [[realm]] section"));
    }
    for (index, realm) in realms.iter().enumerate() {
        let index = index.to_string();
        if !names.insert(&realm.name) {
            let what = format!("realm {} appears twice", realm.name);
            errors.push(at.error(&["realm", &index, "name"], what, "put all its anchors into one section"));
        }
        if realm.anchors.is_empty() && !realm.embedded_ca {
            let what = format!("realm {} has no anchor: none of its devices could attach", realm.name);
            let next = "name PEM files in `anchors`, or set `embedded_ca = true`";
            errors.push(at.error(&["realm", &index, "name"], what, next));
        }
    }
    errors
}
