use crate::Row;
use ids::{CertSha256, DeviceId, Realm, Sha256, UnixTime};
use serde::{Deserialize, Serialize};

/// A certificate that was issued to one unit. One that isn't here was never issued, whatever its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// SHA-256 over the certificate.
    pub cert_sha256: CertSha256,
    /// To whom.
    pub device: DeviceId,
    /// Under which realm.
    pub realm: Realm,
    /// Serial number, lower-case hex.
    pub serial: String,
    /// SHA-256 over its SubjectPublicKeyInfo.
    pub spki_sha256: Sha256,
    /// First second of validity.
    pub not_before: UnixTime,
    /// Last second of validity.
    pub not_after: UnixTime,
    /// When it was recorded.
    pub issued_at: UnixTime,
    /// It counts no more.
    pub revoked: Option<Revoked>,
}

/// A certificate counts no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Since when.
    pub at: UnixTime,
    /// Why.
    pub why: String,
}

impl Row for Credential {
    const TABLE: &'static str = "credential";

    fn key(&self) -> String {
        self.cert_sha256.to_string()
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        vec![("device", self.device.to_string()), ("spki", self.spki_sha256.to_string())]
    }
}
