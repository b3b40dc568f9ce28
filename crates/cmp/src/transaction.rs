use super::header;
use ids::{Hex, UnixTime};
use std::fmt;
use std::net::IpAddr;

/// A transactionID: the peer's name for one enrolment, of [`super::MIN_NONCE`] to [`super::MAX_NONCE`] octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(Vec<u8>);

impl TransactionId {
    /// `None` when it has not the length of one.
    pub fn new(octets: &[u8]) -> Option<Self> {
        header::has_length_of_nonce(octets).then(|| Self(octets.to_vec()))
    }

    /// Its octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A nonce of ours: fresh for each answer.
pub type Nonce = [u8; header::MIN_NONCE];

/// What comes with a message and is not in it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The peer's address.
    pub from: IpAddr,
    /// Our time; `None` while the clock is not trusted, and then nobody is judged.
    pub now: Option<UnixTime>,
    /// The senderNonce of the answer: 16 random octets that were never used before.
    pub nonce: Nonce,
}

/// A request that a register answers with a certificate: what it keeps, durably, until long after the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its name.
    pub id: TransactionId,
    /// The certificate that protects all of the peer's messages in it, as DER.
    pub signer: Vec<u8>,
    /// The senderNonce of our answer, which the peer's confirmation repeats.
    pub nonce: Nonce,
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The certificate is out and unconfirmed.
    Waiting,
    /// The peer has confirmed it.
    Confirmed,
    /// It was rejected by the peer, or not confirmed in time, or refused to begin with: its certificate, if there
    /// ever was one, is revoked.
    Over,
}

/// What a register knows of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// As it was handed over with the request.
    pub transaction: Transaction,
    /// The certificate that was issued, as DER; empty where none was.
    pub certificate: Vec<u8>,
    /// How far it is.
    pub stage: Stage,
}
