use crate::Row;
use ids::{CertSha256, DeviceId, Epoch, NodeId, SessionId, UnixTime};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The right to one live session of one unit: exclusive, over all nodes and address families.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Whose.
    pub device: DeviceId,
    /// Where its session is.
    pub node: NodeId,
    /// Which start of that node; a newer one voids the lease.
    pub epoch: Epoch,
    /// The session.
    pub session: SessionId,
    /// The certificate that it was attached with.
    pub cert_sha256: CertSha256,
    /// Where the unit was when it attached.
    pub outer: SocketAddr,
    /// Since when.
    pub since: UnixTime,
}

impl Row for Lease {
    const TABLE: &'static str = "lease";

    fn key(&self) -> String {
        self.device.to_string()
    }
}
