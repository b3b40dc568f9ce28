use crate::certificate::read_certificate;
use crate::order::Subject;
use crate::profile::Window;
use crate::{Ca, CaKey, FileKey, PkiError, PrivateKey, StatusUris};
use ids::UnixTime;
use rcgen::{CertificateParams, Issuer, PublicKeyData, SignatureAlgorithm, SigningKey, SubjectPublicKeyInfo};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;
use x509::Certificate;

/// Which of the two issuing CAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

    /// Its name, which is also that of its files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Gateways => "gateways",
        }
    }
}

impl Ca {
    /// The certificate of `which`.
    pub fn issuing_certificate(&self, which: Issuing) -> &Certificate {
        &self.issuing(which).certificate
    }

    /// The same as DER.
    pub fn issuing_der(&self, which: Issuing) -> &[u8] {
        self.issuing(which).chain.first().map(Vec::as_slice).unwrap_or_default()
    }
}

/// A CA that certifies end entities, with its key.
pub(crate) struct IssuingCa {
    pub(crate) certificate: Certificate,
    pub(crate) issuer: Issuer<'static, IssuingKey>,
    /// What stands behind an end entity's certificate, without the root: this CA's own first.
    pub(crate) chain: Vec<Vec<u8>>,
    /// Where its certificates say that their status is found.
    pub(crate) status_uris: StatusUris,
}

impl IssuingCa {
    /// Reads `<name>.pem` and `<name>.key`; `above`: the CAs between it and the root, nearest first.
    pub(crate) fn read(directory: &Path, which: Issuing, above: &[Vec<u8>]) -> Result<Self, PkiError> {
        let path = directory.join(which.name()).with_extension("pem");
        let bad = || PkiError::file(&path, "no certificate of a CA");
        let der = read_certificate(&path)?;
        let certificate = Certificate::from_der(&der).map_err(|_| bad())?;
        let key = FileKey::new(&PrivateKey::read(&path.with_extension("key"))?)?;
        let key = IssuingKey(Box::new(key));
        if key.subject_public_key_info() != certificate.spki() {
            return Err(PkiError::file(&path, "does not belong to its key"));
        }
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(der.as_slice()), key);
        let issuer = issuer.map_err(|_| bad())?;
        let chain = std::iter::once(der).chain(above.iter().cloned()).collect();
        Ok(Self { certificate, issuer, chain, status_uris: StatusUris::default() })
    }

    /// Signs, and lets the result pass the very check that a peer will make.
    pub(crate) fn sign(
        &self,
        params: &CertificateParams,
        subject: &Subject,
        check: impl Fn(&[&[u8]]) -> Result<(), x509::PathError>,
    ) -> Result<Vec<u8>, PkiError> {
        let public = SubjectPublicKeyInfo::from_der(&subject.spki).map_err(|_| PkiError::Signing)?;
        let signed = params.signed_by(&public, &self.issuer).map_err(|_| PkiError::Signing)?;
        let der = signed.der().to_vec();
        let chain: Vec<&[u8]> =
            std::iter::once(der.as_slice()).chain(self.chain.iter().map(Vec::as_slice)).collect();
        check(&chain).map_err(|_| PkiError::Signing)?;
        Ok(der)
    }

    pub(crate) fn window(&self, span: Duration, now: UnixTime) -> Result<Window, PkiError> {
        let window = Window::from(now, span);
        if window.not_after > self.certificate.not_after() {
            return Err(PkiError::Order("the certificate would outlive the issuing CA"));
        }
        Ok(window)
    }
}

/// Whatever signs for an issuing CA.
pub(crate) struct IssuingKey(Box<dyn CaKey>);

impl PublicKeyData for IssuingKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for IssuingKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message)
    }
}
