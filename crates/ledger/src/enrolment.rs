//! Enrolment: by what leave a unit gets a certificate, and what becomes of it (product I1, I3, I5).
//!
//! - **A leave** is an install order that stands, or the certificate of before ([`Leave`](crate::Leave)). Whoever has neither, or comes
//!   from elsewhere, or with another's key, gets nothing, and a person is told: never is the first to come the right one.
//! - **A certificate waits** for its unit's word, [`CONFIRM_WAIT`] at most. Until then it is in the ledger as a
//!   [`CertificateRecord`](crate::CertificateRecord) alone, and lets nobody attach. The word makes it a [`Credential`](crate::Credential), ends the order, and
//!   supersedes the certificate of before: all in one transaction. So there are never two that count without the grace
//!   of [`GRACE`], whoever dies when.
//! - **A unit that begins anew** by the same leave ends what waited.
//! - **Lineage**: a certificate has one successor. Who asks by one that has a successor holds a copy, or the successor
//!   does: then nothing more is issued, the successors are in doubt, the older one goes on counting, and an incident
//!   names all. Otherwise the copy that renews first would win.
//!
//! - **A legacy group** ([`LegacyGroup`](crate::LegacyGroup)) is the one exception to a vendor's key being one unit's.
//!
//! Everything here happens within a transaction of the caller, who may take many requests into one: the cost of making
//! it durable is shared. Nobody gets a certificate before that is done.

mod confirmation;
mod hold;
mod leave;
mod legacy;
mod renewal;

pub use confirmation::Stage;

use crate::LedgerError;
use ids::{CertSha256, DeviceId, Realm, Sha256, UnixTime};
use std::{net::IpAddr, time::Duration};

/// How long a certificate waits to be confirmed (confirmWaitTime).
pub const CONFIRM_WAIT: Duration = Duration::from_secs(5 * 60);
/// How long a certificate still lets its unit attach once its successor counts.
pub const GRACE: Duration = Duration::from_secs(10 * 60);

/// By so much the clock of who asks may be wrong (as CMP takes it, [`Ask::is_said_after`]).
const SKEW: Duration = Duration::from_secs(5 * 60);

/// Somebody asks for a certificate; what the request says of itself is proven.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Whom the certificate names by which they ask.
    pub device: DeviceId,
    /// In which realm.
    pub realm: &'a Realm,
    /// That certificate.
    pub by_cert: CertSha256,
    /// SHA-256 over its SubjectPublicKeyInfo.
    pub by_spki: Sha256,
    /// SHA-256 over the SubjectPublicKeyInfo to be certified.
    pub spki: Sha256,
    /// From where.
    pub from: IpAddr,
    /// When it was said, by its own word; none where it says nothing of it.
    pub said_at: Option<UnixTime>,
    /// By what protocol: `cmp`, `est`.
    pub protocol: &'a str,
    /// transactionID.
    pub transaction: &'a [u8],
}

impl Ask<'_> {
    /// Whether it was certainly said after `at`. What was said before may be played again by whoever heard it, and is
    /// evidence against nobody; nor is what says that it comes from the future, which proves nothing of its time.
    fn is_said_after(&self, at: UnixTime, now: UnixTime) -> bool {
        self.said_at.is_some_and(|said| said > at.after(SKEW) && said <= now.after(SKEW))
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum NoCertificate {
    /// It is denied.
    #[error("{0:?}")]
    Denied(Denied),
    /// Nobody can say.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Why a unit gets no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denied {
    /// Nobody who shows a certificate of that vendor's enrols, by a person's word.
    VendorDistrusted,
    /// There is no such unit.
    NoSuchUnit,
    /// No order that stands lets the unit enrol.
    NoOrder,
    /// Not from the line of its order, or its own; or nobody knows what is behind that.
    OtherLine,
    /// The vendor named another key for the unit.
    OtherVendorKey,
    /// The vendor's key was another unit's.
    SharedCredential,
    /// The vendor's key is that of a legacy group whose time is over.
    LegacyOver,
    /// The unit is enrolled, and no newer order says that it may come again.
    AlreadyEnrolled,
    /// The key to be certified was seen before.
    KnownKey,
    /// A person decides.
    Held,
    /// The unit's life cycle allows it none.
    Barred,
    /// The certificate has a successor.
    Fork,
    /// The certificate by which the unit asks is none of ours.
    UnknownCertificate,
    /// It has expired, and the unit is not at its line.
    Expired,
    /// It is revoked.
    Revoked,
    /// The transaction was seen before.
    TransactionInUse,
    /// There is no such transaction.
    NoTransaction,
    /// The confirmation comes too late, or what it confirms was taken back.
    Over,
}

impl From<Denied> for NoCertificate {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl Denied {
    /// Its word, for evidence and people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VendorDistrusted => "vendor-distrusted",
            Self::NoSuchUnit => "no-such-unit",
            Self::NoOrder => "no-order",
            Self::OtherLine => "other-line",
            Self::OtherVendorKey => "other-vendor-key",
            Self::SharedCredential => "shared-credential",
            Self::LegacyOver => "legacy-group-over",
            Self::AlreadyEnrolled => "already-enrolled",
            Self::KnownKey => "known-key",
            Self::Held => "held",
            Self::Barred => "barred",
            Self::Fork => "lineage-fork",
            Self::UnknownCertificate => "unknown-certificate",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::TransactionInUse => "transaction-in-use",
            Self::NoTransaction => "no-transaction",
            Self::Over => "over",
        }
    }
}

#[cfg(test)]
mod tests;
