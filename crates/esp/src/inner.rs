use crate::{
    Barred,
    protocol::{self, DESTINATION, FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, ROUTING},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What selectors and rules ask of an inner packet.
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
    /// A fragment but the first: the ports stood there.
    pub is_later_fragment: bool,
    /// Where the protocol's own header begins; `None` in a later fragment, and where the headers do not lead there.
    pub upper: Option<usize>,
    /// Octets of the packet as its header says; what follows is TFC padding.
    pub length: usize,
    /// What in its headers no rule lets through.
    pub(crate) barred: Option<Barred>,
}

/// Where a packet goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Address.
    pub address: IpAddr,
    /// Protocol behind the IP headers.
    pub protocol: u8,
    /// Port; `None` where the protocol has none, or a later fragment does not show it.
    pub port: Option<u16>,
}

impl Destination {
    /// The protocol as [`Rule`](crate::Rule) writes it: by name, or its number.
    pub fn protocol_word(&self) -> String {
        protocol::name(self.protocol).map_or_else(|| self.protocol.to_string(), str::to_owned)
    }
}

/// No IPv4 or IPv6 packet, or shorter than its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no whole IP packet")]
pub struct NotIp;

/// More IPv6 extension headers than any honest packet has.
const MAX_EXTENSIONS: usize = 8;

impl Inner {
    /// Where it goes to, as [`Rule`](crate::Rule) writes one destination: an address, a protocol by name or number, and a
    /// port where the packet shows one.
    pub fn goes_to(&self) -> Destination {
        let port = self.ports.filter(|_| protocol::has_ports(self.protocol)).map(|(_, port)| port);
        Destination { address: self.destination, protocol: self.protocol, port }
    }

    /// Reads the headers of an IPv4 or IPv6 packet. Octets behind its length are allowed.
    ///
    /// # Errors
    /// [`NotIp`], see there.
    pub fn parse(packet: &[u8]) -> Result<Self, NotIp> {
        let inner = Self::parse_start(packet)?;
        if inner.length <= packet.len() { Ok(inner) } else { Err(NotIp) }
    }

    /// The same of a packet that may be cut off behind its headers.
    fn parse_start(packet: &[u8]) -> Result<Self, NotIp> {
        match packet.first().ok_or(NotIp)? >> 4 {
            4 => Self::parse_v4(packet),
            6 => Self::parse_v6(packet),
            _ => Err(NotIp),
        }
    }

    fn parse_v4(packet: &[u8]) -> Result<Self, NotIp> {
        let header: &[u8; 20] = packet.first_chunk().ok_or(NotIp)?;
        let (header_length, length) = (usize::from(header[0] & 15) * 4, u16_at(header, 2)?);
        if header_length < 20 || length < header_length {
            return Err(NotIp);
        }
        let options = packet.get(20..header_length).ok_or(NotIp)?;
        let upper = packet.get(header_length..length.min(packet.len())).ok_or(NotIp)?;
        let word = u16_at(header, 6)?;
        let fragment = Part { offset: (word & 0x1fff) * 8, more: word & 0x2000 != 0 };
        Ok(Self {
            source: Ipv4Addr::from(array_at(header, 12)?).into(),
            destination: Ipv4Addr::from(array_at(header, 16)?).into(),
            protocol: header[9],
            ports: ports(header[9], upper).filter(|_| fragment.offset == 0),
            is_later_fragment: fragment.offset > 0,
            upper: (fragment.offset == 0).then_some(header_length),
            length,
            barred: barred_option(options).or_else(|| fragment.barred(length - header_length)),
        })
    }

    fn parse_v6(packet: &[u8]) -> Result<Self, NotIp> {
        let header: &[u8; 40] = packet.first_chunk().ok_or(NotIp)?;
        let length = 40 + u16_at(header, 4)?;
        let behind = packet.get(40..length.min(packet.len())).ok_or(NotIp)?;
        let chain = Chain::follow(header[6], behind);
        Ok(Self {
            source: Ipv6Addr::from(array_at::<16>(header, 8)?).into(),
            destination: Ipv6Addr::from(array_at::<16>(header, 24)?).into(),
            protocol: chain.protocol,
            ports: chain.upper.and_then(|upper| ports(chain.protocol, upper)),
            is_later_fragment: chain.is_later_fragment,
            upper: chain.upper.map(|upper| 40 + behind.len() - upper.len()),
            length,
            barred: chain.barred,
        })
    }

    /// Whether the headers are such that address, protocol and port say where the packet goes.
    ///
    /// # Errors
    /// [`Barred`], never [`Barred::OutOfReach`].
    pub fn check_headers(&self) -> Result<(), Barred> {
        self.barred.map_or(Ok(()), Err)
    }

