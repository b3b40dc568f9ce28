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
//! - Before AUTH has verified, a stranger pays for the work: at most [`MAX_CERTIFICATES`] of
//!   [`MAX_CHAIN_OCTETS`] in all, in each at most [`MAX_EXTENSIONS`], [`MAX_NAMES`] that are read and
//!   [`MAX_PURPOSES`], and [`MAX_SIGNATURES`] and [`MAX_STEPS`] for a chain.
//!
//! Limits taken over from webpki: directoryName and URI name constraints are refused wherever they
//! apply (it does not implement them), and so are critical policyConstraints, inhibitAnyPolicy and
//! certificatePolicies; only v3 certificates are read.
//!
//! Left to others: how long a certificate may be valid is a fact here ([`CertPathVerified::validity`])
//! and judged by `admission`. Revocation is not evaluated yet: until OCSP and CRL arrive, the
//! ledger's revoked flag on the credential is what stops a certificate.

mod anchors;
mod certificate;
mod device;
mod error;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod gateway;
mod key;
mod memo;
mod path;
mod request;

pub use anchors::{Anchor, AnchorError, AnchorSet, Anchors};
pub use certificate::{Certificate, MAX_EXTENSIONS, MAX_NAMES, MAX_PURPOSES, Malformed};
pub use device::{CertPathVerified, DevicePolicy, Warning, verify_device, verify_device_by_subject};
pub use error::{PathError, Place};
pub use gateway::{GatewayName, GatewayVerified, verify_gateway};
pub use key::{KeyError, KeyKind};
pub use path::{MAX_CERTIFICATES, MAX_CHAIN_OCTETS, MAX_SIGNATURES, MAX_STEPS};
pub use request::{RequestError, RequestVerified, verify_request};
