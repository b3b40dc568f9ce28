//! The OCSP responder of the issuing CAs (RFC 6960, RFC 9654): one request in, one response out. No socket, no
//! clock and no book of its own: who has them serves HTTP, passes the time, and answers [`Statuses`].
//!
//! - **What is read.** One DER OCSPRequest of at most [`MAX_REQUEST`] octets about 1 to [`MAX_ASKED`]
//!   certificates. CertID (§4.1.1) has hashes of the issuer's name and key by SHA-1 or SHA-256; they tell
//!   issuers apart and protect nothing, so SHA-1 is no weakness there (RFC 5019 §2.1.1 asks for it).
//! - **One issuing CA for each message.** A response has one signature, and only a responder of the very CA that
//!   issued a certificate may speak about it (§4.2.2.2). A request about another CA, ours or not, beside the
//!   first, or about none of ours, or with another hash, is answered `unauthorized`: we cannot answer with
//!   authority (§2.3, RFC 5019 §2.2.3). That costs no signature, and is no `unknown`, which would be one.
//! - **A serial that was never issued** is `revoked` (§2.2): certificateHold since 1970-01-01, with the
//!   extension id-pkix-ocsp-extended-revoke (§4.4.8). The books know every certificate that these CAs signed, so
//!   one that they don't know was made with a stolen key, and `unknown` would send a client elsewhere or have it
//!   accept that. No answer has `unknown`.
//! - **Nonce** (RFC 9654 §2.1): 1 to 128 octets (32 are what a client should send) come back as they are;
//!   none, more, or two nonces make the request malformed. Without one the response can be cached.
//! - **Extensions.** One that is critical and is not the nonce makes the request malformed. Others are ignored
//!   (§4.4): serviceLocator, as we forward nothing; acceptable responses and preferred signature
//!   algorithms, as there is one kind of each.
//! - **Signed requests** are answered like others: everybody may ask, so neither the signature nor requestorName
//!   is evaluated. They have to be well-formed.
//! - **Times.** producedAt and thisUpdate are now, since the books were read for this answer; nextUpdate is one
//!   period later, or the end of the signer's certificate if that comes first. Seconds are rounded down.
//! - **Who signs.** A [`Signer`]: a key that lives in memory only, and a certificate for it from the issuing CA
//!   itself, [`OCSP_SIGNER_VALIDITY`](crate::OCSP_SIGNER_VALIDITY) long, with id-kp-OCSPSigning and
//!   id-pkix-ocsp-nocheck. Whoever holds the [`Ca`](crate::Ca) has another one issued at
//!   [`Responder::renew_at`] and builds the responder anew; each start does too. The response names it by the
//!   hash of its key (byKey) and carries its certificate.
//! - **What a refusal tells**: an OCSPResponseStatus without a signature (§2.3), [`Refusal`] has which.
//!
//! GET is the same bytes in Base64 in the path: [`from_path`].

mod get;
mod refusal;
mod request;
mod response;
mod signer;

pub use get::from_path;
pub use refusal::Refusal;
pub use request::{MAX_ASKED, MAX_NONCE, MAX_REQUEST};
pub use signer::Signer;

use crate::{Generation, PkiError};
use ids::{CrlReason, Hex, UnixTime};
use request::Asked;
use std::time::Duration;
use x509_ocsp::CertId;

/// The books of who was certified.
pub trait Statuses {
    /// What became of the certificate of `issuing` with this serial: lower-case hex, as
    /// [`x509::Certificate::serial`] has it, 1 to 21 octets of whatever a stranger sent. Only what was handed
    /// out was issued; that a certificate has expired changes nothing. `now`: of the answer.
    ///
    /// # Errors
    /// [`OutOfReach`] when nobody can say now.
    fn status(&self, issuing: Generation, serial: &str, now: UnixTime) -> Result<Status, OutOfReach>;
}

/// What became of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was issued and not revoked.
    Good,
    /// It counts no more.
    Revoked {
        /// Since when.
        at: UnixTime,
        /// Why, where that is known.
        reason: Option<CrlReason>,
    },
    /// This CA never issued one with this serial.
    NotIssued,
}

