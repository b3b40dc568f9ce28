use crate::{Path, crypto::Secret, payload::TrafficSelector, suite::EspSuite};
use ids::Spi;
use std::fmt;

/// Keys of one ESP SA, one direction. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct EspKeys {
    /// Encryption key; for AES-GCM 4 octets of salt behind it (RFC 4106 §8.1).
    pub encr: Secret,
    /// Integrity key; empty for AES-GCM.
    pub integ: Secret,
}

impl fmt::Debug for EspKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EspKeys(..)")
    }
}

/// A pair of ESP SAs in tunnel mode (RFC 7296 §1.3, RFC 4301 §4.4.2.1), ready for use.
#[derive(Clone, Debug)]
pub struct ChildSa {
    /// The SPI that we receive on; names the pair. Its low octet is that of the
    /// [`IkeSaId`](crate::IkeSaId).
    pub spi_in: Spi,
    /// The SPI that we send with.
    pub spi_out: Spi,
    /// Algorithms, and whether sequence numbers have 64 bits.
    pub suite: EspSuite,
    /// Keys of what we receive.
    pub keys_in: EspKeys,
    /// Keys of what we send.
    pub keys_out: EspKeys,
    /// Our side: TSr for the responder of the exchange.
    pub ts_local: Vec<TrafficSelector>,
    /// The peer's side: TSi for the responder of the exchange.
    pub ts_remote: Vec<TrafficSelector>,
    /// Outer addresses. Where not `encapsulated`, the peer will send ESP outside UDP.
    pub path: Path,
    /// Inbound SPI of the pair that this one takes over from; its `RemoveChildSa` follows.
    pub replaces: Option<Spi>,
    /// We began the exchange, so the peer has its half already. When false and something is
    /// replaced, go on sending with the old pair until a packet comes in on this one, or the old
    /// one is removed (RFC 7296 §2.8).
    pub peer_is_ready: bool,
}
