//! Certificates of the embedded CA as the API shows them.

use ids::DeviceId;
use pki::CertificateInfo;
use serde::{Deserialize, Serialize};

/// Asks for a device's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueCertificate {
    /// Which unit; it must be in the ledger.
    pub device: DeviceId,
    /// PKCS#10 request as PEM. Absent: the CA makes the key and hands it out once.
    #[serde(default)]
    pub request: Option<String>,
    /// From notBefore to notAfter. Absent: 30.
    #[serde(default)]
    pub days: Option<u32>,
    /// Allows more than the CA's policy, for this reason.
    #[serde(default)]
    pub exception: Option<String>,
}

/// A certificate fresh from the CA.
#[derive(Clone, Serialize, Deserialize)]
pub struct IssuedCertificate {
    /// Its facts.
    pub certificate: CertificateInfo,
    /// The chain as PEM, end entity first, without the root.
    pub chain: String,
    /// The root as PEM: what the unit must trust to know the gateway.
    pub root: String,
    /// The private key as PEM, if the CA made it; kept nowhere else.
    #[serde(default)]
    pub key: Option<String>,
}

/// Some certificates, in the order of their serials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificatePage {
    /// The certificates.
    pub certificates: Vec<CertificateInfo>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<String>,
}

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateDetail {
    /// Its facts.
    pub certificate: CertificateInfo,
    /// Itself as PEM.
    pub pem: String,
}
