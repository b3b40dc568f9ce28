//! `truecell.toml`: one file, assembled from the sections below. A key that nobody reads is refused
//! with its line; so is a value that cannot work. Nothing falls back to a default because a file
//! could not be read.

mod ca;
mod changes;
mod detect;
mod enrol;
mod error;
mod form;
mod gateway;
mod here;
mod journal;
mod located;
mod material;
mod realm;
mod records;
mod revocation;
mod services;

pub(crate) use ca::Ca;
pub(crate) use changes::{Values, is_live};
pub(crate) use detect::Detect;
pub(crate) use enrol::{Enrol, Vendor};
pub(crate) use error::ConfigError;
pub(crate) use gateway::{Cipher, Class, Gateway, KeyExchange, Legacy, OffLine, Prf, Quarantine, Tun};
pub(crate) use here::{KEEP_POOLS, outside_pool};
pub(crate) use material::{Identity, certificates, expired};
pub(crate) use realm::Realm;
pub(crate) use services::{Control, Http, Log, LogFormat};

use ids::NodeId;
use located::Located;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Everything that `truecell serve` is told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// This node's name, in journal and leases. Never changes once the data directory exists.
    pub(crate) node: NodeId,
    /// Where journal, ledger, CA, keys, lock and control socket are. Relative to the file.
    pub(crate) data: PathBuf,
    /// The security gateway.
    pub(crate) gateway: Gateway,
    /// The embedded CA; absent where certificates come from elsewhere only.
    pub(crate) ca: Option<Ca>,
    /// Realms beside the embedded CA's own, each with those who vouch for its devices.
    #[serde(default, rename = "realm")]
    pub(crate) realms: Vec<Realm>,
    /// The public listener; absent: nobody enrols here, and nobody asks which certificates count.
    pub(crate) enrol: Option<Enrol>,
    /// Whose units may enrol, each by the certificate that it has from its vendor.
    #[serde(default, rename = "vendor")]
    pub(crate) vendors: Vec<Vendor>,
    /// What others say, of lines and networks.
    #[serde(default)]
    pub(crate) records: records::Records,
    /// What is judged of the rows of core, IMS and billing.
    #[serde(default)]
    pub(crate) detect: Detect,
    /// Who may attach, beyond what is never allowed.
    #[serde(default)]
    pub(crate) admission: admission::Policy,
    /// The event journal.
    #[serde(default)]
    pub(crate) journal: journal::Journal,
    /// Health and metrics.
    #[serde(default)]
    pub(crate) http: Http,
    /// The control socket.
    #[serde(default)]
    pub(crate) control: Control,
    /// What is logged.
    #[serde(default)]
    pub(crate) log: Log,
}

impl Config {
    /// Reads and checks one file. Relative paths in it are made relative to its folder.
    ///
    /// # Errors
    /// The file cannot be read, or all that is wrong in it, in the order of its lines.
    pub(crate) fn read(file: &Path) -> Result<Self, Vec<ConfigError>> {
        let text =
            std::fs::read_to_string(file).map_err(|error| vec![ConfigError::unreadable(file, &error)])?;
        Self::parse(&text, file)
    }

    /// The same for a text already read; `file` is named in errors.
    pub(crate) fn parse(text: &str, file: &Path) -> Result<Self, Vec<ConfigError>> {
        let located = Located::parse(text, file).map_err(|error| vec![error])?;
        let (config, mut errors) = form::read(&located);
        errors.extend(config.iter().flat_map(|config| config.wrong(&located)));
        errors.sort_by_key(|error| error.line);
        match config {
            Some(mut config) if errors.is_empty() => {
                config.resolve(file.parent().unwrap_or(Path::new("")));
                Ok(config)
            }
            Some(_) | None => Err(errors),
        }
    }

    /// What the routes must know of it.
    pub(crate) fn rules(&self) -> api::Rules {
        api::Rules {
            admission: self.admission.clone(),
            approvers: self.control.approvers.clone(),
            classes: self.gateway.classes.iter().map(|class| class.name.clone()).collect(),
            vendors: self.vendors.iter().map(|vendor| vendor.realm.clone()).collect(),
            status_url: self.enrol.as_ref().and_then(|enrol| enrol.url.clone()),
            ca_keys: self.ca.as_ref().map(|ca| ca.keys.clone()).unwrap_or_default(),
        }
    }

