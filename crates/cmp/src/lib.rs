//! CMP version 2 for enrolment (RFC 9810, RFC 4211; TS 33.310 clause 9.5), sans-IO, for both ends: the octets of a
//! message go in, with the peer's address, the time and a nonce; the octets of the answer come out.
//!
//! # The registration authority
//!
//! - **What is served.** ir/ip, kur/kup, certConf/pkiConf, and a peer's error in place of certConf. Anything else,
//!   cr among it, is badRequest: TS 33.310 has a station enrol by ir and renew by kur, and a second certificate
//!   beside the first is nobody's here.
//! - **Order of the checks**, cheap ones first, none skipped: size and syntax, version, our clock, transactionID,
//!   senderNonce, messageTime; the algorithm of the protection and whose certificate it is; the path of that
//!   certificate (for an ir to an anchor of its vendor's realm, for a kur to our own issuing CA); the protection;
//!   transactionID in use; possession of the new key; then [`Register`].
//! - **Who asks** is whom the certificate names that protects the message. Names in the request decide nothing,
//!   and neither do its issuer, validity and extensions, which clients fill with what they took from elsewhere.
//! - **Of a legacy group**, whose units all have one certificate and its key, the register says which certificate that is. It is
//!   known by its SHA-256 and has no path; an ir by it must name its unit in the subject of the template (RFC 9483 §4.1.1), and
//!   the register compares that with what it knows of the line ([`Voucher::Legacy`]). It is good for nothing but ir.
//! - **Protection by signature only**, as possession: ECDSA or RSA (PKCS #1) with SHA-256 or SHA-384. A shared
//!   secret is wrongIntegrity, SHA-1 anywhere badAlg, certificates included.
//! - **The answers** are protected by a certificate with id-kp-cmcRA ([`Signer`]);
//!   extraCerts hold it, its issuers and the root. caPubs stays empty: a unit knows the root before it enrols
//!   (RFC 9810 §8.9), and is not to learn it here.
//! - **State** is the register's. From ip to certConf nothing is kept in memory.
//!
//! Bounds: [`MAX_MESSAGE`] octets; [`x509::MAX_CERTIFICATES`] extraCerts of [`x509::MAX_CHAIN_OCTETS`];
//! [`MIN_NONCE`] to [`MAX_NONCE`] octets of transactionID and nonces; [`MAX_SENDER`] octets of sender. A message
//! costs at most one path check ([`x509::MAX_SIGNATURES`]), one verification of the protection, one of possession,
//! and one signature of ours.
//!
//! # The unit
//!
//! [`Operator`] is what a unit knows of the carrier: root and realm. [`Asked`] is its ir or kur, [`Offer`] the
//! certificate in the answer, [`Confirming`] the certConf.
//!
//! - **Whom it believes.** An answer counts when it repeats our transactionID and our fresh nonce and is signed by a
//!   certificate with id-kp-cmcRA that leads to the root. The certificate in it must be for our key, for our device in the
//!   operator's realm, and lead to the same root.
//! - **By which time.** A unit's clock may say 1970, so the path is judged as of the answer's own messageTime. Whoever
//!   signed the answer did so after the unit drew its nonce, so that the time is not an old message's; the
//!   certificate was good at the time that its holder named. What is left: the holder of a registration authority's key
//!   whose certificate has expired can name a time before that. A unit therefore takes no time earlier than the
//!   latest that it has seen before (`earliest`), less [`MAX_SKEW`].
//! - **What it learns.** The time, also from a refusal; of a refusal the bit that the authority names.
//! - An error without protection is believed by nobody: it is a failure of the way, and the unit asks again.
//!
//! # Departures
//!
//! Where this departs from the standards, and why:
//!
//! - TS 33.310 clause 9.5.4.2 lets a unit leave the subject out of the template. RFC 4211 §4.1 then wants
//!   poposkInput in the proof; OpenSSL 3.0 leaves that out too. Such a request is refused (badPOP), because the
//!   signature names nobody; with a valid poposkInput it is served.
//! - Names are compared octet for octet: sender with subject, issuer with oldCertID. A client copies them out of
//!   its certificate.
//! - implicitConfirm is passed over: a unit always confirms (TS 33.310 clause 9.5.4).
//! - A certConf repeated after our pkiConf was lost gets pkiConf again rather than certConfirmed, so that a unit that
//!   lost power meanwhile goes on. A rejection after it is certConfirmed.
//! - A certConf need not bring extraCerts: it is verified by the certificate that protected the request.
//! - messageTime may be missing in an ir alone, from a unit whose clock says 1970. The answer tells it the time,
//!   also the answer badTime to a unit that sent 1970.
//! - A kur by an expired certificate goes to the register, marked as that.
//! - Messages of versions 2 and 3 are served and answered in kind; hashAlg of version 3 may be there and must be the
//!   hash of the certificate's signature.
//!
//! The message types are read here by `der` and not by the crate `cmpv2` (0.2.0): that keeps no octets as they came,
//! over which the signatures of protection and possession are; bounds nothing; knows neither version 3 nor hashAlg;
//! and writes PKIFailureInfo as numbers of 16 bits rather than bits.

mod answer;
mod answer_error;
mod asked;
mod askers;
mod confirmation;
mod confirming;
mod failure;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod header;
mod message;
mod operator;
mod possession;
mod protection;
mod ra;
mod register;
mod reply;
mod request;
mod signer;
mod tlv;
mod transaction;
mod voucher;

pub use answer_error::AnswerError;
pub use asked::{Asked, Fresh, Offer};
pub use askers::{Asker, Askers};
use confirmation::Confirmation;
pub use confirming::Confirming;
pub use failure::{FailureInfo, Refusal};
use header::Header;
pub use header::{MAX_NONCE, MAX_SENDER, MAX_SKEW, MIN_NONCE};
pub use message::MAX_MESSAGE;
use message::{Body, Message};
pub use operator::Operator;
pub use possession::Possession;
pub use ra::RegistrationAuthority;
pub use register::{Enrol, Protocol, Refused, Register, Renew};
use request::Request;
pub use signer::{ProtectionKey, Signer, SignerError};
pub use transaction::{Arrival, Nonce, Record, Stage, Transaction, TransactionId};
pub use voucher::{LegacyCertificate, Voucher};
