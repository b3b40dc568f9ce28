//! What becomes of requests for certificates. What was issued is in the ledger's records.

use crate::record::recorded;
use ids::{CertSha256, DeviceId};
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

recorded! {
    EnrolmentRefused => "pki.enrolment_refused",
}
