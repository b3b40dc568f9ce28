//! Keys handed out for a protocol analyser. Only builds with the feature `key-log` have this.

use crate::suite::CipherSuite;
use ids::IkeSpi;

/// The keys that protect the messages of one IKE SA (RFC 7296 §2.14).
#[derive(Clone, Copy)]
pub struct IkeSaKeys<'a> {
    /// SPI of the side that began it.
    pub spi_i: IkeSpi,
    /// SPI of the other side.
    pub spi_r: IkeSpi,
    /// What they are keys of.
    pub cipher: CipherSuite,
    /// SK_ei and SK_ai.
    pub from_initiator: DirectionKeys<'a>,
    /// SK_er and SK_ar.
    pub from_responder: DirectionKeys<'a>,
}

/// The keys of one direction.
#[derive(Clone, Copy)]
pub struct DirectionKeys<'a> {
    /// Of encryption; with the salt behind it for AES-GCM (RFC 5282 §7.1).
    pub encr: &'a [u8],
    /// Of integrity; empty for AES-GCM.
    pub integ: &'a [u8],
}
