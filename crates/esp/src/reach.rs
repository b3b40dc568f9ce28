use crate::{Inner, Rule, protocol, rule::ALL_PORTS};
use ipnet::IpNet;
use std::net::IpAddr;

/// What one peer may reach, whatever it negotiated (an SPD of RFC 4301 §4.4.1 for one class of peers):
/// its packets go to these destinations, and packets to it come from them. Immutable, to be shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    v4: Box<[Entry<u32>]>,
    v6: Box<[Entry<u128>]>,
}

/// Why a packet that fits the traffic selectors goes no further. All are silent; [`Self::label`] names
/// the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Barred {
    /// A fragment that no honest sender makes, or one that shows no ports where they are asked for.
    #[error("a fragment that cannot be judged")]
    Fragment,
    /// IPv4 source routing, or an IPv6 routing header of any type: it goes elsewhere than it says.
    #[error("source routing")]
    SourceRoute,
    /// An IPv4 option, or one of an IPv6 hop-by-hop or destination options header, other than padding.
    #[error("an IP option")]
    Options,
    /// IPv6 extension headers that are too many, cut short or out of order.
    #[error("a chain of extension headers that cannot be followed")]
    HeaderChain,
    /// No rule has the other end's address, protocol and port.
    #[error("not what the peer may reach")]
    OutOfReach,
}

impl Barred {
    /// Every cause.
    pub const ALL: [Self; 5] =
        [Self::Fragment, Self::SourceRoute, Self::Options, Self::HeaderChain, Self::OutOfReach];

    /// Metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Fragment => "fragment",
            Self::SourceRoute => "source_route",
            Self::Options => "options",
            Self::HeaderChain => "header_chain",
            Self::OutOfReach => "out_of_reach",
        }
    }
}

/// A rule, with its addresses as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry<A> {
    addresses: (A, A),
    protocol: Option<u8>,
    ports: (u16, u16),
}

/// The end of a packet that is not the peer's.
struct OtherEnd {
    address: IpAddr,
    protocol: u8,
    /// `None`: the packet shows none.
    port: Option<u16>,
}

impl Reach {
    /// What `rules` list.
    pub fn new(rules: &[Rule]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for Rule { network, protocol, ports } in rules.iter().copied() {
            match network {
                IpNet::V4(net) => {
                    let addresses = (net.network().to_bits(), net.broadcast().to_bits());
                    v4.push(Entry { addresses, protocol, ports });
                }
                IpNet::V6(net) => {
                    let addresses = (net.network().to_bits(), net.broadcast().to_bits());
                    v6.push(Entry { addresses, protocol, ports });
                }
            }
        }
        Self { v4: v4.into(), v6: v6.into() }
    }

    /// A packet from the peer; `packet` is where `inner` was read.
    ///
    /// # Errors
    /// [`Barred`], see there.
    pub fn check_inbound(&self, inner: &Inner, packet: &[u8]) -> Result<(), Barred> {
        inner.check_headers()?;
        let port = inner.ports.map(|(_, destination)| destination);
        self.check(inner, OtherEnd { address: inner.destination, protocol: inner.protocol, port }, || {
            // What it is about came from where it goes to.
            let about = inner.about(packet)?;
            let port = about.ports.map(|(source, _)| source);
            let is_answer = (about.source, about.destination) == (inner.destination, inner.source);
            is_answer.then_some(OtherEnd { address: about.source, protocol: about.protocol, port })
        })
    }

    /// A packet for the peer; `packet` is where `inner` was read.
    ///
    /// # Errors
    /// [`Barred`], see there.
    pub fn check_outbound(&self, inner: &Inner, packet: &[u8]) -> Result<(), Barred> {
        inner.check_headers()?;
        let port = inner.ports.map(|(source, _)| source);
        self.check(inner, OtherEnd { address: inner.source, protocol: inner.protocol, port }, || {
            // What it is about came from the peer; any router on its way may say so.
            let about = inner.about(packet)?;
            let port = about.ports.map(|(_, destination)| destination);
            let is_answer = about.source == inner.destination;
            is_answer.then_some(OtherEnd { address: about.destination, protocol: about.protocol, port })
        })
    }

