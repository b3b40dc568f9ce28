use crate::Inner;
use std::{net::IpAddr, sync::Arc};

/// One traffic selector as negotiated (RFC 7296 §3.13.1): a range of addresses, of ports, and one
/// protocol or any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector {
    /// IP protocol; 0 is any.
    pub protocol: u8,
    /// First and last port; 0 and 65535 for any, 65535 and 0 for OPAQUE. For ICMP type and code.
    pub ports: (u16, u16),
    /// First and last address, both of one family.
    pub addresses: (IpAddr, IpAddr),
}

/// What a CHILD SA may carry: our side (TSr of a responder) and the peer's (TSi).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selectors {
    /// Our side. Many CHILD SAs share one list.
    pub local: Arc<[Selector]>,
    /// The peer's side.
    pub remote: Box<[Selector]>,
}

/// Why a packet does not belong into a CHILD SA (RFC 4301 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Outside {
    /// The sender uses an address that is not its own.
    #[error("inner source address is not the sender's")]
    Source,
    /// Destination, protocol or port is none of those agreed.
    #[error("inner destination, protocol or port was not agreed")]
    Other,
}

impl Selector {
    /// All traffic of one address.
    pub const fn host(address: IpAddr) -> Self {
        Self::range(address, address)
    }

    /// All traffic of a range of addresses.
    pub const fn range(first: IpAddr, last: IpAddr) -> Self {
        Self { protocol: 0, ports: (0, u16::MAX), addresses: (first, last) }
    }

    /// The address lies in the range. Addresses of the other family never do.
    pub fn has_address(&self, address: IpAddr) -> bool {
        let (first, last) = self.addresses;
        address.is_ipv4() == first.is_ipv4() && (first..=last).contains(&address)
    }

    fn has(&self, address: IpAddr, protocol: u8, port: Option<u16>) -> bool {
        self.has_address(address) && (self.protocol == 0 || self.protocol == protocol) && self.has_port(port)
    }

    /// `None`: the packet shows no port, as later fragments do. Only ANY and OPAQUE cover that
    /// (RFC 4301 §4.4.1.1).
    fn has_port(&self, port: Option<u16>) -> bool {
        match (self.ports, port) {
            ((0, u16::MAX), _) | ((u16::MAX, 0), None) => true,
            ((first, last), Some(port)) => (first..=last).contains(&port),
            (_, None) => false,
        }
    }
}

impl Selectors {
    /// A packet from the peer.
    ///
    /// # Errors
    /// [`Outside::Source`] where the source address is not the peer's.
    pub fn check_inbound(&self, inner: &Inner) -> Result<(), Outside> {
        check(&self.remote, &self.local, inner)
    }

    /// A packet for the peer.
    ///
    /// # Errors
    /// [`Outside::Source`] where the source address is not on our side.
    pub fn check_outbound(&self, inner: &Inner) -> Result<(), Outside> {
        check(&self.local, &self.remote, inner)
    }
}

fn check(from: &[Selector], to: &[Selector], inner: &Inner) -> Result<(), Outside> {
    if !from.iter().any(|selector| selector.has_address(inner.source)) {
        return Err(Outside::Source);
    }
    let (source_port, destination_port) =
        (inner.ports.map(|ports| ports.0), inner.ports.map(|ports| ports.1));
    let sent = from.iter().any(|selector| selector.has(inner.source, inner.protocol, source_port));
    let taken = to.iter().any(|selector| selector.has(inner.destination, inner.protocol, destination_port));
    if sent && taken { Ok(()) } else { Err(Outside::Other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: u8 = 17;

    fn packet(source: &str, destination: &str, ports: Option<(u16, u16)>) -> Inner {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        let is_later_fragment = ports.is_none();
        Inner {
            source,
            destination,
            protocol: UDP,
            ports,
            is_later_fragment,
            upper: Some(20),
            length: 28,
            barred: None,
        }
    }

    fn selectors(remote: Selector) -> Selectors {
        let all = Selector::range("0.0.0.0".parse().unwrap(), "255.255.255.255".parse().unwrap());
        Selectors { local: Arc::new([all]), remote: Box::new([remote]) }
    }

    #[test]
    fn section_4_line_15() {
        let selectors = selectors(Selector::host("10.9.0.1".parse().unwrap()));
        let ports = Some((1, 2));
        assert_eq!(selectors.check_inbound(&packet("10.9.0.1", "10.0.0.9", ports)), Ok(()));
        assert_eq!(selectors.check_inbound(&packet("10.9.0.2", "10.0.0.9", ports)), Err(Outside::Source));
        assert_eq!(selectors.check_inbound(&packet("fd00::1", "10.0.0.9", ports)), Err(Outside::Source));
        assert_eq!(selectors.check_inbound(&packet("10.9.0.1", "fd00::1", ports)), Err(Outside::Other));
        assert_eq!(selectors.check_outbound(&packet("10.0.0.9", "10.9.0.1", ports)), Ok(()));
        assert_eq!(selectors.check_outbound(&packet("10.0.0.9", "10.9.0.2", ports)), Err(Outside::Other));
        assert_eq!(selectors.check_outbound(&packet("fd00::1", "10.9.0.1", ports)), Err(Outside::Source));
    }

    #[test]
    fn a_fragment_without_ports_fits_any_and_opaque_only() {
        let mut remote = Selector::host("10.9.0.1".parse().unwrap());
        let fragment = packet("10.9.0.1", "10.0.0.9", None);
        assert_eq!(selectors(remote).check_inbound(&fragment), Ok(()));
        remote.ports = (u16::MAX, 0);
        assert_eq!(selectors(remote).check_inbound(&fragment), Ok(()));
        assert_eq!(
            selectors(remote).check_inbound(&packet("10.9.0.1", "10.0.0.9", Some((5, 5)))),
            Err(Outside::Other)
        );
        remote.ports = (5, 9);
        assert_eq!(selectors(remote).check_inbound(&fragment), Err(Outside::Other));
        assert_eq!(selectors(remote).check_inbound(&packet("10.9.0.1", "10.0.0.9", Some((5, 99)))), Ok(()));
    }

    #[test]
    fn another_protocol_was_not_agreed() {
        let mut remote = Selector::host("10.9.0.1".parse().unwrap());
        remote.protocol = 132;
        assert_eq!(
            selectors(remote).check_inbound(&packet("10.9.0.1", "10.0.0.9", None)),
            Err(Outside::Other)
        );
    }
}
