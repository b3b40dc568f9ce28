//! The certificate files that a configuration names, read and checked for what they must be.

use super::{Config, ConfigError, located::Located};
use ids::UnixTime;
use ike::crypto::AuthKey;
use pki::{SecretSource, TokenUri};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    fs,
    path::{Path, PathBuf},
};
use x509::{Anchor, Anchors, Certificate};
use zeroize::{Zeroize, Zeroizing};

/// The gateway's certificate chain, its own first, and its private key in PKCS#8; all DER.
pub(crate) struct Identity {
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) key: Zeroizing<Vec<u8>>,
}

/// What is wrong with a file, without where it was named.
pub(super) struct Wrong {
    file: PathBuf,
    what: String,
    next: &'static str,
}

impl Config {
    /// Names every certificate file that cannot be what it is named for.
    pub(super) fn wrong_files(&self, at: &Located<'_>, now: UnixTime) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        for (index, realm) in self.realms.iter().enumerate() {
            let path = ["realm", &index.to_string(), "anchors"];
            let wrong = realm.anchors.iter().filter_map(|file| anchors_in(file).err());
            errors.extend(wrong.map(|wrong| at.error(&path, wrong.text(), wrong.next)));
        }
        for (index, vendor) in self.vendors.iter().enumerate() {
            let path = ["vendor", &index.to_string(), "anchors"];
            let wrong = anchors_in(&vendor.anchors).err();
            errors.extend(wrong.map(|wrong| at.error(&path, wrong.text(), wrong.next)));
        }
        errors.extend(self.ca_secrets(at));
        errors.extend(self.wrong_sources(at));
        if let Some((key, wrong)) = self.gateway_files(now) {
            errors.push(at.error(&["gateway", key], wrong.text(), wrong.next));
        }
        if let Some((key, wrong)) = self.tls_files(now) {
            errors.push(at.error(&["enrol", key], wrong.text(), wrong.next));
        }
        errors
    }

    /// Files that should hold what opens the CA's keys. Credentials are there for the service alone.
    fn ca_secrets(&self, at: &Located<'_>) -> Vec<ConfigError> {
        let Some(keys) = self.ca.as_ref().map(|ca| &ca.keys) else { return Vec::new() };
        let pin = |token: &'_ Option<TokenUri>| token.as_ref().map(|token| token.pin_source().clone());
        let sources = [
            ("passphrase", keys.passphrase.clone()),
            ("devices", pin(&keys.devices)),
            ("gateways", pin(&keys.gateways)),
        ];
        let wrong = |(key, source): (&str, Option<SecretSource>)| {
            let source = source.filter(|source| matches!(source, SecretSource::File(_)))?;
            let error = source.read().err()?;
            Some(at.error(&["ca", "keys", key], error.to_string(), error.next()))
        };
        sources.into_iter().filter_map(wrong).collect()
    }

    /// The key that names the wrong file, and what is wrong.
    fn gateway_files(&self, now: UnixTime) -> Option<(&'static str, Wrong)> {
        let (certificate, key) = (self.gateway.certificate.as_ref()?, self.gateway.key.as_ref()?);
        let checked = chain_in(certificate).and_then(|chain| {
            is_named(
                certificate,
                &chain,
                Some(&self.gateway.identity),
                "let `identity` and the certificate agree",
                now,
            )?;
            Ok(chain)
        });
        let checked = checked.map_err(|wrong| ("certificate", wrong));
        checked.and_then(|chain| key_of(key, &chain).map(drop).map_err(|wrong| ("key", wrong))).err()
    }

    fn tls_files(&self, now: UnixTime) -> Option<(&'static str, Wrong)> {
        let enrol = self.enrol.as_ref()?;
        let (certificate, key) = (enrol.tls_certificate.as_ref()?, enrol.tls_key.as_ref()?);
        let checked = chain_in(certificate).and_then(|chain| {
            is_named(
                certificate,
                &chain,
                enrol.tls_name.as_ref(),
                "let `tls_name` and the certificate agree",
                now,
            )?;
            Ok(chain)
        });
        let checked = checked.map_err(|wrong| ("tls_certificate", wrong));
        checked.and_then(|chain| key_of(key, &chain).map(drop).map_err(|wrong| ("tls_key", wrong))).err()
    }

    /// Adds the anchors of every configured realm.
    pub(crate) fn add_anchors(&self, anchors: &mut Anchors) -> Result<(), ConfigError> {
        for realm in &self.realms {
            for file in &realm.anchors {
                let found = anchors_in(file).map_err(Wrong::unlocated)?;
                found.into_iter().for_each(|anchor| anchors.insert(realm.name.clone(), anchor));
            }
        }
        Ok(())
    }

    /// The anchors of those whose units may enrol.
    pub(crate) fn vendor_anchors(&self) -> Result<Anchors, ConfigError> {
        let mut anchors = Anchors::new();
        for vendor in &self.vendors {
            let found = anchors_in(&vendor.anchors).map_err(Wrong::unlocated)?;
            found.into_iter().for_each(|anchor| anchors.insert(vendor.realm.clone(), anchor));
        }
        Ok(anchors)
    }
}