    /// `about`: the other end of the packet that an ICMP error is about. Without these, path MTU
    /// discovery would fail wherever a rule names a protocol (RFC 4301 §6).
    fn check(
        &self,
        inner: &Inner,
        end: OtherEnd,
        about: impl FnOnce() -> Option<OtherEnd>,
    ) -> Result<(), Barred> {
        if self.has(&end) || about().is_some_and(|end| self.has(&end)) {
            return Ok(());
        }
        let has_with_a_port = inner.is_later_fragment && self.find(&end, |_| true);
        Err(if has_with_a_port { Barred::Fragment } else { Barred::OutOfReach })
    }

    /// Only a rule with all ports has what shows none.
    fn has(&self, end: &OtherEnd) -> bool {
        self.find(end, |(first, last)| {
            (first, last) == ALL_PORTS || end.port.is_some_and(|port| (first..=last).contains(&port))
        })
    }

    fn find(&self, end: &OtherEnd, ports: impl Fn((u16, u16)) -> bool) -> bool {
        match end.address {
            IpAddr::V4(v4) => find(&self.v4, v4.to_bits(), end.protocol, ports),
            IpAddr::V6(v6) => find(&self.v6, v6.to_bits(), end.protocol, ports),
        }
    }
}

fn find<A: PartialOrd>(
    entries: &[Entry<A>],
    address: A,
    protocol: u8,
    ports: impl Fn((u16, u16)) -> bool,
) -> bool {
    entries.iter().any(|entry| {
        let has_address = entry.addresses.0 <= address && address <= entry.addresses.1;
        let has_protocol =
            entry.protocol.map_or_else(|| !protocol::encapsulates(protocol), |only| only == protocol);
        has_address && has_protocol && ports(entry.ports)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: [u8; 4] = [10, 9, 0, 1];
    const HOST: [u8; 4] = [10, 1, 0, 5];

    fn reach(rules: &[&str]) -> Reach {
        Reach::new(&rules.iter().map(|rule| rule.parse().unwrap()).collect::<Vec<_>>())
    }

    fn v4(source: [u8; 4], destination: [u8; 4], protocol: u8, fragment: u16, upper: &[u8]) -> Vec<u8> {
        let length = (20 + upper.len() as u16).to_be_bytes();
        let start =
            [0x45, 0, length[0], length[1], 0, 1, (fragment >> 8) as u8, fragment as u8, 64, protocol];
        [&start[..], &[0, 0], &source, &destination, upper].concat()
    }

    fn udp(source: u16, destination: u16) -> Vec<u8> {
        [&source.to_be_bytes()[..], &destination.to_be_bytes(), &[0, 20], &[7; 14]].concat()
    }

    fn inbound(reach: &Reach, packet: &[u8]) -> Result<(), Barred> {
        reach.check_inbound(&Inner::parse(packet).unwrap(), packet)
    }

    fn outbound(reach: &Reach, packet: &[u8]) -> Result<(), Barred> {
        reach.check_outbound(&Inner::parse(packet).unwrap(), packet)
    }

    #[test]
    fn the_other_end_has_the_port_in_both_directions() {
        let reach = reach(&["10.1.0.5 udp 2152", "10.0.0.0/24"]);
        assert_eq!(inbound(&reach, &v4(UNIT, HOST, 17, 0, &udp(9, 2152))), Ok(()));
        assert_eq!(inbound(&reach, &v4(UNIT, HOST, 17, 0, &udp(2152, 9))), Err(Barred::OutOfReach));
        assert_eq!(outbound(&reach, &v4(HOST, UNIT, 17, 0, &udp(2152, 9))), Ok(()));
        assert_eq!(outbound(&reach, &v4(HOST, UNIT, 17, 0, &udp(9, 2152))), Err(Barred::OutOfReach));
        assert_eq!(inbound(&reach, &v4(UNIT, HOST, 6, 0, &udp(9, 2152))), Err(Barred::OutOfReach));
        assert_eq!(inbound(&reach, &v4(UNIT, [10, 0, 0, 255], 6, 0, &udp(9, 80))), Ok(()));
        assert_eq!(inbound(&reach, &v4(UNIT, [10, 0, 1, 0], 6, 0, &udp(9, 80))), Err(Barred::OutOfReach));
        assert_eq!(inbound(&Reach::default(), &v4(UNIT, HOST, 17, 0, &udp(9, 9))), Err(Barred::OutOfReach));
    }

    #[test]
    fn a_later_fragment_passes_only_where_all_ports_do() {
        let later = v4(UNIT, HOST, 17, 185, &[7; 24]);
        assert_eq!(inbound(&reach(&["10.1.0.5 udp"]), &later), Ok(()));
        assert_eq!(inbound(&reach(&["10.1.0.5 udp 2152"]), &later), Err(Barred::Fragment));
        assert_eq!(inbound(&reach(&["10.1.0.5 udp 2152", "10.1.0.0/24"]), &later), Ok(()));
        assert_eq!(inbound(&reach(&["10.1.0.5 tcp"]), &later), Err(Barred::OutOfReach));
        let first = v4(UNIT, HOST, 17, 0x2000, &[&udp(9, 2152)[..], &[7; 4]].concat());
        assert_eq!(inbound(&reach(&["10.1.0.5 udp 2152"]), &first), Ok(()));
    }

    #[test]
    fn what_encapsulates_must_be_named() {
        let all = reach(&["0.0.0.0/0"]);
        for protocol in [4, 41, 47, 50, 51, 94] {
            let packet = v4(UNIT, HOST, protocol, 0, &v4(UNIT, [10, 2, 0, 1], 17, 0, &udp(1, 2)));
            assert_eq!(inbound(&all, &packet), Err(Barred::OutOfReach), "{protocol}");
            assert_eq!(inbound(&reach(&[&format!("10.1.0.5 {protocol}")]), &packet), Ok(()));
        }
        assert_eq!(inbound(&all, &v4(UNIT, HOST, 253, 0, &[0; 8])), Ok(()));
    }

    #[test]
    fn an_icmp_error_passes_if_it_is_about_what_passes() {
        let reach = reach(&["10.1.0.5 udp 2152"]);
        let error = |kind: u8, about: &[u8]| [&[kind, 4, 0, 0, 0, 0, 5, 0], &about[..28]].concat();
        let sent = v4(UNIT, HOST, 17, 0, &udp(9, 2152));
        let router = [10, 1, 0, 1];
        assert_eq!(outbound(&reach, &v4(router, UNIT, 1, 0, &error(3, &sent))), Ok(()));
        assert_eq!(outbound(&reach, &v4(router, UNIT, 1, 0, &error(5, &sent))), Err(Barred::OutOfReach));
        let other = v4(UNIT, HOST, 17, 0, &udp(9, 22));
        assert_eq!(outbound(&reach, &v4(router, UNIT, 1, 0, &error(3, &other))), Err(Barred::OutOfReach));
        let of_another = v4([10, 9, 0, 2], HOST, 17, 0, &udp(9, 2152));
        assert_eq!(
            outbound(&reach, &v4(router, UNIT, 1, 0, &error(3, &of_another))),
            Err(Barred::OutOfReach)
        );
        let received = v4(HOST, UNIT, 17, 0, &udp(2152, 9));
        assert_eq!(inbound(&reach, &v4(UNIT, HOST, 1, 0, &error(3, &received))), Ok(()));
        assert_eq!(inbound(&reach, &v4(UNIT, router, 1, 0, &error(3, &received))), Err(Barred::OutOfReach));
    }

    #[test]
    fn bad_headers_pass_nothing() {
        let mut routed = v4(UNIT, HOST, 17, 0, &[&[131, 3, 4, 0][..], &udp(9, 9)].concat());
        routed[0] = 0x46;
        assert_eq!(inbound(&reach(&["0.0.0.0/0"]), &routed), Err(Barred::SourceRoute));
        assert_eq!(outbound(&reach(&["0.0.0.0/0"]), &routed), Err(Barred::SourceRoute));
    }

    /// IPComp (RFC 3173) holds another packet or hides the ports; ROHC (RFC 5858) and SwIPe as well.
    #[test]
    fn what_hides_its_content_must_be_named() {
        let all = reach(&["10.1.0.5"]);
        for protocol in [108, 142, 53] {
            let packet = v4(UNIT, HOST, protocol, 0, &[4, 0, 0, 2, 0, 0, 0, 0]);
            assert_eq!(inbound(&all, &packet), Err(Barred::OutOfReach), "{protocol}");
        }
    }
}
