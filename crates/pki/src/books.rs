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
    /// How possession of the key was proven: `generated` or `request`.
    pub possession: String,
    /// The named exception of the carrier's policy without which it would be valid for too long.
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
    /// Whether a device may have this certificate now, and by which named exception of the carrier's
    /// policy, if it takes one.
    ///
    /// # Errors
    /// [`PkiError::Forbidden`] with the reason, [`PkiError::TooLong`]; [`PkiError::Books`] when nobody
    /// can say.
    fn may_issue(&self, wanted: &Intent) -> Result<Option<String>, PkiError>;

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
    /// [`PkiError::Forbidden`]: then it is thrown away unseen, for good.
    fn issued(&self, intent: &Intent, certificate: &Certificate, at: UnixTime) -> Result<(), PkiError>;

    /// Records that nothing came of it, and why.
    ///
    /// # Errors
    /// [`PkiError::Books`].
    fn abandoned(&self, intent: &Intent, why: &str, at: UnixTime) -> Result<(), PkiError>;
}

/// Books of a carrier that is not ours: nothing is asked and nothing is written. For the lab's
/// foreign networks and for interop tests; what is issued so is in no ledger, and admission says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct OffTheBooks;

impl Books for OffTheBooks {
    fn may_issue(&self, _: &Intent) -> Result<Option<String>, PkiError> {
        Ok(None)
    }

    fn intended(&self, _: &Intent) -> Result<(), PkiError> {
        Ok(())
    }

    fn issued(&self, _: &Intent, _: &Certificate, _: UnixTime) -> Result<(), PkiError> {
        Ok(())
    }

    fn abandoned(&self, _: &Intent, _: &str, _: UnixTime) -> Result<(), PkiError> {
        Ok(())
    }
}
