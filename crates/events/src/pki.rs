//! What becomes of requests for certificates. What was issued is in the ledger's records.

use crate::record::recorded;
use ids::{CertSha256, DeviceId, UnixTime};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A unit that wanted to enrol or to renew was refused. It has proven to hold the key of its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentRefused {
    /// Stable code of the reason.
    pub reason: String,
    /// Whom the certificate names that protects the message.
    pub device: DeviceId,
    /// That certificate: the vendor's, or the one to be renewed.
    pub cert_sha256: CertSha256,
    /// Where the message came from.
    pub from: IpAddr,
    /// How many of this device and reason were left out before this one.
    pub more: u64,
}

/// An issuing CA is to have another key from now on. It is written down before it holds: where the disk fails between,
/// the CA has the key of before, and whoever asked hears of it. What the one of before certified stays good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaRotated {
    /// The generation that is to certify from now on, such as `devices-2`.
    pub generation: String,
    /// The one before it.
    pub before: String,
    /// SHA-256 over its certificate.
    pub cert_sha256: CertSha256,
    /// Its subject, for people.
    pub subject: String,
    /// Last second of its validity.
    pub not_after: UnixTime,
    /// Who did it.
    pub by: String,
    /// Why.
    pub why: String,
    /// Who agreed.
    pub approver: String,
}

recorded! {
    EnrolmentRefused => "pki.enrolment_refused",
    CaRotated => "pki.ca_rotated",
}
