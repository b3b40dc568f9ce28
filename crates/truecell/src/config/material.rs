//! The certificate files that a configuration names, read and checked for what they must be.

use super::{Config, ConfigError, located::Located};
use ids::UnixTime;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{fs, path::Path};
use x509::{Anchor, Anchors, Certificate};
use zeroize::{Zeroize, Zeroizing};

/// The gateway's certificate chain, its own first, and its private key in PKCS#8; all DER.
pub(crate) struct Identity {
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) key: Zeroizing<Vec<u8>>,
}

/// What is wrong with a file, without where it was named.
struct Wrong {
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
            errors.extend(wrong.map(|wrong| at.error(&path, wrong.what, wrong.next)));
        }
        if let Some((key, wrong)) = self.gateway_files(now) {
            errors.push(at.error(&["gateway", key], wrong.what, wrong.next));
        }
        errors
    }

    /// The key that names the wrong file, and what is wrong.
    fn gateway_files(&self, now: UnixTime) -> Option<(&'static str, Wrong)> {
        let (certificate, key) = (self.gateway.certificate.as_ref()?, self.gateway.key.as_ref()?);
        let checked = chain_in(certificate).and_then(|chain| self.is_gateways(certificate, &chain, now));
        checked
            .map_err(|wrong| ("certificate", wrong))
            .and_then(|()| key_in(key).map(drop).map_err(|wrong| ("key", wrong)))
            .err()
    }

    fn is_gateways(&self, file: &Path, chain: &[Vec<u8>], now: UnixTime) -> Result<(), Wrong> {
        let own = chain.first().and_then(|der| Certificate::from_der(der).ok());
        let Some(own) = own else { return Err(Wrong::new(file, "its first certificate cannot be read")) };
        let name = self.gateway.identity.to_string();
        if !own.dns_names().iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            let what = format!("{}: its dNSNames are {:?}, not {name}", file.display(), own.dns_names());
            return Err(Wrong { what, next: "let `identity` and the certificate agree" });
        }
        if own.not_after() < now {
            let what = format!("{}: expired at {}", file.display(), own.not_after());
            return Err(Wrong { what, next: "have it renewed" });
        }
        Ok(())
    }

    /// Adds the anchors of every configured realm.
    pub(crate) fn add_anchors(&self, anchors: &mut Anchors) -> Result<(), ConfigError> {
        for realm in &self.realms {
            for file in &realm.anchors {
                let found = anchors_in(file).map_err(|wrong| wrong.unlocated(file))?;
                found.into_iter().for_each(|anchor| anchors.insert(realm.name.clone(), anchor));
            }
        }
        Ok(())
    }
}

impl Identity {
    /// Reads a chain and its key.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, ConfigError> {
        let chain = chain_in(certificate).map_err(|wrong| wrong.unlocated(certificate))?;
        let key = key_in(key).map_err(|wrong| wrong.unlocated(key))?;
        Ok(Self { chain, key })
    }
}

impl Wrong {
    fn new(file: &Path, what: impl std::fmt::Display) -> Self {
        let what = format!("{}: {what}", file.display());
        Self { what, next: "name a PEM file, as openssl writes it, that this user can read" }
    }

    fn unlocated(self, file: &Path) -> ConfigError {
        ConfigError::of_file(file, self.what, self.next)
    }
}

fn anchors_in(file: &Path) -> Result<Vec<Anchor>, Wrong> {
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
    chain_in(file).map_err(|wrong| wrong.unlocated(file))
}

fn chain_in(file: &Path) -> Result<Vec<Vec<u8>>, Wrong> {
    let text = fs::read(file).map_err(|error| Wrong::new(file, error))?;
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&text).map(|der| der.map(|der| der.to_vec())).collect();
    let found = found.map_err(|error| Wrong::new(file, error))?;
    if found.is_empty() { Err(Wrong::new(file, "no certificate in it")) } else { Ok(found) }
}

fn key_in(file: &Path) -> Result<Zeroizing<Vec<u8>>, Wrong> {
    let text = Zeroizing::new(fs::read(file).map_err(|error| Wrong::new(file, error))?);
    let mut key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| Wrong::new(file, error))?;
    let pkcs8 = if let PrivateKeyDer::Pkcs8(key) = &key {
        Ok(Zeroizing::new(key.secret_pkcs8_der().to_vec()))
    } else {
        Err(Wrong {
            what: format!("{}: not PKCS#8", file.display()),
            next: "convert it with `openssl pkcs8 -topk8 -nocrypt`",
        })
    };
    key.zeroize();
    pkcs8
}

#[cfg(test)]
mod tests;
