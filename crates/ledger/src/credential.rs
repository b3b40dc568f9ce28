use crate::{LedgerError, Row, enrolment::GRACE};
use ids::{CertSha256, CrlReason, DeviceId, Realm, Sha256, UnixTime};
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
    /// The certificate of its unit that asked for it.
    #[serde(default)]
    pub parent: Option<CertSha256>,
    /// Another one took its place.
    #[serde(default)]
    pub superseded: Option<Superseded>,
    /// Somebody else may hold its key, or it has yet to show that nobody does.
    #[serde(default)]
    pub doubt: Option<Doubt>,
    /// It counts no more.
    pub revoked: Option<Revoked>,
}

/// A certificate has a successor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Superseded {
    /// Since when that counts.
    pub at: UnixTime,
    /// Which.
    pub by: CertSha256,
}

/// What is not certain about a certificate's holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doubt {
    /// How grave it is.
    pub kind: DoubtKind,
    /// Since when.
    pub since: UnixTime,
    /// Why.
    pub why: String,
}

/// How grave a doubt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubtKind {
    /// It came back by a way that a copy might have come.
    Probation,
    /// A copy of its key, or of the one before, is known to be about.
    Unsure,
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
    /// Why, in the words of who did it.
    pub why: String,
    /// Why, as revocation lists and OCSP say it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<CrlReason>,
}

impl Revoked {
    /// The name of the value by which certificates are found that were revoked.
    pub(crate) const ENTRY: &'static str = "revoked";
}

impl Credential {
    /// The name of the value by which certificates are found that certify a key.
    pub(crate) const KEY: &'static str = "spki";

    /// The name of the value by which those are found that are superseded, and not revoked.
    pub(crate) const SUPERSEDED: &'static str = "superseded";

    /// The name of the value by which those are found that are neither revoked nor superseded.
    pub(crate) const ENDS: &'static str = "ends";

    /// Both values: when it ends, and how it came here.
    pub(crate) fn end(&self) -> String {
        format!("{} {}", self.not_after, self.origin)
    }

    /// Since when and why it counts no more, by itself: it was revoked, or another one has its place and the grace is over.
    pub fn ended(&self, now: UnixTime) -> Option<Revoked> {
        let superseded = self.superseded.as_ref().filter(|superseded| !superseded.in_grace(now));
        self.revoked.clone().or_else(|| superseded.map(Superseded::as_revoked))
    }

    /// Whether it is neither revoked nor superseded: until its end it counts.
    pub fn is_last(&self) -> bool {
        self.revoked.is_none() && self.superseded.is_none()
    }

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

impl Superseded {
    /// Whether it still lets its unit attach, which may not have the new one yet.
    pub fn in_grace(&self, now: UnixTime) -> bool {
        now <= self.at.after(GRACE)
    }

    /// As whoever asks for its status hears it once the grace is over.
    fn as_revoked(&self) -> Revoked {
        let why = format!("certificate {} has its place", self.by);
        Revoked { at: self.at.after(GRACE), why, reason: Some(CrlReason::Superseded) }
    }
}

impl Row for Credential {
    const TABLE: &'static str = "credential";

    fn key(&self) -> String {
        self.cert_sha256.to_string()
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        let mut entries =
            vec![("device", self.device.to_string()), (Self::KEY, self.spki_sha256.to_string())];
        entries.extend(self.revoked.as_ref().map(|_| (Revoked::ENTRY, self.origin.to_string())));
        let stays = self.revoked.is_none().then(|| match self.superseded {
            Some(_) => (Self::SUPERSEDED, self.end()),
            None => (Self::ENDS, self.end()),
        });
        entries.extend(stays);
        entries
    }
}
