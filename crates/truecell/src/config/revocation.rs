//! Where a foreign CA says which of its certificates count no more.

use super::{Config, ConfigError, Realm, Vendor, located::Located, material::anchors_in};
use api::foreign::{Asked, GRACE, HttpUrl, Place};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// What becomes of certificates about which their CA says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Revocation {
    /// They open nothing.
    Require,
    /// The CA is not asked: the ledger alone decides.
    Off,
}

/// The keys about it in one section.
pub(crate) struct Sources<'a> {
    pub(crate) crl: &'a [String],
    pub(crate) ocsp: Option<&'a str>,
    pub(crate) revocation: Option<Revocation>,
}

impl Sources<'_> {
    /// Without a word about it, whoever has a source is asked.
    pub(crate) fn is_asked(&self) -> bool {
        self.has_source() && self.revocation != Some(Revocation::Off)
    }

    fn has_source(&self) -> bool {
        !self.crl.is_empty() || self.ocsp.is_some()
    }

    /// `section`: as in `["realm", "0"]`.
    pub(super) fn wrong(&self, section: [&str; 2], at: &Located<'_>) -> Vec<ConfigError> {
        let [name, index] = section;
        let bad_url = |key| {
            let what = "no http URL: lists and answers are signed, and https is not spoken";
            at.error(&[name, index, key], what, "write it as in \"http://crl.vendor.example/ca.crl\"")
        };
        let lists = self.crl.iter().filter(|list| is_url(list) && list.parse::<HttpUrl>().is_err());
        let ocsp = self.ocsp.filter(|url| url.parse::<HttpUrl>().is_err());
        let mut errors: Vec<_> = lists.map(|_| bad_url("crl")).chain(ocsp.map(|_| bad_url("ocsp"))).collect();
        if self.revocation == Some(Revocation::Require) && !self.has_source() {
            let what = "neither `crl` nor `ocsp`: nobody could be asked, and nothing would attach";
            errors.push(at.error(&[name, index, "revocation"], what, "name one, or write \"off\""));
        }
        errors
    }

    fn places(&self) -> Vec<Place> {
        let place = |list: &String| list.parse().map_or_else(|_| Place::File(list.into()), Place::Http);
        self.crl.iter().map(place).collect()
    }
}

/// Whatever has a scheme.
fn is_url(list: &str) -> bool {
    list.contains("://")
}

/// Makes files relative to the configuration's folder.
pub(super) fn resolve(lists: &mut [String], folder: &Path) {
    for list in lists.iter_mut().filter(|list| !is_url(list)) {
        *list = folder.join(&*list).display().to_string();
    }
}

impl Realm {
    pub(crate) fn sources(&self) -> Sources<'_> {
        Sources { crl: &self.crl, ocsp: self.ocsp.as_deref(), revocation: self.revocation }
    }
}

impl Vendor {
    pub(crate) fn sources(&self) -> Sources<'_> {
        Sources { crl: &self.crl, ocsp: self.ocsp.as_deref(), revocation: self.revocation }
    }
}

impl Config {
    /// The foreign CAs that are asked, each with its places.
    ///
    /// # Errors
    /// A file of anchors that cannot be used.
    pub(crate) fn asked(&self) -> Result<Vec<Asked>, ConfigError> {
        let mut asked = Vec::new();
        for realm in self.realms.iter().filter(|realm| realm.sources().is_asked()) {
            asked.extend(each_asked(&realm.anchors, &realm.sources(), GRACE)?);
        }
        for vendor in self.vendors.iter().filter(|vendor| vendor.sources().is_asked()) {
            asked.extend(each_asked(
                std::slice::from_ref(&vendor.anchors),
                &vendor.sources(),
                Duration::ZERO,
            )?);
        }
        Ok(asked)
    }

    /// Realms whose CAs nobody asks, and nobody said so.
    pub(crate) fn unasked(&self) -> Vec<String> {
        let silent = |sources: Sources<'_>| !sources.has_source() && sources.revocation.is_none();
        let realms = self.realms.iter().filter(|realm| silent(realm.sources())).map(|realm| {
            format!(
                "[[realm]] {}: neither `crl` nor `ocsp`: what its CA revokes counts here until somebody revokes it here, too",
                realm.name
            )
        });
        let vendors = self.vendors.iter().filter(|vendor| silent(vendor.sources())).map(|vendor| {
            format!("[[vendor]] {}: neither `crl` nor `ocsp`: what its CA revokes still enrols", vendor.realm)
        });
        realms.chain(vendors).collect()
    }
}

fn each_asked(files: &[PathBuf], sources: &Sources<'_>, grace: Duration) -> Result<Vec<Asked>, ConfigError> {
    let mut asked = Vec::new();
    for file in files {
        let anchors = anchors_in(file).map_err(super::material::Wrong::unlocated)?;
        asked.extend(anchors.into_iter().map(|anchor| Asked {
            anchor,
            lists: sources.places(),
            ocsp: sources.ocsp.and_then(|url| url.parse().ok()),
            grace,
        }));
    }
    Ok(asked)
}
