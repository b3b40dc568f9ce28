use super::Malformed;
use crate::reader::Reader;

/// ID Type (RFC 7296 §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdType(pub u8);

impl IdType {
    /// An IPv4 address, 4 octets.
    pub const IPV4_ADDR: Self = Self(1);
    /// A domain name, ASCII, no terminator.
    pub const FQDN: Self = Self(2);
    /// A mail address.
    pub const RFC822_ADDR: Self = Self(3);
    /// An IPv6 address, 16 octets.
    pub const IPV6_ADDR: Self = Self(5);
    /// A distinguished name in DER.
    pub const DER_ASN1_DN: Self = Self(9);
    /// Opaque octets.
    pub const KEY_ID: Self = Self(11);
}

/// Identification payload, IDi or IDr (RFC 7296 §3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identification {
    /// How to read `data`.
    pub id_type: IdType,
    /// The identity.
    pub data: Vec<u8>,
}

impl Identification {
    /// An ID_FQDN.
    pub fn fqdn(name: &str) -> Self {
        Self { id_type: IdType::FQDN, data: name.as_bytes().to_vec() }
    }

    /// The name, when this is an ID_FQDN of ASCII characters.
    pub fn as_fqdn(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.data).ok().filter(|text| text.is_ascii())?;
        (self.id_type == IdType::FQDN).then_some(text)
    }

    /// The payload body as it is signed: type, three reserved octets, data (RFC 7296 §2.15).
    pub fn signed_octets(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + self.data.len());
        self.write(&mut out);
        out
    }

    pub(super) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let [id_type, _, _, _] = reader.array()?;
        Ok(Self { id_type: IdType(id_type), data: reader.rest().to_vec() })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.id_type.0, 0, 0, 0]);
        out.extend_from_slice(&self.data);
    }
}
