use crate::{Kind, PkiError};
use ids::{DeviceId, Sha256, UnixTime};
use serde::{Deserialize, Serialize};
use x509::Certificate;

/// A certificate about to be signed. It is written down before the key is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Version of this record: 1.
    pub v: u32,
    /// Serial number, lower-case hex.
    pub serial: String,
    /// For a device or a gateway.
    pub kind: Kind,
    /// Which device; none for gateways.
    pub device: Option<DeviceId>,
    /// The first dNSName.
    pub name: String,
    /// SHA-256 over the SubjectPublicKeyInfo.
    pub spki_sha256: Sha256,
    /// First second of validity.
    pub not_before: UnixTime,
    /// Last second of validity.
    pub not_after: UnixTime,
    /// How possession of the key was proven: `generated`, `request` or `not_proven`.
    pub possession: String,
    /// Why it may be valid longer than policy.
    pub exception: Option<String>,
    /// Who ordered it.
    pub by: String,
    /// When.
    pub ordered_at: UnixTime,
}

/// What became of an [`Intent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The certificate exists and its credential is recorded.
    Issued,
    /// Nothing was signed, or what was signed was thrown away unseen.
    Abandoned,
}

/// Where issuance is written down: journal and ledger.
pub trait Books {
    /// Whether the device may have a certificate now.
    ///
    /// # Errors
    /// [`PkiError::Forbidden`] with the reason; [`PkiError::Books`] when nobody can say.
    fn may_issue(&self, device: DeviceId) -> Result<(), PkiError>;

    /// Records the intent; on return it is durable.
    ///
    /// # Errors
    /// [`PkiError::Books`]: then nothing is signed.
    fn intended(&self, intent: &Intent) -> Result<(), PkiError>;

    /// Records the credential and the outcome; on return both are durable. May be called twice for
    /// one certificate, after a crash.
    ///
    /// # Errors
    /// [`PkiError::Books`]: then the certificate is not handed out, and finished at the next start.
    fn issued(&self, intent: &Intent, certificate: &Certificate, at: UnixTime) -> Result<(), PkiError>;

    /// Records that nothing came of it.
    ///
    /// # Errors
    /// [`PkiError::Books`].
    fn abandoned(&self, intent: &Intent, at: UnixTime) -> Result<(), PkiError>;
}

/// Books of a carrier that is not ours: nothing is asked and nothing is written. For the lab's
/// foreign networks and for interop tests; what is issued so is in no ledger, and admission says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct OffTheBooks;

impl Books for OffTheBooks {
    fn may_issue(&self, _: DeviceId) -> Result<(), PkiError> {
        Ok(())
    }

    fn intended(&self, _: &Intent) -> Result<(), PkiError> {
        Ok(())
    }

    fn issued(&self, _: &Intent, _: &Certificate, _: UnixTime) -> Result<(), PkiError> {
        Ok(())
    }

    fn abandoned(&self, _: &Intent, _: UnixTime) -> Result<(), PkiError> {
        Ok(())
    }
}