    /// What it carries has addresses of its own (IP in IP, GRE, ...), or can't be looked into (ESP).
    pub fn is_encapsulated(&self) -> bool {
        protocol::encapsulates(self.protocol)
    }

    /// What an ICMP error is about (RFC 792, RFC 4443 §2.4): the start of that packet. `packet` is where
    /// this one was read.
    pub(crate) fn about(&self, packet: &[u8]) -> Option<Self> {
        const V4_ERRORS: [u16; 3] = [3, 11, 12];
        const V6_ERRORS: std::ops::RangeInclusive<u16> = 1..=4;
        let kind = self.ports?.0 >> 8;
        let first = *packet.first()?;
        let start = match self.protocol {
            ICMP if first >> 4 == 4 && V4_ERRORS.contains(&kind) => usize::from(first & 15) * 4 + 8,
            ICMPV6 if packet.get(6) == Some(&ICMPV6) && V6_ERRORS.contains(&kind) => 48,
            _ => return None,
        };
        Self::parse_start(packet.get(start..self.length)?).ok()
    }
}

/// Where a fragment stands in its packet, octets.
#[derive(Clone, Copy)]
struct Part {
    offset: usize,
    more: bool,
}

/// What a first fragment holds at least: every link carries 68 octets (RFC 791), and TCP's flags are
/// among the first 16 (RFC 3128). A later one that begins before lies over it.
const FIRST: usize = 16;
/// What an IPv4 packet can hold.
const MAX_PAYLOAD: usize = 65_535 - 20;

impl Part {
    /// `length`: octets of the fragment behind its headers.
    fn barred(self, length: usize) -> Option<Barred> {
        let Self { offset, more } = self;
        if offset == 0 && !more {
            return None;
        }
        let is_short = offset == 0 && more && length < FIRST;
        let overlaps = (1..FIRST).contains(&offset);
        let is_uneven = more && !length.is_multiple_of(8);
        let overflows = offset + length > MAX_PAYLOAD;
        (is_short || overlaps || is_uneven || overflows).then_some(Barred::Fragment)
    }
}

/// What stands behind an IPv6 header.
struct Chain<'a> {
    protocol: u8,
    /// The protocol's octets; `None` in a later fragment, and where the headers don't lead there.
    upper: Option<&'a [u8]>,
    is_later_fragment: bool,
    barred: Option<Barred>,
}

impl<'a> Chain<'a> {
    /// `first`: number of the first header in `rest`.
    fn follow(first: u8, mut rest: &'a [u8]) -> Self {
        let (mut next, mut barred) = (first, None);
        for index in 0..=MAX_EXTENSIONS {
            let is_extension = matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION);
            if !is_extension {
                return Self { protocol: next, upper: Some(rest), is_later_fragment: false, barred };
            }
            if index == MAX_EXTENSIONS || (next == HOP_BY_HOP && index > 0) {
                break;
            }
            let units = if next == FRAGMENT { Some(0) } else { rest.get(1).copied().map(usize::from) };
            let Some((header, behind)) = units.and_then(|units| rest.split_at_checked((units + 1) * 8))
            else {
                break;
            };
            let (Some(inside), Some(body)) = (header.first(), header.get(2..)) else { break };
            match next {
                FRAGMENT => return Self::behind_fragment(*inside, body, behind, barred),
                ROUTING => barred = barred.or(Some(Barred::SourceRoute)),
                _ => barred = barred.or_else(|| barred_v6_option(body)),
            }
            (next, rest) = (*inside, behind);
        }
        let barred = barred.or(Some(Barred::HeaderChain));
        Self { protocol: next, upper: None, is_later_fragment: false, barred }
    }

    /// An extension header behind a fragment's would let a later fragment lie over the ports: only the
    /// protocol itself may stand there (RFC 7112 has the whole chain in the first fragment).
    fn behind_fragment(next: u8, header: &[u8], rest: &'a [u8], barred: Option<Barred>) -> Self {
        let word = u16_at(header, 0).unwrap_or(0);
        let part = Part { offset: word & !7, more: word & 1 != 0 };
        let hides = matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION).then_some(Barred::Fragment);
        let is_later_fragment = part.offset > 0;
        Self {
            protocol: next,
            upper: (!is_later_fragment && hides.is_none()).then_some(rest),
            is_later_fragment,
            barred: barred.or(hides).or_else(|| part.barred(rest.len())),
        }
    }
}

/// IPv4 options (RFC 791): padding alone passes. Nothing that a femtocell has to say to its core needs
/// one; Router Alert is to be kept out of a network at its edge (RFC 6398), and unknown ones are there to
/// be answered by hosts less careful than we are.
fn barred_option(options: &[u8]) -> Option<Barred> {
    const PADDING: [u8; 2] = [0, 1];
    const SOURCE_ROUTES: [u8; 2] = [131, 137];
    let option = options.iter().find(|octet| !PADDING.contains(octet))?;
    Some(if SOURCE_ROUTES.contains(option) { Barred::SourceRoute } else { Barred::Options })
}

