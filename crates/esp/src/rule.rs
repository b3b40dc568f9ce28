use crate::protocol;
use ipnet::IpNet;
use std::{fmt, net::IpAddr, str::FromStr};

/// One destination that a peer may reach, as a person writes it: an address or prefix, then a protocol
/// by name or number, then a port or a range of ports. What is left out is open.
///
/// Text: `10.0.0.0/24`, `10.1.0.5 udp 2152`, `fd00::/64 tcp 443-444`, `10.1.0.7 gre`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(crate) network: IpNet,
    /// `None` is any that does not encapsulate.
    pub(crate) protocol: Option<u8>,
    /// First and last.
    pub(crate) ports: (u16, u16),
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseRuleError {
    /// Nothing, or more than three words.
    #[error("a destination is `ADDRESS[/PREFIX] [PROTOCOL [PORT[-PORT]]]`")]
    Form,
    /// The first word is none.
    #[error("`{0}` is no address and no prefix")]
    Address(String),
    /// A prefix with bits set behind its length.
    #[error("`{0}` has bits beyond its length: write {1}")]
    HostBits(IpNet, IpNet),
    /// Not a name known here, and no number.
    #[error(
        "`{0}` is no protocol: write one of icmp icmpv6 tcp udp sctp dccp udplite ipip ipv6 gre esp ah, or its number"
    )]
    Protocol(String),
    /// ICMP of the other address family.
    #[error("ICMP is `icmp` with IPv4 and `icmpv6` with IPv6")]
    Family,
    /// Ports behind a protocol that has none.
    #[error("`{0}` has no ports")]
    NoPorts(String),
    /// Not a port, or a range that ends before it begins.
    #[error("`{0}` is no port and no range of ports")]
    Port(String),
}

pub(crate) const ALL_PORTS: (u16, u16) = (0, u16::MAX);

impl Rule {
    /// All of a network, but for what encapsulates.
    pub fn network(network: IpNet) -> Self {
        Self { network: network.trunc(), protocol: None, ports: ALL_PORTS }
    }

    /// Of these addresses ICMP alone, or ICMPv6.
    pub fn icmp(network: IpNet) -> Self {
        let protocol = if matches!(network, IpNet::V4(_)) { protocol::ICMP } else { protocol::ICMPV6 };
        Self { protocol: Some(protocol), ..Self::network(network) }
    }

    /// Of these addresses one UDP port alone.
    pub fn udp(network: IpNet, port: u16) -> Self {
        Self { protocol: Some(protocol::UDP), ports: (port, port), ..Self::network(network) }
    }

    /// Its addresses.
    pub fn addresses(&self) -> IpNet {
        self.network
    }
}

impl FromStr for Rule {
    type Err = ParseRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split_ascii_whitespace();
        let network = network(words.next().ok_or(ParseRuleError::Form)?)?;
        let named = words.next().map(|word| Ok((word, protocol_of(word, network)?))).transpose()?;
        let ports = match (words.next(), named) {
            (Some(word), Some((_, protocol))) if protocol::has_ports(protocol) => ports(word)?,
            (Some(_), Some((name, _))) => return Err(ParseRuleError::NoPorts(name.to_owned())),
            (_, _) => ALL_PORTS,
        };
        let protocol = named.map(|(_, protocol)| protocol);
        if words.next().is_some() { Err(ParseRuleError::Form) } else { Ok(Self { network, protocol, ports }) }
    }
}

fn network(word: &str) -> Result<IpNet, ParseRuleError> {
    let address = word.parse::<IpAddr>().map(IpNet::from).ok();
    let network = address.or_else(|| word.parse().ok());
    let network = network.ok_or_else(|| ParseRuleError::Address(word.to_owned()))?;
    let plain = network.trunc();
    if network == plain { Ok(network) } else { Err(ParseRuleError::HostBits(network, plain)) }
}

fn protocol_of(word: &str, network: IpNet) -> Result<u8, ParseRuleError> {
    let number = protocol::number(word).ok_or_else(|| ParseRuleError::Protocol(word.to_owned()))?;
    match (network, number) {
        (IpNet::V4(_), protocol::ICMPV6) | (IpNet::V6(_), protocol::ICMP) => Err(ParseRuleError::Family),
        (IpNet::V4(_) | IpNet::V6(_), _) => Ok(number),
    }
}

