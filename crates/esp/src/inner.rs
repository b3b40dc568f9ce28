use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What traffic selectors ask of an inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Protocol behind the IP headers.
    pub protocol: u8,
    /// Source and destination port; ICMP's type and code as both. `None` where the packet shows none.
    pub ports: Option<(u16, u16)>,
    /// Octets of the packet as its header says; what follows is TFC padding.
    pub length: usize,
}

/// No IPv4 or IPv6 packet, or shorter than its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no whole IP packet")]
pub struct NotIp;

mod protocol {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ICMP: u8 = 1;
    pub(super) const TCP: u8 = 6;
    pub(super) const UDP: u8 = 17;
    pub(super) const DCCP: u8 = 33;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const ICMPV6: u8 = 58;
    pub(super) const DESTINATION: u8 = 60;
    pub(super) const SCTP: u8 = 132;
    pub(super) const UDP_LITE: u8 = 136;
}

/// More IPv6 extension headers than any honest packet has; the next one counts as the protocol.
const MAX_EXTENSIONS: usize = 8;

impl Inner {
    /// Reads the headers of an IPv4 or IPv6 packet. Octets behind its length are allowed.
    ///
    /// # Errors
    /// [`NotIp`], see there.
    pub fn parse(packet: &[u8]) -> Result<Self, NotIp> {
        match packet.first().ok_or(NotIp)? >> 4 {
            4 => Self::parse_v4(packet),
            6 => Self::parse_v6(packet),
            _ => Err(NotIp),
        }
    }

    fn parse_v4(packet: &[u8]) -> Result<Self, NotIp> {
        let header: &[u8; 20] = packet.first_chunk().ok_or(NotIp)?;
        let (header_length, length) = (usize::from(header[0] & 15) * 4, u16_at(header, 2)?);
        if header_length < 20 || length < header_length || packet.len() < length {
            return Err(NotIp);
        }
        let is_first_fragment = u16_at(header, 6)? & 0x1fff == 0;
        let payload = packet.get(header_length..length).filter(|_| is_first_fragment);
        Ok(Self {
            source: Ipv4Addr::from(array_at(header, 12)?).into(),
            destination: Ipv4Addr::from(array_at(header, 16)?).into(),
            protocol: header[9],
            ports: payload.and_then(|payload| ports(header[9], payload)),
            length,
        })
    }

    fn parse_v6(packet: &[u8]) -> Result<Self, NotIp> {
        let header: &[u8; 40] = packet.first_chunk().ok_or(NotIp)?;
        let length = 40 + u16_at(header, 4)?;
        let (protocol, payload) = skip_extensions(header[6], packet.get(40..length).ok_or(NotIp)?);
        Ok(Self {
            source: Ipv6Addr::from(array_at::<16>(header, 8)?).into(),
            destination: Ipv6Addr::from(array_at::<16>(header, 24)?).into(),
            protocol,
            ports: payload.and_then(|payload| ports(protocol, payload)),
            length,
        })
    }
}

/// The protocol behind the extension headers and its octets; `None` for the latter in a later
/// fragment and behind headers cut short.
fn skip_extensions(first: u8, mut rest: &[u8]) -> (u8, Option<&[u8]>) {
    let mut next = first;
    for _ in 0..MAX_EXTENSIONS {
        let length = match next {
            protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION => {
                rest.get(1).map(|octets| (usize::from(*octets) + 1) * 8)
            }
            protocol::FRAGMENT => Some(8),
            _ => return (next, Some(rest)),
        };
        let Some((header, behind)) = length.and_then(|length| rest.split_at_checked(length)) else {
            return (next, None);
        };
        let is_later_fragment =
            next == protocol::FRAGMENT && u16_at(header, 2).is_ok_and(|word| word & !7 != 0);
        next = header.first().copied().unwrap_or(next);
        if is_later_fragment {
            return (next, None);
        }
        rest = behind;
    }
    (next, None)
}

fn ports(protocol: u8, payload: &[u8]) -> Option<(u16, u16)> {
    let two: &[u8; 2] = payload.first_chunk()?;
    match protocol {
        protocol::TCP | protocol::UDP | protocol::DCCP | protocol::SCTP | protocol::UDP_LITE => {
            let [a, b, c, d] = *payload.first_chunk()?;
            Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
        }
        protocol::ICMP | protocol::ICMPV6 => {
            let type_and_code = u16::from_be_bytes(*two);
            Some((type_and_code, type_and_code))
        }
        _ => None,
    }
}

fn array_at<const N: usize>(octets: &[u8], at: usize) -> Result<[u8; N], NotIp> {
    octets.get(at..).and_then(<[u8]>::first_chunk).copied().ok_or(NotIp)
}

fn u16_at(octets: &[u8], at: usize) -> Result<usize, NotIp> {
    array_at(octets, at).map(|two| usize::from(u16::from_be_bytes(two)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v4(protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0];
        packet.extend((20 + payload.len() as u16).to_be_bytes());
        packet.extend([0, 1]);
        packet.extend(fragment.to_be_bytes());
        packet.extend([64, protocol, 0, 0, 10, 9, 0, 1, 10, 0, 0, 9]);
        packet.extend(payload);
        packet
    }

    fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((payload.len() as u16).to_be_bytes());
        packet.extend([next, 64]);
        packet.extend([0xfd; 16]);
        packet.extend([0xfe; 16]);
        packet.extend(payload);
        packet
    }

    #[test]
    fn ports_of_the_first_fragment_only() {
        let udp = [0x13, 0x88, 0, 53, 0, 8, 0, 0];
        let more_fragments = 0x2000;
        assert_eq!(Inner::parse(&v4(17, more_fragments, &udp)).unwrap().ports, Some((5000, 53)));
        assert_eq!(Inner::parse(&v4(17, 185, &udp)).unwrap().ports, None);
        let first = [&[17, 0, 0, 1, 0, 0, 0, 7], &udp[..]].concat();
        let later = [&[17, 0, 0, 9, 0, 0, 0, 7], &udp[..]].concat();
        assert_eq!(Inner::parse(&v6(44, &first)).unwrap().ports, Some((5000, 53)));
        let later = Inner::parse(&v6(44, &later)).unwrap();
        assert_eq!((later.protocol, later.ports), (17, None));
    }

    #[test]
    fn extension_headers_are_passed_over() {
        let payload = [&[60, 0, 1, 4, 0, 0, 0, 0], &[58, 0, 1, 4, 0, 0, 0, 0], &[128, 0, 1, 1][..]].concat();
        let inner = Inner::parse(&v6(0, &payload)).unwrap();
        assert_eq!((inner.protocol, inner.ports, inner.length), (58, Some((0x8000, 0x8000)), 60));
        assert_eq!(inner.source, Ipv6Addr::from([0xfd; 16]));
    }

    #[test]
    fn a_length_beyond_the_octets_there_are_is_no_packet() {
        let packet = v4(17, 0, &[0; 8]);
        assert!(Inner::parse(&packet[..27]).is_err());
        assert!(Inner::parse(&[0x45; 3]).is_err());
        assert_eq!(Inner::parse(&[&packet[..], &[0; 50]].concat()).unwrap().length, 28);
        assert!(Inner::parse(&v6(17, &[0; 8])[..47]).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(packet in prop::collection::vec(any::<u8>(), 0..120), version in 4_u8..7) {
            let mut packet = packet;
            if let Some(first) = packet.first_mut() { *first = version << 4 | *first & 15; }
            if let Ok(inner) = Inner::parse(&packet) {
                prop_assert!(inner.length <= packet.len());
            }
        }
    }
}
