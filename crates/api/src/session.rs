//! Sessions as the API shows them.

use ids::{CertSha256, DeviceId, SessionId, UnixTime};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// One admitted unit's tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// Which unit.
    pub device: DeviceId,
    /// The certificate that it authenticated with.
    pub cert_sha256: CertSha256,
    /// Where it comes from.
    pub outer: SocketAddr,
    /// Its inner IPv4 address.
    pub inner_v4: Option<Ipv4Addr>,
    /// Its inner IPv6 address.
    pub inner_v6: Option<Ipv6Addr>,
    /// Since when.
    pub since: UnixTime,
    /// When it ends whatever happens.
    pub ends: UnixTime,
    /// `up`, or `contested` while another claim on the same identity is judged.
    pub state: String,
    /// Octets from the unit.
    pub bytes_in: u64,
    /// Octets to the unit.
    pub bytes_out: u64,
}

/// All sessions of this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// The sessions, by number.
    pub sessions: Vec<Session>,
}

/// Asks to end one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutSession {
    /// The reason, for the record.
    pub why: String,
}
