//! What the gateway records.

use crate::record::recorded;
use ids::{CertSha256, DeviceId, SessionId, Spi, UnixTime, number_as_text};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A node began to serve under a new epoch; its leases of older epochs are void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStarted {
    /// The new epoch.
    #[serde(with = "number_as_text")]
    pub epoch: u64,
    /// Version of Truecell.
    pub version: String,
}

/// A node stopped in good order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStopped {
    /// The epoch that ended.
    #[serde(with = "number_as_text")]
    pub epoch: u64,
    /// Ends of sessions and other work that could not be written any more.
    #[serde(default, with = "number_as_text")]
    pub unwritten: u64,
}

/// An attempt ended before anyone was authenticated. Nothing in it is proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachFailed {
    /// Stable reason code.
    pub reason: String,
    /// The reason for people.
    pub detail: String,
    /// Where it came from.
    pub outer: SocketAddr,
    /// What it called itself, if that reads as a name.
    pub claimed: Option<String>,
    /// How many more of the same kind were left out since the last one was recorded.
    #[serde(with = "number_as_text")]
    pub more: u64,
}

/// A session is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionClosed {
    /// Whose.
    pub device: DeviceId,
    /// Which.
    pub session: SessionId,
    /// Why, as a stable word.
    pub why: String,
    /// Inner octets received from the unit, and sent to it.
    #[serde(with = "number_as_text::pair")]
    pub bytes: (u64, u64),
}

/// A unit has answered from elsewhere what was asked nowhere else: its tunnel leads there now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathChanged {
    /// Whose.
    pub device: DeviceId,
    /// Which.
    pub session: SessionId,
    /// Before.
    pub from: SocketAddr,
    /// Now.
    pub to: SocketAddr,
    /// The new address is one of the unit's access line; `None` when its line is not known.
    pub on_line: Option<bool>,
}

/// Fresh authentic packets of one session come from several addresses in turn: two places use its keys, or a
/// network on the way can't decide. The tunnel stays where its unit has last proven to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathAlternates {
    /// Whose.
    pub device: DeviceId,
    /// Which.
    pub session: SessionId,
    /// Where they came from, the latest last; the last four.
    pub paths: Vec<SocketAddr>,
    /// How often that changed since the last record.
    #[serde(with = "number_as_text")]
    pub changes: u64,
    /// Milliseconds from the first of these changes to the last.
    #[serde(with = "number_as_text")]
    pub within_ms: u64,
}

/// A CHILD SA stood for a while and no ESP came in UDP: the unit probably sends raw ESP, which is not
/// served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EspNeverSeen {
    /// Whose.
    pub device: DeviceId,
    /// Which.
    pub session: SessionId,
    /// Of the silent CHILD SA, where we receive.
    pub spi: Spi,
}

/// Packets with an inner source that isn't the unit's own were dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoofedSource {
    /// Whose.
    pub device: DeviceId,
    /// Which.
    pub session: SessionId,
    /// How many since the last record.
    #[serde(with = "number_as_text")]
    pub packets: u64,
}

/// Packets from a unit for another one were dropped: the ledger does not list the two as a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateralAttempt {
    /// Whose.
    pub device: DeviceId,
    /// Which.
    pub session: SessionId,
    /// How many since the last record.
    #[serde(with = "number_as_text")]
    pub packets: u64,
    /// The inner address that the last of them went to.
    pub to: IpAddr,
    /// Its protocol, as [`OutOfReach::protocol`]; empty where an older version wrote the record.
    #[serde(default)]
    pub protocol: String,
    /// Its port, as [`OutOfReach::port`].
    #[serde(default)]
    pub port: Option<u16>,
}

/// Packets from a unit were dropped for what its class may not reach: address, protocol or port of another end than
/// the configuration lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutOfReach {
    /// Whose.
    pub device: DeviceId,
    /// Which.
    pub session: SessionId,
    /// How many since the last record.
    #[serde(with = "number_as_text")]
    pub packets: u64,
    /// The address that the last of them went to.
    pub to: IpAddr,
    /// Its protocol, by name or number as the configuration writes it in `reach`.
    pub protocol: String,
    /// Its port; `None` where the protocol has none, or a later fragment did not show it.
    pub port: Option<u16>,
}

/// Packets came from where the unit has not proven to be, though it was asked there again and again, and were dropped:
/// whoever sends them has its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathUnproven {
    /// Whose.
    pub device: DeviceId,
    /// Which.
    pub session: SessionId,
    /// How many since the last record.
    #[serde(with = "number_as_text")]
    pub packets: u64,
    /// Where the last of them came from.
    pub from: SocketAddr,
}

/// Something that people must see to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Stable word, as `ledger-unreachable`.
    pub alarm: String,
    /// It began, or it is over.
    pub raised: bool,
    /// What does not work, or that it does again.
    pub detail: String,
    /// For a clock that was set forward: the time by the clock that nobody can set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<UnixTime>,
}

impl Alarm {
    /// The word of the alarm about a clock that was set forward.
    pub const CLOCK_JUMPED: &str = "clock-jumped";
}

/// Someone cut a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCut {
    /// Whose.
    pub device: DeviceId,
    /// Which.
    pub session: SessionId,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
    /// The certificate that it was attached with.
    pub cert_sha256: CertSha256,
}

/// The configuration file was read again, or by a start that takes another one than held last, and what it changes holds
/// from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationApplied {
    /// Who had it read; `SIGHUP`, or `start`.
    pub by: String,
    /// What changes.
    pub changes: Vec<Change>,
}

/// One key of the configuration, as TOML writes its values; there are no secrets among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// With the sections that it stands in: `gateway.off_line`.
    pub key: String,
    /// Before; `None` where it was left out.
    pub from: Option<String>,
    /// From now on.
    pub to: Option<String>,
}

recorded! {
    NodeStarted => "gateway.node_started",
    NodeStopped => "gateway.node_stopped",
    AttachFailed => "gateway.attach_failed",
    SessionClosed => "gateway.session_closed",
    PathChanged => "gateway.path_changed",
    PathAlternates => "gateway.path_alternates",
    EspNeverSeen => "gateway.esp_never_seen",
    SpoofedSource => "gateway.spoofed_source",
    LateralAttempt => "gateway.lateral_attempt",
    OutOfReach => "gateway.out_of_reach",
    PathUnproven => "gateway.path_unproven",
    Alarm => "gateway.alarm",
    SessionCut => "gateway.session_cut",
    ConfigurationApplied => "gateway.configuration_applied",
}
