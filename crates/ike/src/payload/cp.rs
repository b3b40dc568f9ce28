use super::{Malformed, PayloadType};
use crate::reader::Reader;

/// CFG Type (RFC 7296 §3.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConfigurationType(pub u8);

impl ConfigurationType {
    /// CFG_REQUEST.
    pub const REQUEST: Self = Self(1);
    /// CFG_REPLY.
    pub const REPLY: Self = Self(2);
    /// CFG_SET.
    pub const SET: Self = Self(3);
    /// CFG_ACK.
    pub const ACK: Self = Self(4);
}

/// Configuration attribute type (RFC 7296 §3.15.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttributeType(pub u16);

impl AttributeType {
    /// 4 octets.
    pub const INTERNAL_IP4_ADDRESS: Self = Self(1);
    /// 4 octets.
    pub const INTERNAL_IP4_NETMASK: Self = Self(2);
    /// 4 octets.
    pub const INTERNAL_IP4_DNS: Self = Self(3);
    /// Text: name and version of what the peer runs.
    pub const APPLICATION_VERSION: Self = Self(7);
    /// 16 octets and a prefix length.
    pub const INTERNAL_IP6_ADDRESS: Self = Self(8);
    /// 16 octets.
    pub const INTERNAL_IP6_DNS: Self = Self(10);
    /// 4 octets and a netmask: what lies behind us.
    pub const INTERNAL_IP4_SUBNET: Self = Self(13);
    /// 16 octets and a prefix length: what lies behind us.
    pub const INTERNAL_IP6_SUBNET: Self = Self(15);
    /// 4 octets (RFC 7651).
    pub const P_CSCF_IP4_ADDRESS: Self = Self(20);
    /// 16 octets (RFC 7651).
    pub const P_CSCF_IP6_ADDRESS: Self = Self(21);
    /// EXTERNAL_SOURCE_IP4_NAT_INFO: the unit's outer address as seen here (TS 29.139): 4 octets of
    /// address and 2 of port.
    pub const EXTERNAL_SOURCE_IP4_NAT_INFO: Self = Self(23);
}

/// One configuration attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// What it says.
    pub kind: AttributeType,
    /// Its value; empty in a request that leaves the choice to us.
    pub value: Vec<u8>,
}

/// Configuration payload (RFC 7296 §3.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Request, reply, set or acknowledgement.
    pub kind: ConfigurationType,
    /// In wire order.
    pub attributes: Vec<Attribute>,
}

/// Attributes in one payload: every kind that a unit can ask for, more than once.
const MAX_ATTRIBUTES: usize = 64;

impl Configuration {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let [kind, _, _, _] = reader.array()?;
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            let (attribute, length) = (reader.u16()? & 0x7fff, usize::from(reader.u16()?));
            let value = reader.bytes(length)?.to_vec();
            attributes.push(Attribute { kind: AttributeType(attribute), value });
            if attributes.len() > MAX_ATTRIBUTES {
                return Err(Malformed::Payload(PayloadType::CP));
            }
        }
        Ok(Self { kind: ConfigurationType(kind), attributes })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind.0, 0, 0, 0]);
        for attribute in &self.attributes {
            out.extend_from_slice(&attribute.kind.0.to_be_bytes());
            out.extend_from_slice(&u16::try_from(attribute.value.len()).unwrap_or(0).to_be_bytes());
            out.extend_from_slice(&attribute.value);
        }
    }
}