/// Ledger or journal cannot be read now: the client shall come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the books are out of reach")]
pub struct OutOfReach;

/// Answers requests about the certificates of the issuing CAs that it has a [`Signer`] of.
#[derive(Debug)]
pub struct Responder {
    signers: Vec<Signer>,
    period: Duration,
}

/// What goes back, and what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The OCSPResponse in DER.
    pub der: Vec<u8>,
    /// What it says, or why it says nothing.
    pub outcome: Result<Answered, Refusal>,
}

/// A response with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// About how many certificates.
    pub certificates: usize,
    /// The nextUpdate of each.
    pub next_update: UnixTime,
    /// Whether it has the nonce of its request, and is therefore of use to nobody else (RFC 5019 §6.2).
    pub has_nonce: bool,
}

impl Responder {
    /// `signers`: one of each issuing CA that it is to speak for. `period`: from thisUpdate to nextUpdate,
    /// for how long a client may keep an answer.
    ///
    /// # Errors
    /// [`PkiError::Order`] for no signer, or a period below 1 s.
    pub fn new(signers: Vec<Signer>, period: Duration) -> Result<Self, PkiError> {
        if signers.is_empty() {
            return Err(PkiError::Order("an OCSP responder needs somebody who signs"));
        }
        if period < Duration::from_secs(1) {
            return Err(PkiError::Order("an OCSP response is good for 1 second at least"));
        }
        Ok(Self { signers, period })
    }

    /// The generations of issuing CAs that it speaks for.
    pub fn speaks_for(&self) -> impl Iterator<Item = Generation> {
        self.signers.iter().map(Signer::issuing)
    }

    /// Answers one request. Costs one signature at most, and one question to the books for each certificate
    /// asked about, of which there are [`MAX_ASKED`] at most.
    pub fn answer(&self, request: &[u8], statuses: &dyn Statuses, now: UnixTime) -> Answer {
        let answered = self.respond(request, statuses, now);
        answered.unwrap_or_else(|refusal| Answer { der: refusal.to_der().to_vec(), outcome: Err(refusal) })
    }

    /// When to have the signers renewed: halfway through the life of the one that ends first.
    pub fn renew_at(&self) -> UnixTime {
        let halfway = |signer: &Signer| {
            let life = signer.not_after().since(signer.not_before());
            signer.not_before().after(life / 2)
        };
        self.signers.iter().map(halfway).min().unwrap_or_default()
    }

    fn respond(&self, request: &[u8], statuses: &dyn Statuses, now: UnixTime) -> Result<Answer, Refusal> {
        let now = UnixTime::from_secs(now.secs());
        let asked = Asked::from_der(request)?;
        let signer = self.signer(&asked, now)?;
        let found = asked.certificates.iter().map(|id| status(statuses, signer, id, now));
        let found: Vec<Status> = found.collect::<Result<_, _>>()?;
        let answered = Answered {
            certificates: found.len(),
            next_update: now.after(self.period).min(signer.not_after()),
            has_nonce: asked.nonce.is_some(),
        };
        let der = response::encode(signer, asked, &found, now, answered.next_update);
        der.map(|der| Answer { der, outcome: Ok(answered) }).map_err(|_| Refusal::Signing)
    }

    /// Who may speak about everything that was asked, now.
    fn signer(&self, asked: &Asked, now: UnixTime) -> Result<&Signer, Refusal> {
        let speaks = |signer: &&Signer| asked.certificates.iter().all(|id| signer.speaks_for(id));
        let mut signers = self.signers.iter().filter(speaks).peekable();
        signers.peek().ok_or(Refusal::OtherIssuer)?;
        signers.find(|signer| signer.is_valid(now)).ok_or(Refusal::SignerEnded)
    }
}

fn status(statuses: &dyn Statuses, signer: &Signer, id: &CertId, now: UnixTime) -> Result<Status, Refusal> {
    let serial = Hex(id.serial_number.as_bytes()).to_string();
    statuses.status(signer.issuing(), &serial, now).map_err(|OutOfReach| Refusal::OutOfReach)
}