    /// What no single value shows: keys that need each other, names used twice.
    fn wrong(&self, at: &Located<'_>) -> Vec<ConfigError> {
        let mut errors = self.gateway.wrong(at);
        errors.extend(self.ca.iter().flat_map(|ca| ca.wrong(at)));
        errors.extend(realm::wrong(&self.realms, at));
        errors.extend(self.enrol_wrong(at));
        errors.extend(self.records.wrong(at));
        errors.extend(self.detect.wrong(at));
        errors.extend(self.admission_wrong(at));
        errors.extend(self.without_ca(at));
        errors.extend(self.journal.wrong(&self.data, at));
        errors.extend(self.http.wrong(at));
        errors.extend(self.control.wrong(at));
        errors.extend(self.log.wrong(at));
        errors.extend(self.legacy_without_realm(at));
        errors
    }

    fn admission_wrong(&self, at: &Located<'_>) -> Vec<ConfigError> {
        let policy = &self.admission;
        let positive = [
            ("max_validity_d", policy.max_validity_d, "no certificate would ever do"),
            ("make_room_s", policy.make_room_s, "no unit could authenticate anew beside its own tunnel"),
            ("silent_after_d", policy.silent_after_d, "every live unit would be silent"),
            ("probe_interval_s", policy.probe_interval_s, "a holder would be asked without end"),
        ];
        let zero = positive.iter().filter(|(_, value, _)| *value == 0);
        zero.map(|(key, _, what)| at.error(&["admission", key], *what, "write 1 or more")).collect()
    }

    fn legacy_without_realm(&self, at: &Located<'_>) -> Vec<ConfigError> {
        if at.has(&["realm"]) == self.realms.is_empty() {
            return Vec::new();
        }
        let own = self.ca.iter().map(|ca| &ca.realm);
        let known: Vec<_> = own.chain(self.realms.iter().map(|realm| &realm.name)).collect();
        let unknown =
            self.gateway.legacy.iter().enumerate().filter(|(_, legacy)| !known.contains(&&legacy.realm));
        unknown
            .map(|(index, legacy)| {
                let what = format!("no [ca] and no [[realm]] has the realm {}", legacy.realm);
                let path = ["gateway", "legacy", &index.to_string(), "realm"];
                at.error(&path, what, "name a realm of this configuration, or remove the section")
            })
            .collect()
    }

    /// What cannot be had without the embedded CA.
    fn without_ca(&self, at: &Located<'_>) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if !at.has(&["ca"]) && !at.has(&["realm"]) {
            let next = "add a [ca] section, or a [[realm]] section with its anchors";
            errors.push(at.error(&[], "no realm: no device could ever attach", next));
        }
        if !at.has(&["ca"]) && !at.has(&["gateway", "certificate"]) {
            let next = "add `certificate` and `key`, or a [ca] section that issues them";
            errors.push(at.error(&["gateway"], "the gateway has no certificate", next));
        }
        errors
    }

    fn resolve(&mut self, folder: &Path) {
        let paths = [&mut self.data].into_iter();
        let paths = paths.chain(&mut self.gateway.certificate).chain(&mut self.gateway.key);
        let tls = self.enrol.iter_mut().flat_map(|enrol| [&mut enrol.tls_certificate, &mut enrol.tls_key]);
        let paths = paths.chain(tls.flatten());
        let paths = paths.chain(self.journal.witness.iter_mut().map(|witness| &mut witness.drop));
        let paths = paths.chain(self.vendors.iter_mut().map(|vendor| &mut vendor.anchors));
        for path in paths.chain(self.realms.iter_mut().flat_map(|realm| &mut realm.anchors)) {
            *path = folder.join(&*path);
        }
        self.ca.iter_mut().for_each(|ca| ca.keys.resolve(folder));
        self.records.resolve(folder);
        self.realms.iter_mut().for_each(|realm| revocation::resolve(&mut realm.crl, folder));
        self.vendors.iter_mut().for_each(|vendor| revocation::resolve(&mut vendor.crl, folder));
    }
}

#[cfg(test)]
mod tests;
