use crate::certificate::read_certificate;
use crate::key::KeptKey;
use crate::order::Subject;
use crate::profile::Window;
use crate::{Ca, CaKeys, Generation, KeyError, PkiError, StatusUris};
use ids::UnixTime;
use rcgen::{CertificateParams, Issuer, SubjectPublicKeyInfo};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use x509::Certificate;

/// Which of the two issuing CAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Issuing {
    /// The one that names devices of the realm.
    Devices,
    /// The one that names gateways inside their domain.
    Gateways,
}

impl Issuing {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Devices, Self::Gateways];

    /// Its name, which is also that of its first generation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Gateways => "gateways",
        }
    }
}

impl Ca {
    /// The certificate of the one that certifies now.
    pub fn issuing_certificate(&self, which: Issuing) -> Certificate {
        self.issuing(which).certificate.clone()
    }

    /// The certificate of a generation, in DER; none where there is no such.
    pub fn generation_der(&self, generation: Generation) -> Option<Vec<u8>> {
        Some(self.generation(generation).ok()?.der().to_vec())
    }
}

/// The generations of an issuing CA.
pub(crate) struct Generations {
    /// The one that certifies.
    pub(crate) current: Arc<IssuingCa>,
    /// Those before it, oldest first.
    pub(crate) before: Vec<Arc<IssuingCa>>,
}

impl Generations {
    /// Reads one after the other, as far as there are certificates.
    pub(crate) fn read(
        directory: &Path,
        which: Issuing,
        above: &[Vec<u8>],
        keys: &CaKeys,
    ) -> Result<Self, PkiError> {
        let read = |generation| IssuingCa::read(directory, generation, above, keys).map(Arc::new);
        let (mut generation, mut before) = (Generation::first(which), Vec::new());
        let mut current = read(generation)?;
        while certificate_file(directory, generation.next()).exists() {
            generation = generation.next();
            before.push(std::mem::replace(&mut current, read(generation)?));
        }
        match current.issuer.key().trouble() {
            Some(error) if error.is_lasting() => Err(error.into()),
            Some(_) | None => Ok(Self { current, before }),
        }
    }

    /// All, oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<IssuingCa>> {
        self.before.iter().chain([&self.current])
    }

    /// The same with another one behind them, which certifies from then on.
    pub(crate) fn with(&self, next: IssuingCa) -> Self {
        Self { current: Arc::new(next), before: self.all().cloned().collect() }
    }
}

pub(crate) fn certificate_file(directory: &Path, generation: Generation) -> PathBuf {
    directory.join(format!("{generation}.pem"))
}

/// A CA that certifies end entities, with its key.
pub(crate) struct IssuingCa {
    pub(crate) generation: Generation,
    pub(crate) certificate: Certificate,
    pub(crate) issuer: Issuer<'static, KeptKey>,
    /// What stands behind an end entity's certificate, without the root: this CA's own first.
    pub(crate) chain: Vec<Vec<u8>>,
    status_uris: Mutex<StatusUris>,
}

const NO_CA: &str = "no certificate of a CA";

impl IssuingCa {
    /// Reads `<generation>.pem` and has its key opened; `above`: the CAs between it and the root, nearest first. Without
    /// its key the CA is known, and does not sign.
    pub(crate) fn read(
        directory: &Path,
        generation: Generation,
        above: &[Vec<u8>],
        keys: &CaKeys,
    ) -> Result<Self, PkiError> {
        let path = certificate_file(directory, generation);
        let der = read_certificate(&path)?;
        let certificate = Certificate::from_der(&der).map_err(|_| PkiError::file(&path, NO_CA))?;
        let key = KeptKey::of(keys.place(directory, generation), certificate.spki())?;
        // What is wrong with it is kept with it.
        let _ = key.open();
        Self::new(generation, der, key, above).map_err(|_| PkiError::file(&path, NO_CA))
    }

    /// `key` is that of the certificate.
    pub(crate) fn new(
        generation: Generation,
        der: Vec<u8>,
        key: KeptKey,
        above: &[Vec<u8>],
    ) -> Result<Self, PkiError> {
        let certificate = Certificate::from_der(&der).map_err(|_| PkiError::Order(NO_CA))?;
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(der.as_slice()), key);
        let issuer = issuer.map_err(|_| PkiError::Order(NO_CA))?;
        let chain = std::iter::once(der).chain(above.iter().cloned()).collect();
        Ok(Self { generation, certificate, issuer, chain, status_uris: Mutex::default() })
    }

    /// Its certificate.
    pub(crate) fn der(&self) -> &[u8] {
        self.chain.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// Where its certificates say that their status is found.
    pub(crate) fn status_uris(&self) -> StatusUris {
        self.status_uris.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_status_uris(&self, uris: StatusUris) {
        *self.status_uris.lock().unwrap_or_else(PoisonError::into_inner) = uris;
    }

    /// Signs, and lets the result pass the very check that a peer will make.
    pub(crate) fn sign(
        &self,
        params: &CertificateParams,
        subject: &Subject,
        check: impl Fn(&[&[u8]]) -> Result<(), x509::PathError>,
    ) -> Result<Vec<u8>, PkiError> {
        let public = SubjectPublicKeyInfo::from_der(&subject.spki).map_err(|_| PkiError::Signing)?;
        let signed = params.signed_by(&public, &self.issuer).map_err(|_| self.not_signed())?;
        let der = signed.der().to_vec();
        let chain: Vec<&[u8]> =
            std::iter::once(der.as_slice()).chain(self.chain.iter().map(Vec::as_slice)).collect();
        check(&chain).map_err(|_| PkiError::Signing)?;
        Ok(der)
    }

    /// Why there is no signature.
    pub(crate) fn not_signed(&self) -> PkiError {
        self.key_trouble().map_or(PkiError::Signing, PkiError::Key)
    }

    /// What was wrong with its key when that was last used or looked for.
    pub(crate) fn key_trouble(&self) -> Option<KeyError> {
        self.issuer.key().trouble()
    }

    /// Its key was taken away: it signs nothing any more, not even a revocation list.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self.key_trouble(), Some(KeyError::Missing { .. }))
    }

    pub(crate) fn window(&self, span: Duration, now: UnixTime) -> Result<Window, PkiError> {
        let window = Window::from(now, span);
        if window.not_after > self.certificate.not_after() {
            return Err(PkiError::Order("the certificate would outlive the issuing CA"));
        }
        Ok(window)
    }
}
