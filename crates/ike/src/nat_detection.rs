use crate::{
    crypto::sha1,
    payload::{Notify, NotifyType, Payload},
};
use ids::IkeSpi;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Data of NAT_DETECTION_SOURCE_IP or _DESTINATION_IP: SHA-1 (SPIi | SPIr | address | port)
/// (RFC 7296 §2.23).
fn hash(spis: (IkeSpi, IkeSpi), address: SocketAddr) -> [u8; 20] {
    let (spi_i, spi_r) = (spis.0.0.to_be_bytes(), spis.1.0.to_be_bytes());
    let port = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(v4) => sha1(&[&spi_i, &spi_r, &v4.octets(), &port]),
        IpAddr::V6(v6) => sha1(&[&spi_i, &spi_r, &v6.octets(), &port]),
    }
}

/// Both notifications as they truly are.
pub(crate) fn notifies(spis: (IkeSpi, IkeSpi), local: SocketAddr, peer: SocketAddr) -> [Payload; 2] {
    [
        Payload::notify(NotifyType::NAT_DETECTION_SOURCE_IP, &hash(spis, local)),
        Payload::notify(NotifyType::NAT_DETECTION_DESTINATION_IP, &hash(spis, peer)),
    ]
}

/// Both notifications with a source that matches no address, so that the peer sees a NAT before us and
/// always sends ESP in UDP.
pub(crate) fn notifies_that_make_encapsulate(spis: (IkeSpi, IkeSpi), peer: SocketAddr) -> [Payload; 2] {
    notifies(spis, SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), peer)
}

/// The peer's notifications say that a NAT is on the way: none of its sources is `peer`, or its
/// destination is not `local`. A peer that sends none does not traverse NATs.
pub(crate) fn sees_nat(
    received: &[Notify],
    spis: (IkeSpi, IkeSpi),
    local: SocketAddr,
    peer: SocketAddr,
) -> bool {
    let differs = |kind: NotifyType, address: SocketAddr| {
        let expected = hash(spis, address);
        let mut said = received.iter().filter(|notify| notify.kind == kind).peekable();
        said.peek().is_some() && said.all(|notify| notify.data != expected)
    };
    differs(NotifyType::NAT_DETECTION_SOURCE_IP, peer)
        || differs(NotifyType::NAT_DETECTION_DESTINATION_IP, local)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPIS: (IkeSpi, IkeSpi) = (IkeSpi(1), IkeSpi(2));

    fn received(payloads: [Payload; 2]) -> Vec<Notify> {
        let notify = |payload| if let Payload::Notify(notify) = payload { Some(notify) } else { None };
        payloads.into_iter().filter_map(notify).collect()
    }

    #[test]
    fn a_nat_shows_on_either_end_and_the_gateways_lie_always_does() {
        let [unit, gateway] = [[10, 0, 0, 1], [192, 0, 2, 1]].map(|octets| SocketAddr::from((octets, 500)));
        let outside = SocketAddr::from(([203, 0, 113, 5], 61_001));
        let honest = received(notifies(SPIS, unit, gateway));
        assert!(!sees_nat(&honest, SPIS, gateway, unit));
        assert!(sees_nat(&honest, SPIS, gateway, outside));
        assert!(sees_nat(&received(notifies_that_make_encapsulate(SPIS, unit)), SPIS, unit, gateway));
        assert!(!sees_nat(&[], SPIS, gateway, outside));
    }
}
