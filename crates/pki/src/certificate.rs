use crate::{PkiError, file};
use der::pem::{self, LineEnding};
use ids::{CertSha256, DeviceId, Sha256, UnixTime};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use std::path::Path;
use x509::Certificate;

/// Whom a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A femtocell.
    Device,
    /// A security gateway.
    Gateway,
    /// The OCSP responder of the issuing CA.
    OcspSigner,
    /// The registration authority that answers CMP.
    RegistrationAuthority,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Device, Self::Gateway, Self::OcspSigner, Self::RegistrationAuthority];

    /// Its name in the books.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Gateway => "gateway",
            Self::OcspSigner => "ocsp_signer",
            Self::RegistrationAuthority => "registration_authority",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One certificate that this CA issued, for lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateInfo {
    /// Serial number, lower-case hex.
    pub serial: String,
    /// For whom.
    pub kind: Kind,
    /// Which device; none for others.
    pub device: Option<DeviceId>,
    /// The dNSNames; none of who signs for the CA.
    pub names: Vec<String>,
    /// The subject, for people.
    pub subject: String,
    /// The issuer, for people.
    pub issuer: String,
    /// SHA-256 over the certificate, its name in the ledger.
    pub sha256: CertSha256,
    /// SHA-256 over the SubjectPublicKeyInfo.
    pub spki_sha256: Sha256,
    /// Kind of key, such as `P-256`.
    pub key: String,
    /// First second of validity.
    pub not_before: UnixTime,
    /// Last second of validity.
    pub not_after: UnixTime,
}

impl CertificateInfo {
    /// Kind of key, such as `P-256`; what is odd about it where it is none that we know.
    pub fn kind_of_key(certificate: &Certificate) -> String {
        certificate.key().map_or_else(|error| error.to_string(), |key| key.to_string())
    }

    /// What the certificate says of itself, and for whom the books say that it is.
    pub fn of(certificate: &Certificate, kind: Kind, device: Option<DeviceId>) -> Self {
        Self {
            serial: certificate.serial(),
            kind,
            device,
            names: certificate.dns_names().to_vec(),
            subject: certificate.subject(),
            issuer: certificate.issuer(),
            sha256: certificate.sha256(),
            spki_sha256: Sha256::of(certificate.spki()),
            key: Self::kind_of_key(certificate),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
        }
    }
}

/// The first certificate of a PEM file, in DER.
///
/// # Errors
/// [`PkiError::Io`], [`PkiError::File`].
pub fn read_certificate(path: &Path) -> Result<Vec<u8>, PkiError> {
    let pem = file::read(path)?;
    let der = CertificateDer::from_pem_slice(&pem).map_err(|_| PkiError::file(path, "no PEM certificate"))?;
    Ok(der.to_vec())
}

/// A certificate in DER, as PEM.
pub fn certificate_pem(der: &[u8]) -> String {
    pem::encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_name_in_books_and_json() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("vendor"), None);
    }
}
