use crate::serde_as_text;
use std::{fmt, net::IpAddr, str::FromStr};

/// The network that an address belongs to as far as a stranger can tell. An IPv4 address mapped into IPv6 is the IPv4
/// address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    first: IpAddr,
    length: u8,
}

impl Network {
    /// Of a neighbourhood: /24, or /48 of IPv6, the least that is routed on the Internet.
    pub fn of(address: IpAddr) -> Self {
        Self::with(address, 24, 48)
    }

    /// Of one site: the address itself, or its /64 of IPv6.
    pub fn site(address: IpAddr) -> Self {
        Self::with(address, 32, 64)
    }

    fn with(address: IpAddr, v4: u8, v6: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let bits = address.to_bits() & (u32::MAX << (32 - u32::from(v4)));
                Self { first: IpAddr::V4(bits.into()), length: v4 }
            }
            IpAddr::V6(address) => {
                let bits = address.to_bits() & (u128::MAX << (128 - u32::from(v6)));
                Self { first: IpAddr::V6(bits.into()), length: v6 }
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

/// The text is no such network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a network as in 192.0.2.0/24 or 2001:db8::/48")]
pub struct ParseNetworkError;

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address =
            text.split_once('/').and_then(|(first, _)| first.parse().ok()).ok_or(ParseNetworkError)?;
        let known = [Self::of(address), Self::site(address)];
        known.into_iter().find(|network| network.to_string() == text).ok_or(ParseNetworkError)
    }
}

serde_as_text!(Network);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_its_24_or_its_48() {
        let of = |text: &str| Network::of(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.255"), "192.0.2.0/24");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.0/24");
        assert_eq!(of("2001:db8:1:ffff::1"), "2001:db8:1::/48");
        let site = |text: &str| Network::site(text.parse().unwrap()).to_string();
        assert_eq!(site("::ffff:192.0.2.1"), "192.0.2.1/32");
        assert_eq!(site("2001:db8:1:2:3::1"), "2001:db8:1:2::/64");
        assert_ne!(of("2001:db8:2::1"), of("2001:db8:1::1"));
        for text in ["192.0.2.0/24", "192.0.2.1/32", "2001:db8:1::/48", "2001:db8:1:2::/64"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        for bad in ["192.0.2.1/24", "192.0.2.0", "192.0.2.0/23", "2001:db8:1::1/48", "x/24", ""] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
