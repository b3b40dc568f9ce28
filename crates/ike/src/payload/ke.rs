use super::{Malformed, PayloadType};
use crate::reader::Reader;

/// Key Exchange Method, once Diffie-Hellman Group (RFC 7296 §3.3.2, RFC 9370 §2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyExchangeMethod(pub u16);

impl KeyExchangeMethod {
    /// Group 14, 2048-bit MODP (RFC 3526 §3).
    pub const MODP_2048: Self = Self(14);
    /// Group 19, P-256 (RFC 5903 §3.1).
    pub const ECP_256: Self = Self(19);
    /// Group 20, P-384 (RFC 5903 §3.2).
    pub const ECP_384: Self = Self(20);
    /// Group 31, X25519 (RFC 8031).
    pub const CURVE25519: Self = Self(31);

    /// Octets of a public value in every method that is spoken (RFC 7296 §3.4, RFC 5903 §7, RFC 8031 §3.1).
    pub fn public_value_len(self) -> Option<usize> {
        match self {
            Self::MODP_2048 => Some(256),
            Self::ECP_256 => Some(64),
            Self::ECP_384 => Some(96),
            Self::CURVE25519 => Some(32),
            _ => None,
        }
    }
}

/// Key Exchange payload (RFC 7296 §3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyExchange {
    /// Which method `data` belongs to.
    pub method: KeyExchangeMethod,
    /// The public value as it goes on the wire.
    pub data: Vec<u8>,
}

impl KeyExchange {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let method = KeyExchangeMethod(reader.u16()?);
        reader.u16()?;
        match reader.rest() {
            [] => Err(Malformed::Payload(PayloadType::KE)),
            data => Ok(Self { method, data: data.to_vec() }),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.method.0.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.data);
    }
}