impl Identity {
    /// Reads a chain and its key.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, ConfigError> {
        let chain = chain_in(certificate).map_err(Wrong::unlocated)?;
        let pkcs8 = key_of(key, &chain).map_err(Wrong::unlocated)?;
        Ok(Self { chain, key: pkcs8 })
    }
}

impl Wrong {
    fn new(file: &Path, what: impl std::fmt::Display) -> Self {
        let next = "name a PEM file, as openssl writes it, that this user can read";
        Self { file: file.to_owned(), what: what.to_string(), next }
    }

    /// For an error that stands at a line of the configuration.
    fn text(&self) -> String {
        format!("{}: {}", self.file.display(), self.what)
    }

    pub(super) fn unlocated(self) -> ConfigError {
        ConfigError::of_file(&self.file, self.what, self.next)
    }
}

/// Whether the first of a chain has not expired and has this name, if one is wanted.
fn is_named(
    file: &Path,
    chain: &[Vec<u8>],
    name: Option<&ids::Realm>,
    next: &'static str,
    now: UnixTime,
) -> Result<(), Wrong> {
    let own = chain.first().and_then(|der| Certificate::from_der(der).ok());
    let Some(own) = own else { return Err(Wrong::new(file, "its first certificate cannot be read")) };
    let has = |name: &String| own.dns_names().iter().any(|known| known.eq_ignore_ascii_case(name));
    if let Some(name) = name.map(ToString::to_string).filter(|name| !has(name)) {
        let what = format!("its dNSNames are {:?}, not {name}", own.dns_names());
        return Err(Wrong { next, ..Wrong::new(file, what) });
    }
    if own.not_after() < now {
        let what = format!("expired at {}", own.not_after());
        return Err(Wrong { next: "have it renewed", ..Wrong::new(file, what) });
    }
    Ok(())
}

pub(super) fn anchors_in(file: &Path) -> Result<Vec<Anchor>, Wrong> {
    let anchors = chain_in(file)?.into_iter();
    anchors.map(|der| Anchor::from_der(&der).map_err(|error| Wrong::new(file, error))).collect()
}

/// Warnings about anchors past their end: they vouch for nobody any more, and stop nobody else.
pub(crate) fn expired(anchors: &Anchors, now: UnixTime) -> Vec<String> {
    let warning = |(realm, sha256): (&ids::Realm, ids::CertSha256)| {
        format!(
            "an anchor of realm {realm} has expired, none of its devices can attach by it: SHA-256 {sha256}"
        )
    };
    anchors.expired(now).map(warning).collect()
}

/// The certificates of a PEM file, DER.
///
/// # Errors
/// There is none, or something else.
pub(crate) fn certificates(file: &Path) -> Result<Vec<Vec<u8>>, ConfigError> {
    chain_in(file).map_err(Wrong::unlocated)
}

fn chain_in(file: &Path) -> Result<Vec<Vec<u8>>, Wrong> {
    let text = fs::read(file).map_err(|error| Wrong::new(file, error))?;
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&text).map(|der| der.map(|der| der.to_vec())).collect();
    let found = found.map_err(|error| Wrong::new(file, error))?;
    if found.is_empty() { Err(Wrong::new(file, "no certificate in it")) } else { Ok(found) }
}

/// The key of a chain's first certificate, and no other: by any other nobody would believe the gateway.
fn key_of(file: &Path, chain: &[Vec<u8>]) -> Result<Zeroizing<Vec<u8>>, Wrong> {
    let pkcs8 = key_in(file)?;
    let key = AuthKey::from_pkcs8(&pkcs8).map_err(|error| Wrong::new(file, error))?;
    let own = chain.first().and_then(|der| Certificate::from_der(der).ok());
    if own.is_some_and(|own| !key.is_of(own.spki())) {
        let next = "name key and certificate that were made for each other";
        return Err(Wrong { next, ..Wrong::new(file, "not the key of the certificate") });
    }
    Ok(pkcs8)
}

fn key_in(file: &Path) -> Result<Zeroizing<Vec<u8>>, Wrong> {
    let text = Zeroizing::new(fs::read(file).map_err(|error| Wrong::new(file, error))?);
    let mut key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| Wrong::new(file, error))?;
    let pkcs8 = if let PrivateKeyDer::Pkcs8(key) = &key {
        Ok(Zeroizing::new(key.secret_pkcs8_der().to_vec()))
    } else {
        let next = "convert it with `openssl pkcs8 -topk8 -nocrypt`";
        Err(Wrong { next, ..Wrong::new(file, "not PKCS#8") })
    };
    key.zeroize();
    pkcs8
}

#[cfg(test)]
mod tests;
