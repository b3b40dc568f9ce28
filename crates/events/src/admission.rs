//! What admission decided, and on which evidence. Every event here is about an authenticated holder
//! of a key, though not always about the genuine unit.

use crate::record::recorded;
use ids::{AccessLine, CertSha256, DeviceId, SessionId, number_as_text};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::net::{IpAddr, SocketAddr};

/// A unit was admitted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Admitted {
    /// Which unit.
    pub device: DeviceId,
    /// Its session.
    pub session: SessionId,
    /// Its certificate.
    pub cert_sha256: CertSha256,
    /// Where it is.
    pub outer: SocketAddr,
    /// What it is called behind the gateway from now on, until its session is closed.
    #[serde(default)]
    pub inner: Vec<IpAddr>,
    /// Its access line, where known.
    pub line: Option<AccessLine>,
    /// `first`, `reconnect`.
    pub how: String,
    /// Rule table that decided.
    pub rules: String,
    /// Reasons, as stable codes.
    pub reasons: Vec<String>,
    /// The claim, field by field, with what was missing.
    pub claim: Box<RawValue>,
}

/// A holder of a key was refused for good.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// The unit that it says it is; the ledger may know none of that name.
    pub device: DeviceId,
    /// Its certificate.
    pub cert_sha256: CertSha256,
    /// Where it is.
    pub outer: SocketAddr,
    /// Why, as a stable code.
    pub reason: String,
    /// The reason for people.
    pub detail: String,
    /// Rule table that decided.
    pub rules: String,
    /// The claim, field by field.
    pub claim: Box<RawValue>,
}

/// A second claim on a live identity: the newcomer is blocked, the holder is asked whether it lives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contested {
    /// Which unit.
    pub device: DeviceId,
    /// Who has the lease.
    pub holder: SessionId,
    /// Where the holder is.
    pub holder_outer: SocketAddr,
    /// The newcomer's session.
    pub newcomer: SessionId,
    /// Where the newcomer is.
    pub newcomer_outer: SocketAddr,
    /// What either is called behind the gateway.
    #[serde(default)]
    pub inner: Vec<IpAddr>,
    /// The newcomer's claim.
    pub claim: Box<RawValue>,
}

/// A contest is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContestResolved {
    /// Which unit.
    pub device: DeviceId,
    /// The session that goes on.
    pub stays: SessionId,
    /// The session that does not.
    pub goes: SessionId,
    /// `made-room`, `holder-silent`, `holder-alive`, `newcomer-left`.
    pub how: String,
    /// Opened, when the holder stayed alive.
    #[serde(with = "number_as_text::option")]
    pub incident: Option<u64>,
    /// Rule table that decided.
    pub rules: String,
}

recorded! {
    Admitted => "admission.admitted",
    Refused => "admission.refused",
    Contested => "admission.contested",
    ContestResolved => "admission.contest_resolved",
}
