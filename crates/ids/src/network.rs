use std::{fmt, net::IpAddr};

/// The network that an address belongs to as far as a stranger can tell: /24, or /48 of IPv6, the least that is routed
/// on the Internet. An IPv4 address mapped into IPv6 is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & (u32::MAX << 8)).into()),
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << 80)).into()),
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, if self.0.is_ipv4() { 24 } else { 48 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_its_24_or_its_48() {
        let of = |text: &str| Network::of(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.255"), "192.0.2.0/24");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.0/24");
        assert_eq!(of("2001:db8:1:ffff::1"), "2001:db8:1::/48");
        assert_ne!(of("2001:db8:2::1"), of("2001:db8:1::1"));
    }
}
