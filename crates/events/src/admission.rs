//! What admission decided, and on which evidence. Every event here is about an authenticated holder
//! of a key, though not always about the genuine unit.

use crate::record::recorded;
use ids::{AccessLine, CertSha256, DeviceId, SessionId, UnixTime, number_as_text};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

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
    /// Names of the exceptions without which it would have been refused.
    pub reasons: Vec<String>,
    /// What was weighed.
    #[serde(default)]
    pub weighed: Weighed,
    /// The claim, field by field, with what was missing.
    pub claim: Box<RawValue>,
}

/// What a verdict stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weighed {
    /// What two claims on one identity mean: `reconnect`, `undecided`; `None` where there was only one.
    pub conclusion: Option<Cow<'static, str>>,
    /// Evidence that was there.
    pub used: Vec<Cow<'static, str>>,
    /// Evidence that was not.
    pub missing: Vec<Cow<'static, str>>,
    /// Reasons for which it would have been refused, were they enforced: stable codes.
    #[serde(default)]
    pub observed: Vec<Cow<'static, str>>,
    /// One of them is not enforced only as it hit too many good units at once.
    #[serde(default)]
    pub on_probation: bool,
}

/// An admission did not come to be: the ledger did not take its lease. Nothing passed, and the unit was
/// left unanswered or its tunnel ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voided {
    /// Which unit.
    pub device: DeviceId,
    /// The session that was written of.
    pub session: SessionId,
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
    /// What a person does next.
    #[serde(default)]
    pub next: Cow<'static, str>,
    /// Rule table that decided.
    pub rules: String,
    /// What was weighed.
    #[serde(default)]
    pub weighed: Weighed,
    /// The claim, field by field.
    pub claim: Box<RawValue>,
    /// How many more refusals of this unit for this reason were left out since the last one was recorded.
    #[serde(with = "number_as_text", default)]
    pub more: u64,
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
    /// What was weighed.
    #[serde(default)]
    pub weighed: Weighed,
    /// The newcomer's claim.
    pub claim: Box<RawValue>,
}

/// The holder of a key that may be the genuine unit's, or a copy, gets no lease: by another address than the unit's own it
/// reaches enrolment and management, and nothing else.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Quarantined {
    /// Which unit.
    pub device: DeviceId,
    /// Its session.
    pub session: SessionId,
    /// Its certificate.
    pub cert_sha256: CertSha256,
    /// Where it is.
    pub outer: SocketAddr,
    /// What it is called inside its tunnel; the holder of the lease is called the same behind the gateway.
    pub inner: Vec<IpAddr>,
    /// What it is called behind the gateway until its session is closed.
    pub translated: Vec<IpAddr>,
    /// Why it is not admitted, as a stable code.
    pub reason: String,
    /// Opened, for reasons that open one.
    #[serde(with = "number_as_text::option")]
    pub incident: Option<u64>,
    /// When its session ends at the latest.
    pub until: UnixTime,
    /// Rule table that decided.
    pub rules: String,
    /// What was weighed.
    pub weighed: Weighed,
    /// The claim, field by field, with what was missing.
    pub claim: Box<RawValue>,
}

/// A contest is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContestResolved {
    /// Which unit.
    pub device: DeviceId,
    /// The session that goes on; `None` when the holder is gone and the newcomer is refused.
    pub stays: Option<SessionId>,
    /// The session that does not. The record of its quarantine follows, where it may stay for that.
    pub goes: SessionId,
    /// `made-room`, `holder-silent`, `holder-alive`, `newcomer-left`; `holder-ended` when its session ended
    /// otherwise, as the record of that end says.
    pub how: String,
    /// Why the newcomer is refused, as a stable code.
    #[serde(default)]
    pub reason: Option<String>,
    /// Opened, for reasons that open one.
    #[serde(with = "number_as_text::option")]
    pub incident: Option<u64>,
    /// Rule table that decided.
    pub rules: String,
    /// What was weighed; nothing when the newcomer left.
    #[serde(default)]
    pub weighed: Weighed,
}

/// What two who hold one key were judged by: enough to judge them again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Judged {
    /// Which unit.
    pub device: DeviceId,
    /// The incident that it was told in.
    #[serde(with = "number_as_text")]
    pub incident: u64,
    /// Rule table that decided.
    pub rules: String,
    /// The verdict.
    pub verdict: Box<RawValue>,
    /// All that it was reached by.
    pub case: Box<RawValue>,
}

/// A session that was found out goes on for a while: an emergency call goes on there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndWaits {
    /// Which unit.
    pub device: DeviceId,
    /// The session.
    pub session: SessionId,
    /// Until when it waits at most.
    pub until: UnixTime,
}

recorded! {
    Admitted => "admission.admitted",
    Refused => "admission.refused",
    Contested => "admission.contested",
    ContestResolved => "admission.contest_resolved",
    Quarantined => "admission.quarantined",
    Voided => "admission.voided",
    Judged => "admission.judged",
    EndWaits => "admission.end_waits",
}
