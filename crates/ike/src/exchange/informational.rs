//! INFORMATIONAL (RFC 7296 §1.4): deletions, notifications, or nothing at all.

use super::Contents;
use crate::payload::{Delete, NotifyType};
use ids::Spi;

/// What an INFORMATIONAL request asks for.
pub(crate) enum InformationalRequest {
    /// The IKE SA that carries it is over (§1.4.1).
    DeleteIkeSa,
    /// The sender could not authenticate us (§2.21.2).
    AuthenticationFailed,
    /// These ESP SAs are over, by the SPIs that the sender receives on; none for a liveness check.
    DeleteChildSas(Vec<Spi>),
}

impl InformationalRequest {
    /// Notifications that mean nothing to us are left out.
    pub(crate) fn parse(contents: &Contents) -> Self {
        if contents.deletes.contains(&Delete::IkeSa) {
            return Self::DeleteIkeSa;
        }
        if contents.has(NotifyType::AUTHENTICATION_FAILED) {
            return Self::AuthenticationFailed;
        }
        let spis = contents.deletes.iter().flat_map(|delete| match delete {
            Delete::Esp(spis) => spis.as_slice(),
            Delete::IkeSa | Delete::Other(_) => &[],
        });
        Self::DeleteChildSas(spis.copied().collect())
    }
}
