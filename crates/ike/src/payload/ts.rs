use super::{Malformed, PayloadType, patch_length};
use crate::reader::Reader;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Traffic Selector (RFC 7296 §3.13.1): a range of addresses, of ports, and one protocol or any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrafficSelector {
    /// IP protocol; 0 is any.
    pub protocol: u8,
    /// First and last port; 0 and 65535 for any, 65535 and 0 for OPAQUE.
    pub ports: (u16, u16),
    /// First and last address, both of one family.
    pub addresses: (IpAddr, IpAddr),
}

impl TrafficSelector {
    /// All protocols and ports between two addresses of one family.
    pub const fn addresses(first: IpAddr, last: IpAddr) -> Self {
        Self { protocol: 0, ports: (0, u16::MAX), addresses: (first, last) }
    }

    /// All traffic of exactly one address.
    pub const fn host(address: IpAddr) -> Self {
        Self::addresses(address, address)
    }

    /// All IPv4 traffic.
    pub const ALL_V4: Self =
        Self::addresses(IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST));

    /// All IPv6 traffic.
    pub const ALL_V6: Self =
        Self::addresses(IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)));

    /// What lies in both; `None` when nothing does (narrowing, RFC 7296 §2.9).
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let protocol = match (self.protocol, other.protocol) {
            (0, any) | (any, 0) => any,
            (a, b) if a == b => a,
            _ => return None,
        };
        let first = self.addresses.0.max(other.addresses.0);
        let last = self.addresses.1.min(other.addresses.1);
        let ports = if self.ports == other.ports {
            self.ports
        } else {
            (self.ports.0.max(other.ports.0), self.ports.1.min(other.ports.1))
        };
        let opaque = ports == (u16::MAX, 0) && self.ports == other.ports;
        let same_family = self.addresses.0.is_ipv4() == other.addresses.0.is_ipv4();
        (same_family && first <= last && (opaque || ports.0 <= ports.1)).then_some(Self {
            protocol,
            ports,
            addresses: (first, last),
        })
    }
}

/// As many as a payload can count.
const MOST: usize = u8::MAX as usize;

/// Narrows what a peer offers to what is allowed: every non-empty intersection that lies in no other before it, in the
/// offer's order, as far as one payload holds them. A responder may narrow as it likes (RFC 7296 §2.9).
pub(crate) fn narrow(offered: &[TrafficSelector], allowed: &[TrafficSelector]) -> Vec<TrafficSelector> {
    let mut narrowed: Vec<TrafficSelector> = Vec::new();
    for selector in offered.iter().flat_map(|o| allowed.iter().filter_map(|a| o.intersect(a))) {
        if narrowed.len() == MOST {
            break;
        }
        if !narrowed.iter().any(|wider| wider.intersect(&selector) == Some(selector)) {
            narrowed.push(selector);
        }
    }
    narrowed
}

const IPV4_ADDR_RANGE: u8 = 7;
const IPV6_ADDR_RANGE: u8 = 8;

pub(super) fn parse(kind: PayloadType, body: &[u8]) -> Result<Vec<TrafficSelector>, Malformed> {
    let mut reader = Reader::new(body);
    let [count, _, _, _] = reader.array()?;
    let mut selectors = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        selectors.extend(parse_one(kind, &mut reader)?);
    }
    if reader.is_empty() && count > 0 { Ok(selectors) } else { Err(Malformed::Payload(kind)) }
}

/// One selector; `None` for a type we don't know, which then can't be agreed on.
fn parse_one(kind: PayloadType, reader: &mut Reader<'_>) -> Result<Option<TrafficSelector>, Malformed> {
    let (ts_type, protocol) = (reader.u8()?, reader.u8()?);
    let length = usize::from(reader.u16()?).checked_sub(4).ok_or(Malformed::Payload(kind))?;
    let mut reader = Reader::new(reader.bytes(length)?);
    let ports = match ts_type {
        IPV4_ADDR_RANGE | IPV6_ADDR_RANGE => (reader.u16()?, reader.u16()?),
        _ => return Ok(None),
    };
    let addresses: (IpAddr, IpAddr) = if ts_type == IPV4_ADDR_RANGE {
        (Ipv4Addr::from(reader.array::<4>()?).into(), Ipv4Addr::from(reader.array::<4>()?).into())
    } else {
        (Ipv6Addr::from(reader.array::<16>()?).into(), Ipv6Addr::from(reader.array::<16>()?).into())
    };
    if !reader.is_empty() || addresses.0 > addresses.1 || (ports.0 > ports.1 && ports != (u16::MAX, 0)) {
        return Err(Malformed::Payload(kind));
    }
    Ok(Some(TrafficSelector { protocol, ports, addresses }))
}

pub(super) fn write(selectors: &[TrafficSelector], out: &mut Vec<u8>) {
    out.extend_from_slice(&[u8::try_from(selectors.len()).unwrap_or(u8::MAX), 0, 0, 0]);
    for selector in selectors {
        let start = out.len();
        let v4 = selector.addresses.0.is_ipv4();
        out.extend_from_slice(&[if v4 { IPV4_ADDR_RANGE } else { IPV6_ADDR_RANGE }, selector.protocol, 0, 0]);
        out.extend_from_slice(&selector.ports.0.to_be_bytes());
        out.extend_from_slice(&selector.ports.1.to_be_bytes());
        for address in [selector.addresses.0, selector.addresses.1] {
            match address {
                IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
                IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
            }
        }
        patch_length(out, start);
    }
}

#[cfg(test)]
mod narrowing {
    use super::*;

    fn networks(count: u8) -> Vec<TrafficSelector> {
        let network = |n| TrafficSelector::addresses([10, n, 0, 0].into(), [10, n, 0, 255].into());
        (0..count).map(network).collect()
    }

    /// A class has up to 64 destinations, and a peer names up to 255 selectors that all cover each of them.
    #[test]
    fn narrowing_makes_no_more_selectors_than_a_payload_holds() {
        let offered: Vec<_> = (0..255_u16)
            .map(|port| TrafficSelector { ports: (port, u16::MAX), ..TrafficSelector::ALL_V4 })
            .collect();
        let narrowed = narrow(&offered, &networks(64));
        let mut body = Vec::new();
        write(&narrowed, &mut body);
        assert!(parse(PayloadType::TS_R, &body).as_ref() == Ok(&narrowed), "{} selectors", narrowed.len());
    }

    /// No attack at all: a peer that splits its offer by five protocols, and a class of 64 destinations.
    #[test]
    fn an_honest_offer_of_five_protocols_is_answered_with_a_payload_that_reads_back() {
        let offered =
            [1, 6, 17, 50, 132].map(|protocol| TrafficSelector { protocol, ..TrafficSelector::ALL_V4 });
        let narrowed = narrow(&offered, &networks(64));
        let mut body = Vec::new();
        write(&narrowed, &mut body);
        assert!(parse(PayloadType::TS_R, &body).as_ref() == Ok(&narrowed), "{} selectors", narrowed.len());
    }
}
