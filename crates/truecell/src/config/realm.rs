use super::{ConfigError, located::Located, revocation::Revocation};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf};

/// One realm: the devices named `<eui>.<name>`, and the only CAs that may vouch for them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Realm {
    /// As it stands behind the first dot of a device's name.
    pub(crate) name: ids::Realm,
    /// PEM files with the CA certificates that are trusted for this realm.
    pub(crate) anchors: Vec<PathBuf>,
    /// URLs and files of the revocation list of these CAs: each takes the first that is its own.
    #[serde(default)]
    pub(crate) crl: Vec<String>,
    /// URL of their OCSP responder.
    pub(crate) ocsp: Option<String>,
    /// What becomes of certificates about which their CA says nothing; absent: they are refused if there is anybody to ask.
    pub(crate) revocation: Option<Revocation>,
}

pub(super) fn wrong(realms: &[Realm], at: &Located<'_>) -> Vec<ConfigError> {
    let mut names = BTreeSet::new();
    let mut errors = Vec::new();
    for (index, realm) in realms.iter().enumerate() {
        let index = index.to_string();
        if !names.insert(&realm.name) {
            let what = format!("realm {} appears twice", realm.name);
            errors.push(at.error(&["realm", &index, "name"], what, "put all its anchors into one section"));
        }
        errors.extend(realm.sources().wrong(["realm", &index], at));
        if realm.anchors.is_empty() {
            let what = format!("realm {} has no anchor: none of its devices could attach", realm.name);
            errors.push(at.error(&["realm", &index, "anchors"], what, "name at least one PEM file"));
        }
    }
    errors
}
