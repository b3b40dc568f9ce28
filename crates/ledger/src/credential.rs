use crate::{LedgerError, Row};
use ids::{CertSha256, DeviceId, Realm, Sha256, UnixTime};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A certificate that belongs to one unit. One that isn't here belongs to nobody, whatever its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// SHA-256 over the certificate.
    pub cert_sha256: CertSha256,
    /// Whose.
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
    /// How it came here; rows from before this was written down are of the embedded CA.
    #[serde(default)]
    pub origin: Origin,
    /// It counts no more.
    pub revoked: Option<Revoked>,
}

/// How a certificate came into the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The embedded CA signed it.
    #[default]
    Issued,
    /// Another CA signed it, and a person brought it.
    Imported,
}

impl Origin {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Imported => "imported",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
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

impl Credential {
    /// Refuses one key for two units.
    pub(crate) fn has_no_key_of(&self, other: &Self) -> Result<(), LedgerError> {
        if self.spki_sha256 != other.spki_sha256 || self.device == other.device {
            return Ok(());
        }
        let (key, device) = (other.cert_sha256, self.device);
        let why = format!("the key of certificate {key} is that of a certificate of {device}");
        Err(LedgerError::Conflict(why))
    }
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
