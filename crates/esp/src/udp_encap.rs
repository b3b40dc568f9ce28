//! What arrives on the NAT-T port: ESP, IKE behind the non-ESP marker, and keepalives (RFC 3948 §2).
//! Whether a NAT was ever seen plays no part (RFC 7296 §2.23).

use ids::Spi;

/// Stands before an IKE message on the NAT-T port, where ESP has its SPI (RFC 3948 §2.2).
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// One octet that keeps a NAT's mapping alive (RFC 3948 §2.3).
pub const KEEPALIVE: [u8; 1] = [0xff];

/// A datagram of the NAT-T port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagram<'a> {
    /// Says nothing; never answered.
    Keepalive,
    /// An IKE message, marker removed.
    Ike(&'a [u8]),
    /// An ESP packet, from its SPI on.
    Esp(Spi, &'a [u8]),
    /// Too short to be any of them.
    Runt,
}

/// Tells the kinds apart by the first octets. Looks no further.
pub fn classify(datagram: &[u8]) -> Datagram<'_> {
    if datagram == KEEPALIVE {
        return Datagram::Keepalive;
    }
    match datagram.split_first_chunk() {
        Some((&NON_ESP_MARKER, message)) => Datagram::Ike(message),
        Some((spi, _)) => Datagram::Esp(Spi(u32::from_be_bytes(*spi)), datagram),
        None => Datagram::Runt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_octets_decide() {
        assert_eq!(classify(&[0xff]), Datagram::Keepalive);
        assert_eq!(classify(&[0, 0, 0, 0, 7, 8]), Datagram::Ike(&[7, 8]));
        assert_eq!(classify(&[0, 0, 1, 0, 9]), Datagram::Esp(Spi(256), &[0, 0, 1, 0, 9]));
        for runt in [&[][..], &[0], &[0xff, 0xff], &[0, 0, 0]] {
            assert_eq!(classify(runt), Datagram::Runt);
        }
    }
}
