//! IP protocol numbers (IANA), as far as something here depends on them.

pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ICMP: u8 = 1;
pub(crate) const IPV4: u8 = 4;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const DCCP: u8 = 33;
pub(crate) const IPV6: u8 = 41;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const GRE: u8 = 47;
pub(crate) const ESP: u8 = 50;
pub(crate) const AH: u8 = 51;
pub(crate) const SWIPE: u8 = 53;
pub(crate) const MOBILE: u8 = 55;
pub(crate) const ICMPV6: u8 = 58;
pub(crate) const NONE: u8 = 59;
pub(crate) const DESTINATION: u8 = 60;
pub(crate) const IPIP: u8 = 94;
pub(crate) const ETHERIP: u8 = 97;
pub(crate) const ENCAP: u8 = 98;
pub(crate) const IPCOMP: u8 = 108;
pub(crate) const L2TP: u8 = 115;
pub(crate) const SCTP: u8 = 132;
pub(crate) const UDP_LITE: u8 = 136;
pub(crate) const MPLS: u8 = 137;
pub(crate) const ROHC: u8 = 142;
pub(crate) const ETHERNET: u8 = 143;

/// The protocols that a rule can name; all others have their number.
const NAMES: [(&str, u8); 12] = [
    ("icmp", ICMP),
    ("ipip", IPV4),
    ("tcp", TCP),
    ("udp", UDP),
    ("dccp", DCCP),
    ("ipv6", IPV6),
    ("gre", GRE),
    ("esp", ESP),
    ("ah", AH),
    ("icmpv6", ICMPV6),
    ("sctp", SCTP),
    ("udplite", UDP_LITE),
];

pub(crate) fn name(number: u8) -> Option<&'static str> {
    NAMES.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

pub(crate) fn number(text: &str) -> Option<u8> {
    let named = NAMES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    named.or_else(|| text.parse().ok())
}

/// It begins with a source and a destination port.
pub(crate) fn has_ports(number: u8) -> bool {
    matches!(number, TCP | UDP | DCCP | SCTP | UDP_LITE)
}

/// What it carries has addresses of its own, or can't be looked into.
pub(crate) fn encapsulates(number: u8) -> bool {
    matches!(
        number,
        IPV4 | IPV6
            | GRE
            | ESP
            | AH
            | SWIPE
            | MOBILE
            | IPIP
            | ETHERIP
            | ENCAP
            | IPCOMP
            | L2TP
            | MPLS
            | ROHC
            | ETHERNET
    )
}