/// Options of an IPv6 hop-by-hop or destination options header (RFC 8200 §4.2): padding alone passes, so
/// no jumbogram, no Router Alert, no home address that would stand for the source.
fn barred_v6_option(mut options: &[u8]) -> Option<Barred> {
    const PAD_1: u8 = 0;
    const PAD_N: u8 = 1;
    while let Some(kind) = options.first() {
        options = match (*kind, options.get(1)) {
            (PAD_1, _) => options.get(1..)?,
            (PAD_N, Some(length)) => match options.get(2 + usize::from(*length)..) {
                Some(rest) => rest,
                None => return Some(Barred::Options),
            },
            (_, _) => return Some(Barred::Options),
        };
    }
    None
}

fn ports(protocol: u8, payload: &[u8]) -> Option<(u16, u16)> {
    if protocol::has_ports(protocol) {
        let [a, b, c, d] = *payload.first_chunk()?;
        return Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])));
    }
    let is_icmp = matches!(protocol, ICMP | ICMPV6);
    let type_and_code = u16::from_be_bytes(*payload.first_chunk().filter(|_| is_icmp)?);
    Some((type_and_code, type_and_code))
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

    const UDP: [u8; 16] = [0x13, 0x88, 0, 53, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

    fn barred(packet: &[u8]) -> Option<Barred> {
        Inner::parse(packet).unwrap().check_headers().err()
    }

    #[test]
    fn ports_of_the_first_fragment_only() {
        let udp = UDP;
        let more_fragments = 0x2000;
        assert_eq!(Inner::parse(&v4(17, more_fragments, &udp)).unwrap().ports, Some((5000, 53)));
        assert_eq!(Inner::parse(&v4(17, 185, &udp)).unwrap().ports, None);
        let first = [&[17, 0, 0, 1, 0, 0, 0, 7], &udp[..]].concat();
        let later = [&[17, 0, 0, 17, 0, 0, 0, 7], &udp[..]].concat();
        assert_eq!(Inner::parse(&v6(44, &first)).unwrap().ports, Some((5000, 53)));
        let later = Inner::parse(&v6(44, &later)).unwrap();
        assert_eq!((later.protocol, later.ports, later.is_later_fragment), (17, None, true));
        assert_eq!((later.upper, Inner::parse(&v6(44, &first)).unwrap().upper), (None, Some(48)));
        assert_eq!(Inner::parse(&v4(17, 185, &udp)).unwrap().upper, None);
        assert_eq!(later.check_headers(), Ok(()));
    }

    #[test]
    fn fragments_made_to_deceive_are_barred() {
        let fragment = |offset: u16, more: bool, length: usize| {
            let (more_v4, more_v6) = if more { (0x2000, 1) } else { (0, 0) };
            let word = ((offset << 3) | more_v6).to_be_bytes();
            let payload = vec![6; length];
            let chain = [&[6, 0, word[0], word[1], 0, 0, 0, 7], &payload[..]].concat();
            let both = (barred(&v4(6, more_v4 | offset, &payload)), barred(&v6(44, &chain)));
            assert_eq!(both.0, both.1, "{offset} {more} {length}");
            both.0
        };
        let tricky = Some(Barred::Fragment);
        assert_eq!(fragment(0, true, 8), tricky, "RFC 3128: TCP's flags stand in the next one");
        assert_eq!(fragment(0, true, 16), None);
        assert_eq!(fragment(1, false, 8), tricky, "RFC 1858: it lies over the first one");
        assert_eq!(fragment(2, false, 8), None);
        assert_eq!(fragment(2, true, 15), tricky, "only the last may end anywhere");
        assert_eq!(fragment(2, false, 15), None);
        assert_eq!(fragment(8189, false, 3), None);
        assert_eq!(fragment(8189, false, 4), tricky, "more than a packet can hold");
    }

    #[test]
    fn behind_the_header_of_a_fragment_stands_the_protocol_itself() {
        let options = [17, 0, 1, 4, 0, 0, 0, 0];
        let first = [&[60, 0, 0, 1, 0, 0, 0, 7], &options[..], &UDP].concat();
        let inner = Inner::parse(&v6(44, &first)).unwrap();
        assert_eq!((inner.check_headers(), inner.ports), (Err(Barred::Fragment), None));
        let later = [&[60, 0, 0, 16, 0, 0, 0, 7], &UDP[..]].concat();
        assert_eq!(barred(&v6(44, &later)), Some(Barred::Fragment));
        let whole = [&[44, 0, 1, 4, 0, 0, 0, 0], &[17, 0, 0, 0, 0, 0, 0, 7], &UDP[..]].concat();
        let inner = Inner::parse(&v6(60, &whole)).unwrap();
        assert_eq!((inner.check_headers(), inner.ports), (Ok(()), Some((5000, 53))), "RFC 6946");
    }

    #[test]
    fn ipv4_options_are_padding_or_barred() {
        let with = |options: &[u8]| {
            let mut packet = v4(17, 0, &[options, &UDP].concat());
            packet[0] = 0x45 + options.len() as u8 / 4;
            let inner = Inner::parse(&packet).unwrap();
            assert_eq!(inner.ports, Some((5000, 53)));
            inner.check_headers().err()
        };
        assert_eq!(with(&[1, 1, 1, 0]), None);
        assert_eq!(with(&[131, 7, 4, 10, 0, 0, 1, 0]), Some(Barred::SourceRoute));
        assert_eq!(with(&[1, 137, 7, 4, 10, 0, 0, 1]), Some(Barred::SourceRoute));
        assert_eq!(with(&[0, 131, 3, 4]), Some(Barred::SourceRoute), "not every host stops at the end");
        assert_eq!(with(&[148, 4, 0, 0]), Some(Barred::Options));
        assert_eq!(with(&[7, 3, 4, 0]), Some(Barred::Options));
    }

    #[test]
    fn ipv6_extension_headers_hold_padding_or_are_barred() {
        let pad: [u8; 8] = [17, 0, 1, 4, 0, 0, 0, 0];
        let with = |first: u8, headers: &[&[u8]]| barred(&v6(first, &[&headers.concat(), &UDP[..]].concat()));
        assert_eq!(with(60, &[&pad]), None);
        assert_eq!(with(0, &[&[17, 0, 0, 0, 0, 0, 0, 0]]), None);
        assert_eq!(with(43, &[&[17, 0, 0, 0, 0, 0, 0, 0]]), Some(Barred::SourceRoute));
        assert_eq!(with(43, &[&[17, 2, 4, 1, 0, 0, 0, 0], &[9; 16]]), Some(Barred::SourceRoute));
        assert_eq!(with(0, &[&[17, 0, 5, 2, 0, 0, 1, 0]]), Some(Barred::Options), "Router Alert");
        assert_eq!(with(0, &[&[17, 0, 0xc2, 4, 0, 1, 0, 0]]), Some(Barred::Options), "jumbogram");
        assert_eq!(with(60, &[&[17, 2, 0xc9, 16, 1, 1], &[9; 18]]), Some(Barred::Options), "home address");
        assert_eq!(with(60, &[&[17, 0, 1, 5, 0, 0, 0, 0]]), Some(Barred::Options), "longer than its header");
        assert_eq!(with(60, &[&[0, 0, 1, 4, 0, 0, 0, 0], &pad]), Some(Barred::HeaderChain), "out of order");
        assert_eq!(with(60, &[&[17, 9, 1, 4, 0, 0, 0, 0]]), Some(Barred::HeaderChain), "cut short");
        let more: [u8; 8] = [60, 0, 1, 4, 0, 0, 0, 0];
        let chain = |count: usize| [vec![&more[..]; count - 1], vec![&pad]].concat();
        assert_eq!(with(60, &chain(MAX_EXTENSIONS)), None);
        assert_eq!(with(60, &chain(MAX_EXTENSIONS + 1)), Some(Barred::HeaderChain));
    }

    #[test]
    fn esp_ah_and_unknown_headers_are_the_protocol() {
        for protocol in [50, 51, 135, 253] {
            let inner = Inner::parse(&v6(protocol, &[17, 0, 1, 4, 0, 0, 0, 0])).unwrap();
            assert_eq!((inner.protocol, inner.ports, inner.check_headers()), (protocol, None, Ok(())));
        }
    }

    #[test]
    fn extension_headers_are_passed_over() {
        let payload = [&[60, 0, 1, 4, 0, 0, 0, 0], &[58, 0, 1, 4, 0, 0, 0, 0], &[128, 0, 1, 1][..]].concat();
        let inner = Inner::parse(&v6(0, &payload)).unwrap();
        assert_eq!((inner.protocol, inner.ports, inner.length), (58, Some((0x8000, 0x8000)), 60));
        assert_eq!(inner.source, Ipv6Addr::from([0xfd; 16]));
        assert_eq!(inner.upper, Some(56));
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
                prop_assert!(!(inner.is_later_fragment && inner.ports.is_some()));
                prop_assert!(inner.about(&packet).is_none_or(|about| about.length >= 20));
            }
        }
    }
}
