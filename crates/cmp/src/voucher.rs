use ids::{CertSha256, DeviceName, Realm};
use x509::{CertPathVerified, Certificate};

/// Who speaks for a unit that enrols. That the peer holds the certificate's key has been verified.
#[derive(Clone, Debug)]
pub enum Voucher {
    /// The vendor, by a certificate of this unit's. Whether a certificate of the path is revoked, or its CA trusted no
    /// more, is the register's to judge.
    Vendor(CertPathVerified),
    /// Nobody: the certificate is one that many units share.
    Legacy(LegacyCertificate),
}

/// A certificate that the register knows as that of a legacy group, octet for octet. It has no path, and neither its
/// names, its extensions nor its validity were looked at; which unit asks is the request's own word, and the register's to
/// doubt.
#[derive(Clone, Debug)]
pub struct LegacyCertificate {
    name: DeviceName,
    certificate: Certificate,
}

impl LegacyCertificate {
    /// `unit`: which one the request says that it is. `realm`: of the group's vendor.
    pub(crate) fn new(unit: ids::DeviceId, realm: Realm, certificate: Certificate) -> Self {
        Self { name: DeviceName { device: unit, realm }, certificate }
    }
}

impl Voucher {
    /// Which unit asks, in its vendor's realm.
    pub fn name(&self) -> &DeviceName {
        match self {
            Self::Vendor(path) => path.name(),
            Self::Legacy(legacy) => &legacy.name,
        }
    }

    /// SHA-256 over the certificate.
    pub fn cert_sha256(&self) -> CertSha256 {
        match self {
            Self::Vendor(path) => path.cert_sha256(),
            Self::Legacy(legacy) => legacy.certificate.sha256(),
        }
    }

    /// Its public key as DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        match self {
            Self::Vendor(path) => path.spki(),
            Self::Legacy(legacy) => legacy.certificate.spki(),
        }
    }
}
