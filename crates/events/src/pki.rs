//! What the CA does. The intent stands before the signature.

use crate::record::recorded;
use ids::{CertSha256, DeviceId, UnixTime};
use serde::{Deserialize, Serialize};

/// A certificate is about to be signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueIntended {
    /// Names this order, in the event that follows too.
    pub order: String,
    /// For which unit; `None` for a gateway.
    pub device: Option<DeviceId>,
    /// The one dNSName.
    pub name: String,
    /// Serial number, hex.
    pub serial: String,
    /// Until when it will be valid.
    pub not_after: UnixTime,
    /// Who ordered it.
    pub by: String,
}

/// It was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// The order.
    pub order: String,
    /// The certificate.
    pub cert_sha256: CertSha256,
}

/// It was not signed, or never left: its serial number is burnt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueAbandoned {
    /// The order.
    pub order: String,
    /// Why.
    pub why: String,
}

recorded! {
    IssueIntended => "pki.issue_intended",
    Issued => "pki.issued",
    IssueAbandoned => "pki.issue_abandoned",
}
