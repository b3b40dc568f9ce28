//! What the ledger, and the gateway beside it, know about a unit when it is claimed.

use ids::Network;
use ledger::{AccessLineRecord, Credential, Device, Profile};

/// What the ledger knows about the unit claimed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Its record.
    pub device: Option<&'a Device>,
    /// The record of the certificate, whoever's it is.
    pub credential: Option<&'a Credential>,
    /// The record of its access line.
    pub line: Option<&'a AccessLineRecord>,
    /// The ledger lets the certificate count now though it may have ended.
    pub is_extended: bool,
    /// Where it attached within the last two days with nothing against it.
    pub good_at: Option<Network>,
    /// As what it has been seen.
    pub profile: Option<&'a Profile>,
    /// The ceiling on service that may be lost lets its holder be ended.
    pub holder_may_go: bool,
    /// An emergency call goes on there, and is let finish.
    pub holder_has_call: bool,
}

impl Facts<'_> {
    /// Which firmware the ledger says that it has.
    pub(crate) fn firmware(&self) -> &str {
        self.device.map_or("", |device| &device.firmware)
    }
}
