use crate::{
    payload::{Malformed, PayloadType},
    reader::Reader,
};
use ids::IkeSpi;

/// Octets of an IKE header.
pub const HEADER_LEN: usize = 28;

/// Exchange Type of a message (RFC 7296 §3.1). An open set: unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExchangeType(pub u8);

impl ExchangeType {
    /// RFC 7296 §1.2.
    pub const IKE_SA_INIT: Self = Self(34);
    /// RFC 7296 §1.2.
    pub const IKE_AUTH: Self = Self(35);
    /// RFC 7296 §1.3.
    pub const CREATE_CHILD_SA: Self = Self(36);
    /// RFC 7296 §1.4.
    pub const INFORMATIONAL: Self = Self(37);
}

/// The IKE header (RFC 7296 §3.1); the version is always 2.0 and the length is that of the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// SPI of the side that began the IKE SA; never zero.
    pub spi_i: IkeSpi,
    /// SPI of the other side; zero in the first IKE_SA_INIT request.
    pub spi_r: IkeSpi,
    /// Type of the first payload.
    pub first_payload: PayloadType,
    /// What the message is part of.
    pub exchange: ExchangeType,
    /// I flag: sent by the side that began the IKE SA.
    pub from_initiator: bool,
    /// R flag: answers the request with the same Message ID.
    pub is_response: bool,
    /// Pairs a response with its request, and orders requests.
    pub message_id: u32,
}

impl Header {
    const INITIATOR: u8 = 0x08;
    const RESPONSE: u8 = 0x20;
    const VERSION: u8 = 0x20;

    /// Reads the header of a whole datagram.
    ///
    /// # Errors
    /// [`Malformed::MajorVersion`] when the major version is above 2: the peer is told
    /// INVALID_MAJOR_VERSION (RFC 7296 §2.5). Anything else is dropped in silence.
    pub fn parse(datagram: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(datagram);
        let (spi_i, spi_r) = (IkeSpi(reader.u64()?), IkeSpi(reader.u64()?));
        let (first_payload, version) = (PayloadType(reader.u8()?), reader.u8()?);
        let (exchange, flags) = (ExchangeType(reader.u8()?), reader.u8()?);
        let (message_id, length) = (reader.u32()?, reader.u32()?);
        if version >> 4 != 2 {
            return Err(Malformed::MajorVersion(version >> 4));
        }
        if usize::try_from(length) != Ok(datagram.len()) || spi_i == IkeSpi(0) {
            return Err(Malformed::Header);
        }
        Ok(Self {
            spi_i,
            spi_r,
            first_payload,
            exchange,
            from_initiator: flags & Self::INITIATOR != 0,
            is_response: flags & Self::RESPONSE != 0,
            message_id,
        })
    }

    /// Writes the header of a datagram that will be `length` octets long, header included.
    pub fn write(&self, length: u32, out: &mut Vec<u8>) {
        let flags = if self.from_initiator { Self::INITIATOR } else { 0 }
            | if self.is_response { Self::RESPONSE } else { 0 };
        out.extend_from_slice(&self.spi_i.0.to_be_bytes());
        out.extend_from_slice(&self.spi_r.0.to_be_bytes());
        out.extend_from_slice(&[self.first_payload.0, Self::VERSION, self.exchange.0, flags]);
        out.extend_from_slice(&self.message_id.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
    }
}