fn ports(word: &str) -> Result<(u16, u16), ParseRuleError> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let ports = first.parse().ok().zip(last.parse().ok());
    ports.filter(|(first, last)| first <= last).ok_or_else(|| ParseRuleError::Port(word.to_owned()))
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.network.prefix_len() == self.network.max_prefix_len() {
            write!(f, "{}", self.network.addr())?;
        } else {
            write!(f, "{}", self.network)?;
        }
        let Some(protocol) = self.protocol else { return Ok(()) };
        match protocol::name(protocol) {
            Some(name) => write!(f, " {name}")?,
            None => write!(f, " {protocol}")?,
        }
        match self.ports {
            ALL_PORTS => Ok(()),
            (first, last) if first == last => write!(f, " {first}"),
            (first, last) => write!(f, " {first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule() -> impl Strategy<Value = Rule> {
        let network = prop_oneof![
            (any::<u32>(), 0..=32_u8).prop_map(|(bits, length)| {
                IpNet::new(std::net::Ipv4Addr::from_bits(bits).into(), length).unwrap().trunc()
            }),
            (any::<u128>(), 0..=128_u8).prop_map(|(bits, length)| {
                IpNet::new(std::net::Ipv6Addr::from_bits(bits).into(), length).unwrap().trunc()
            }),
        ];
        let open = |network| Rule { network, protocol: None, ports: ALL_PORTS };
        (network, any::<Option<u8>>(), any::<Option<(u16, u16)>>()).prop_map(
            move |(network, protocol, ports)| {
                let Some(protocol) = protocol else { return open(network) };
                if protocol_of(&protocol.to_string(), network).is_err() {
                    return open(network);
                }
                let ports = ports.filter(|_| protocol::has_ports(protocol)).unwrap_or(ALL_PORTS);
                let ports = (ports.0.min(ports.1), ports.0.max(ports.1));
                Rule { network, protocol: Some(protocol), ports }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(rule in rule()) {
            prop_assert_eq!(rule.to_string().parse::<Rule>(), Ok(rule));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9a-f:./ ]{0,30}( (tcp|udp|icmp|[0-9]{1,4})( [0-9-]{0,12})?)?") {
            if let Ok(rule) = text.parse::<Rule>() {
                prop_assert_eq!(rule.to_string().parse::<Rule>(), Ok(rule));
            }
        }
    }

    #[test]
    fn what_is_left_out_is_open() {
        let read = |text: &str| text.parse::<Rule>().unwrap();
        assert_eq!(read("10.0.0.0/24").protocol, None);
        assert_eq!((read("10.1.0.5 17").protocol, read("10.1.0.5 udp").ports), (Some(17), (0, 65535)));
        assert_eq!(read("10.1.0.6 sctp 36412").ports, (36412, 36412));
        assert_eq!(read("  fd00::/64   tcp 443-444 ").to_string(), "fd00::/64 tcp 443-444");
        assert_eq!(read("10.1.0.5/32 6 0-65535").to_string(), "10.1.0.5 tcp");
    }

    #[test]
    fn an_error_names_the_word_that_is_wrong() {
        for (text, error) in [
            ("", "a destination is `ADDRESS[/PREFIX] [PROTOCOL [PORT[-PORT]]]`"),
            ("10.0.0.1 tcp 80 81", "a destination is `ADDRESS[/PREFIX] [PROTOCOL [PORT[-PORT]]]`"),
            ("10.0.0", "`10.0.0` is no address and no prefix"),
            ("10.0.0.5/24", "`10.0.0.5/24` has bits beyond its length: write 10.0.0.0/24"),
            ("10.0.0.1 icmpv6", "ICMP is `icmp` with IPv4 and `icmpv6` with IPv6"),
            ("fd00::1 1", "ICMP is `icmp` with IPv4 and `icmpv6` with IPv6"),
            ("10.0.0.1 icmp 8", "`icmp` has no ports"),
            ("10.0.0.1 tcp 444-443", "`444-443` is no port and no range of ports"),
            ("10.0.0.1 tcp 65536", "`65536` is no port and no range of ports"),
        ] {
            assert_eq!(text.parse::<Rule>().unwrap_err().to_string(), error, "{text}");
        }
        assert!("10.0.0.1 256".parse::<Rule>().unwrap_err().to_string().starts_with("`256` is no protocol"));
    }
}
