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
