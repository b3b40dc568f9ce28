//! The payloads of IKEv2, one file each (RFC 7296 §3.2 and following): bytes in, typed values out.
//!
//! Wire codes are open newtypes with named constants, so unknown values survive into events.

mod auth;
mod cert;
mod cp;
mod delete;
mod id;
mod ke;
mod notify;
mod sa;
mod ts;

pub use auth::{AuthMethod, Authentication};
pub use cert::{CertEncoding, Certificate, CertificateRequest};
pub use cp::{Attribute, AttributeType, Configuration, ConfigurationType};
pub use delete::Delete;
pub use id::{IdType, Identification};
pub use ke::{KeyExchange, KeyExchangeMethod};
pub use notify::{Notify, NotifyType};
pub use sa::{Encr, Integ, Prf, Proposal, ProtocolId, SequenceNumbers, Transform, TransformType};
pub use ts::TrafficSelector;
pub(crate) use ts::narrow;

use crate::reader::Reader;

/// Next Payload value (RFC 7296 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PayloadType(pub u8);

impl PayloadType {
    /// Ends a chain.
    pub const NONE: Self = Self(0);
    /// Security Association (§3.3).
    pub const SA: Self = Self(33);
    /// Key Exchange (§3.4).
    pub const KE: Self = Self(34);
    /// Identification, initiator (§3.5).
    pub const ID_I: Self = Self(35);
    /// Identification, responder (§3.5).
    pub const ID_R: Self = Self(36);
    /// Certificate (§3.6).
    pub const CERT: Self = Self(37);
    /// Certificate Request (§3.7).
    pub const CERTREQ: Self = Self(38);
    /// Authentication (§3.8).
    pub const AUTH: Self = Self(39);
    /// Nonce (§3.9).
    pub const NONCE: Self = Self(40);
    /// Notify (§3.10).
    pub const NOTIFY: Self = Self(41);
    /// Delete (§3.11).
    pub const DELETE: Self = Self(42);
    /// Vendor ID (§3.12).
    pub const VENDOR_ID: Self = Self(43);
    /// Traffic Selector, initiator (§3.13).
    pub const TS_I: Self = Self(44);
    /// Traffic Selector, responder (§3.13).
    pub const TS_R: Self = Self(45);
    /// Encrypted and Authenticated (§3.14).
    pub const SK: Self = Self(46);
    /// Configuration (§3.15).
    pub const CP: Self = Self(47);
    /// Extensible Authentication (§3.16): known, and refused.
    pub const EAP: Self = Self(48);
    /// Encrypted and Authenticated Fragment (RFC 7383 §2.5).
    pub const SKF: Self = Self(53);
}

/// Why bytes are no IKEv2 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A field reaches past the end of what holds it.
    #[error("a field reaches past its end")]
    Truncated,
    /// The header's length is not the datagram's, or the initiator's SPI is zero.
    #[error("the header does not fit the datagram")]
    Header,
    /// A major version other than 2 (RFC 7296 §2.5).
    #[error("major version {0}")]
    MajorVersion(u8),
    /// The body of a payload of this type breaks its own rules.
    #[error("payload {0:?} breaks its format")]
    Payload(PayloadType),
    /// An unknown payload with the critical bit: UNSUPPORTED_CRITICAL_PAYLOAD (RFC 7296 §2.5).
    #[error("critical payload {0:?} is unknown")]
    UnknownCritical(PayloadType),
    /// More payloads than any exchange needs.
    #[error("more than {MAX_PAYLOADS} payloads")]
    TooMany,
}

/// Payloads read from one message at most: 8 certificates, 16 CERTREQ, and room for notifies.
pub const MAX_PAYLOADS: usize = 96;

/// One payload of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// SA.
    Sa(Vec<Proposal>),
    /// KE.
    Ke(KeyExchange),
    /// IDi.
    IdI(Identification),
    /// IDr.
    IdR(Identification),
    /// CERT.
    Cert(Certificate),
    /// CERTREQ.
    CertReq(CertificateRequest),
    /// AUTH.
    Auth(Authentication),
    /// Nonce, 16 to 256 octets.
    Nonce(Vec<u8>),
    /// N.
    Notify(Notify),
    /// D.
    Delete(Delete),
    /// V, any octets.
    VendorId(Vec<u8>),
    /// TSi.
    TsI(Vec<TrafficSelector>),
    /// TSr.
    TsR(Vec<TrafficSelector>),
    /// CP.
    Cp(Configuration),
    /// EAP: never spoken; its presence is the fact.
    Eap,
}

impl Payload {
    /// Its Next Payload value.
    pub fn kind(&self) -> PayloadType {
        match self {
            Self::Sa(_) => PayloadType::SA,
            Self::Ke(_) => PayloadType::KE,
            Self::IdI(_) => PayloadType::ID_I,
            Self::IdR(_) => PayloadType::ID_R,
            Self::Cert(_) => PayloadType::CERT,
            Self::CertReq(_) => PayloadType::CERTREQ,
            Self::Auth(_) => PayloadType::AUTH,
            Self::Nonce(_) => PayloadType::NONCE,
            Self::Notify(_) => PayloadType::NOTIFY,
            Self::Delete(_) => PayloadType::DELETE,
            Self::VendorId(_) => PayloadType::VENDOR_ID,
            Self::TsI(_) => PayloadType::TS_I,
            Self::TsR(_) => PayloadType::TS_R,
            Self::Cp(_) => PayloadType::CP,
            Self::Eap => PayloadType::EAP,
        }
    }

