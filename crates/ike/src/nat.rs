use crate::{
    Path,
    crypto::sha1,
    payload::{NotifyType, Payload},
};
use ids::IkeSpi;
use std::net::{IpAddr, SocketAddr};

/// SHA-1 (SPIs | address | port) (RFC 7296 §2.23).
fn hash(spis: (IkeSpi, IkeSpi), address: SocketAddr) -> [u8; 20] {
    let port = address.port().to_be_bytes();
    let (spi_i, spi_r) = (spis.0.0.to_be_bytes(), spis.1.0.to_be_bytes());
    match address.ip() {
        IpAddr::V4(v4) => sha1(&[&spi_i, &spi_r, &v4.octets(), &port]),
        IpAddr::V6(v6) => sha1(&[&spi_i, &spi_r, &v6.octets(), &port]),
    }
}

/// The pair of NAT detection notifications of a message that goes along `path`.
///
/// The source hash is of an address that is never ours (0.0.0.0), so that the peer sees a NAT before
/// us and puts ESP into UDP always: raw ESP is not served here.
pub(crate) fn notifies(spis: (IkeSpi, IkeSpi), path: &Path) -> [Payload; 2] {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    [
        Payload::notify(NotifyType::NAT_DETECTION_SOURCE_IP, &hash(spis, nowhere)),
        Payload::notify(NotifyType::NAT_DETECTION_DESTINATION_IP, &hash(spis, path.peer)),
    ]
}
