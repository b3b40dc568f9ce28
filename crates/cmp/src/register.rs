use super::{Possession, Record, Refusal, Transaction, TransactionId, Voucher};
use ids::{CertSha256, DeviceName, Realm, UnixTime};
use std::net::IpAddr;
use x509::CertPathVerified;

/// By what a unit asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// CMP: the unit confirms the certificate that it is given.
    Cmp,
    /// EST, which has no confirmation: the certificate is [`super::Stage::Confirmed`] in the step that issues it.
    Est,
}

impl Protocol {
    /// Its word in events and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cmp => "cmp",
            Self::Est => "est",
        }
    }
}

/// An ir, or what is one in another protocol, that passed every check of the message itself.
#[derive(Debug)]
pub struct Enrol<'a> {
    /// By whose word it asks, and which device that is.
    pub by: &'a Voucher,
    /// The new key.
    pub possession: &'a Possession,
    /// The peer's address.
    pub from: IpAddr,
    /// What to keep for the confirmation.
    pub transaction: &'a Transaction,
    /// When it was said, by its own word; none where it says nothing of it, and may be from any time.
    pub said_at: Option<UnixTime>,
    /// By what it came.
    pub protocol: Protocol,
}

/// A kur, or what is one in another protocol, that passed every check of the message itself.
#[derive(Debug)]
pub struct Renew<'a> {
    /// The certificate to be replaced and its path to our own issuing CA. Its name says which device asks.
    pub current: &'a CertPathVerified,
    /// It has expired, and was good in its last second: only a register that knows why lets it be renewed.
    pub expired: bool,
    /// The new key.
    pub possession: &'a Possession,
    /// The peer's address.
    pub from: IpAddr,
    /// What to keep for the confirmation.
    pub transaction: &'a Transaction,
    /// When it was said, by its own word; none where it says nothing of it, and may be from any time.
    pub said_at: Option<UnixTime>,
    /// By what it came.
    pub protocol: Protocol,
}

/// A refusal, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// Which device, and by which certificate: there once that certificate's path and the protection have verified.
    pub who: Option<(DeviceName, CertSha256)>,
    /// Which transaction, where the message named one; unverified without `who`.
    pub transaction: Option<TransactionId>,
    /// The peer's address.
    pub from: IpAddr,
}

/// What the registration authority asks the carrier's books, and has them do.
///
/// **The register is the memory.** [`super::RegistrationAuthority`] keeps nothing from one message to the next, so
/// that a process may end at any point between ip and pkiConf: what [`Self::enrol`] and [`Self::renew`] return must
/// be durable, with its transaction, before they return, and [`Self::find`] must know it in the next process.
///
/// **What a register owes.**
/// - A transactionID serves once, for as long as its messages could be replayed: [`super::MAX_SKEW`] after the
///   last; an ir without messageTime has no such end, so that its ID is kept for good. `enrol` and `renew` refuse
///   a known one with [`Refusal::TransactionInUse`] in the same step that records it.
/// - A certificate that is not confirmed within 5 minutes (RFC 9810 §5.3.18: confirmWaitTime) is revoked and the
///   stage becomes [`super::Stage::Over`]; the unit, whose answer or whose confirmation was lost, begins anew
///   with another transactionID, and the register lets it: an unconfirmed certificate enrols nobody.
/// - What was confirmed before stays in use until [`Self::confirm`]; only there the new one takes its place.
/// - An error leaves nothing issued.
pub trait Register {
    /// What is known of a transaction, whatever became of it.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    fn find(&self, id: &TransactionId, now: UnixTime) -> Result<Option<Record>, Refusal>;

    /// The vendor's realm of the legacy group whose units share this certificate; none where it is of no such group. Also
    /// of one whose time is over: [`Self::enrol`] says so.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    fn legacy(&self, certificate: CertSha256) -> Result<Option<Realm>, Refusal>;

    /// Judges a unit that enrols, and has its certificate issued: the end entity's first, then its issuers
    /// without the root, as DER.
    ///
    /// # Errors
    /// [`Refusal`]: why not.
    fn enrol(&self, request: &Enrol<'_>, now: UnixTime) -> Result<Vec<Vec<u8>>, Refusal>;

    /// Judges a unit that renews its certificate, and has the next one issued, as [`Self::enrol`].
    ///
    /// # Errors
    /// [`Refusal`]: why not.
    fn renew(&self, request: &Renew<'_>, now: UnixTime) -> Result<Vec<Vec<u8>>, Refusal>;

    /// The unit takes the certificate of a transaction that was [`super::Stage::Waiting`] into use. Done twice, it
    /// is done once.
    ///
    /// # Errors
    /// [`Refusal::Over`] when its time has passed; [`Refusal::Unavailable`]: the unit asks again.
    fn confirm(&self, id: &TransactionId, now: UnixTime) -> Result<(), Refusal>;

    /// The unit does not want the certificate of a transaction that was [`super::Stage::Waiting`]: it is revoked.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    fn rejected(&self, id: &TransactionId, now: UnixTime) -> Result<(), Refusal>;

    /// Somebody was refused, by the register or before it was asked. Strangers can cause as many as they like.
    fn refused(&self, refused: &Refused);
}
