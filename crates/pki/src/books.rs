use crate::{Generation, Kind, PkiError};
use ids::{DeviceId, Sha256, UnixTime};
use x509::Certificate;

/// What a certificate is to say, and for whom and by whose word it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Particulars {
    /// By which issuing CA.
    pub issuing: Generation,
    /// Serial number, lower-case hex.
    pub serial: String,
    /// For whom.
    pub kind: Kind,
    /// Which device; none for others.
    pub device: Option<DeviceId>,
    /// The first dNSName; the common name where there is none.
    pub name: String,
    /// SHA-256 over the SubjectPublicKeyInfo.
    pub spki_sha256: Sha256,
    /// First second of validity.
    pub not_before: UnixTime,
    /// Last second of validity.
    pub not_after: UnixTime,
    /// How possession of the key was proven: `generated`, `request` or `cmp`.
    pub possession: &'static str,
    /// The named exception of the carrier's policy without which it would be valid for too long.
    pub exception: Option<String>,
    /// Who ordered it.
    pub by: String,
    /// When.
    pub ordered_at: UnixTime,
}

/// Where issuance is written down: one transaction of the ledger. Nothing of it is durable, and no certificate may be
/// handed out, before whoever began the transaction has committed it. Many certificates may share one.
pub trait Books {
    /// Whether this may be issued now, and by which named exception of the carrier's policy, if it takes one.
    ///
    /// # Errors
    /// [`PkiError::Forbidden`] with the reason, [`PkiError::TooLong`]; [`PkiError::Books`] when nobody
    /// can say.
    fn may_issue(&mut self, wanted: &Particulars) -> Result<Option<String>, PkiError>;

    /// Writes down what was signed.
    ///
    /// # Errors
    /// [`PkiError::Books`], [`PkiError::Forbidden`]: then the certificate is dropped unseen.
    fn issued(
        &mut self,
        what: &Particulars,
        certificate: &Certificate,
        der: &[u8],
        now: UnixTime,
    ) -> Result<(), PkiError>;
}

/// Books of a carrier that is not ours: nothing is asked and nothing is written. For the lab's
/// foreign networks and for interop tests; what is issued so is in no ledger, and admission says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct OffTheBooks;

impl Books for OffTheBooks {
    fn may_issue(&mut self, _: &Particulars) -> Result<Option<String>, PkiError> {
        Ok(None)
    }

    fn issued(&mut self, _: &Particulars, _: &Certificate, _: &[u8], _: UnixTime) -> Result<(), PkiError> {
        Ok(())
    }
}
