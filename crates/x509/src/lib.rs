//! Certificates of femtocells and gateways: what they must look like, and whether a path leads
//! from one to an anchor that the carrier configured. Bytes and the time go in, evidence comes out;
//! nothing here reads a clock, a file or the network.
//!
//! Path building is RFC 5280 §6 by rustls-webpki: signatures, validity, cA, path length, name
//! constraints, unknown critical extensions, intermediates in any order. Checked here, because
//! webpki leaves it out or is meant for web servers:
//!
//! - IDi is an ID_FQDN and equals, octet for octet with ASCII case folded, the one dNSName of the
//!   subjectAltName. No other name of any kind may stand beside it; the subject is never read for
//!   a name (TS 23.003 clause 4.10, RFC 4945 §3.1, RFC 4301 §4.4.3.2).
//! - The path ends at an anchor configured for that very realm. A valid path to another realm's
//!   anchor is refused.
//! - keyUsage: digitalSignature or nonRepudiation in an end entity, keyCertSign in an issuer, where
//!   the extension is present (webpki ignores it).
//! - extKeyUsage: absent, or anyExtendedKeyUsage, id-kp-ipsecIKE (RFC 4945 §5.1.3.12) or the older
//!   IKE-intermediate 1.3.6.1.5.5.8.2.2, with or without serverAuth beside it. serverAuth alone is
//!   a web server's certificate and is refused. The older purpose is accepted, never required, and
//!   noted as a [`Warning`]. The same holds for each issuer that has the extension.
//! - Keys are P-256, P-384 or RSA of 2048 to 4096 bits with an exponent of 65537 to 2^32; signatures use SHA-256 or better, by the
//!   anchor as well. SHA-1 and MD5 are refused by name.
//! - The anchor's own notAfter and path length count (webpki sees only its name, key and name
//!   constraints).
//! - A critical extension is refused unless a path heeds it; webpki passes over cRLDistributionPoints. Policies are not
//!   read: policyConstraints refuse, marked as critical or not (RFC 5280 §4.2.1.11 has CAs mark them).
//! - Before AUTH has verified, a stranger pays for the work: at most [`MAX_CERTIFICATES`] of
//!   [`MAX_CHAIN_OCTETS`] in all, in each at most [`MAX_EXTENSIONS`], [`MAX_NAMES`] that are read and
//!   [`MAX_PURPOSES`], and [`MAX_SIGNATURES`] and [`MAX_STEPS`] for a chain.
//!
//! A registration authority's certificate ([`verify_registration_authority`]) is checked alike, but for its purpose:
//! id-kp-cmcRA must be there. [`verify_signature`] is for signatures that no certificate is behind: proofs of possession,
//! and the protection of CMP once the path is known.
//!
//! Limits taken over from webpki: directoryName, rfc822Name and URI name constraints are refused wherever they
//! apply (it does not implement them); names of issuers are compared octet by octet; a self-issued issuer counts in a
//! path length like any other; only v3 certificates without unique identifiers are read. `path/pkits.txt` has what each
//! of these means for the cases of NIST's test suite.
//!
//! Revocation is no part of a path. What a foreign CA says about its certificates is read here ([`Crl`],
//! [`OcspQuestion`]) and kept ([`StatusKeeper`]); about our own, the ledger decides.
//!
//! Left to others: how long a certificate may be valid is a fact here ([`CertPathVerified::validity`])
//! and judged by `admission`.

mod anchors;
mod certificate;
mod crl;
mod device;
mod error;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod gateway;
mod key;
mod memo;
mod ocsp;
mod ocsp_signer;
mod path;
mod registration_authority;
mod request;
mod revocation;
mod serial_number;
mod signature;

pub use anchors::{Anchor, AnchorError, AnchorSet, Anchors};
pub use certificate::{Certificate, MAX_EXTENSIONS, MAX_NAMES, MAX_PURPOSES, Malformed};
pub use crl::{Crl, CrlError, CrlReason, MAX_CRL, MAX_ENTRIES, Revoked};
pub use device::{
    CertPathVerified, DevicePolicy, Extension, Warning, verify_device, verify_device_by_certificate,
    verify_device_by_subject,
};
pub use error::{PathError, Place};
pub use gateway::{GatewayName, GatewayVerified, verify_gateway};
pub use key::{KeyError, KeyKind};
pub use ocsp::{MAX_RESPONSE, MAX_SIGNERS, NONCE, NoAnswer, OcspAnswer, OcspQuestion};
pub use ocsp_signer::verify_ocsp_signer;
pub use path::{MAX_CERTIFICATES, MAX_CHAIN_OCTETS, MAX_SIGNATURES, MAX_STEPS};
pub use registration_authority::{RegistrationAuthorityVerified, verify_registration_authority};
pub use request::{RequestError, RequestVerified, verify_request};
pub use revocation::{Ask, MAX_WATCHED, Silent, Sources, Standing, StatusKeeper, Unusable};
pub use serial_number::SerialNumber;
pub use signature::{SignatureError, has_broken_hash, verify_signature};