    /// A notification without SPI.
    pub fn notify(kind: NotifyType, data: &[u8]) -> Self {
        Self::Notify(Notify::new(kind, data))
    }

    fn parse(kind: PayloadType, critical: bool, body: &[u8]) -> Result<Option<Self>, Malformed> {
        Ok(Some(match kind {
            PayloadType::SA => Self::Sa(sa::parse(body)?),
            PayloadType::KE => Self::Ke(KeyExchange::parse(body)?),
            PayloadType::ID_I => Self::IdI(Identification::parse(body)?),
            PayloadType::ID_R => Self::IdR(Identification::parse(body)?),
            PayloadType::CERT => Self::Cert(Certificate::parse(body)?),
            PayloadType::CERTREQ => Self::CertReq(CertificateRequest::parse(body)?),
            PayloadType::AUTH => Self::Auth(Authentication::parse(body)?),
            PayloadType::NONCE if !(16..=256).contains(&body.len()) => return Err(Malformed::Payload(kind)),
            PayloadType::NONCE => Self::Nonce(body.to_vec()),
            PayloadType::NOTIFY => Self::Notify(Notify::parse(body)?),
            PayloadType::DELETE => Self::Delete(Delete::parse(body)?),
            PayloadType::VENDOR_ID => Self::VendorId(body.to_vec()),
            PayloadType::TS_I => Self::TsI(ts::parse(kind, body)?),
            PayloadType::TS_R => Self::TsR(ts::parse(kind, body)?),
            PayloadType::CP => Self::Cp(Configuration::parse(body)?),
            PayloadType::EAP => Self::Eap,
            _ if critical => return Err(Malformed::UnknownCritical(kind)),
            _ => return Ok(None),
        }))
    }

    fn write_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sa(proposals) => sa::write(proposals, out),
            Self::Ke(ke) => ke.write(out),
            Self::IdI(id) | Self::IdR(id) => id.write(out),
            Self::Cert(cert) => cert.write(out),
            Self::CertReq(request) => request.write(out),
            Self::Auth(auth) => auth.write(out),
            Self::Nonce(octets) | Self::VendorId(octets) => out.extend_from_slice(octets),
            Self::Notify(notify) => notify.write(out),
            Self::Delete(delete) => delete.write(out),
            Self::TsI(selectors) | Self::TsR(selectors) => ts::write(selectors, out),
            Self::Cp(configuration) => configuration.write(out),
            Self::Eap => {}
        }
    }
}

/// Reads a chain of payloads whose first is of type `first`. Unknown payloads without the critical
/// bit are skipped (RFC 7296 §2.5).
///
/// # Errors
/// [`Malformed`]; octets behind the last payload are [`Malformed::Truncated`] too.
pub fn parse_chain(first: PayloadType, bytes: &[u8]) -> Result<Vec<Payload>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut payloads = Vec::new();
    let mut seen = 0;
    let mut kind = first;
    while kind != PayloadType::NONE {
        let generic = GenericHeader::parse(&mut reader)?;
        seen += 1;
        if seen > MAX_PAYLOADS {
            return Err(Malformed::TooMany);
        }
        let body = reader.bytes(generic.body_len)?;
        payloads.extend(Payload::parse(kind, generic.critical, body)?);
        kind = generic.next;
    }
    if reader.is_empty() { Ok(payloads) } else { Err(Malformed::Truncated) }
}

/// Writes a chain; returns the type of its first payload for the header before it.
pub fn write_chain(payloads: &[Payload], out: &mut Vec<u8>) -> PayloadType {
    let next_of = |index: usize| payloads.get(index).map_or(PayloadType::NONE, Payload::kind);
    for (index, payload) in payloads.iter().enumerate() {
        let start = out.len();
        out.extend_from_slice(&[next_of(index + 1).0, 0, 0, 0]);
        payload.write_body(out);
        patch_length(out, start);
    }
    next_of(0)
}

/// Generic payload header (RFC 7296 §3.2).
pub(crate) struct GenericHeader {
    pub(crate) next: PayloadType,
    pub(crate) critical: bool,
    pub(crate) body_len: usize,
}

impl GenericHeader {
    pub(crate) const LEN: usize = 4;

    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (next, flags) = (PayloadType(reader.u8()?), reader.u8()?);
        let body_len = usize::from(reader.u16()?).checked_sub(Self::LEN).ok_or(Malformed::Truncated)?;
        Ok(Self { next, critical: flags & 0x80 != 0, body_len })
    }
}

/// Sets the 16-bit length at `start + 2` to the octets written since `start`. What we write is
/// bounded far below 64 KiB by configuration; longer would be cut off by the peer's parser.
pub(crate) fn patch_length(out: &mut [u8], start: usize) {
    let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    if let Some(field) = out.get_mut(start + 2..start + 4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
