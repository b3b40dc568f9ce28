/// What stands before each packet on a TUN device opened with IFF_VNET_HDR (virtio 1.2 §5.1.6, in the
/// machine's byte order).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct VirtioNet {
    /// The transport checksum holds only the pseudo-header's sum: complete it.
    pub(crate) needs_checksum: bool,
    /// What is to be cut into segments.
    pub(crate) segments: Segments,
    /// Octets of headers that each segment gets.
    pub(crate) header_length: u16,
    /// Octets of payload in each segment but the last.
    pub(crate) segment_size: u16,
    /// Where the transport header begins.
    pub(crate) checksum_start: u16,
    /// Where the checksum is in it.
    pub(crate) checksum_offset: u16,
}

/// What a packet is to be cut into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Segments {
    /// It is one packet.
    #[default]
    None,
    /// TCP over IPv4.
    TcpV4,
    /// TCP over IPv6.
    TcpV6,
    /// UDP datagrams of one size.
    Udp,
}

const NEEDS_CHECKSUM: u8 = 1;
/// The kernel does not set it unless asked to (TUN_F_TSO_ECN), yet it may stand beside any type.
const ECN: u8 = 0x80;

impl VirtioNet {
    /// Octets on the wire.
    pub(crate) const LENGTH: usize = 10;

    /// `None` for a kind of segments that was not asked for.
    pub(crate) fn parse(octets: &[u8; Self::LENGTH]) -> Option<Self> {
        let word = |at: usize| u16::from_ne_bytes([octets[at], octets[at + 1]]);
        let segments = match octets[1] & !ECN {
            0 => Segments::None,
            1 => Segments::TcpV4,
            4 => Segments::TcpV6,
            5 => Segments::Udp,
            _ => return None,
        };
        Some(Self {
            needs_checksum: octets[0] & NEEDS_CHECKSUM != 0,
            segments,
            header_length: word(2),
            segment_size: word(4),
            checksum_start: word(6),
            checksum_offset: word(8),
        })
    }

    pub(crate) fn to_octets(self) -> [u8; Self::LENGTH] {
        let kind = match self.segments {
            Segments::None => 0,
            Segments::TcpV4 => 1,
            Segments::TcpV6 => 4,
            Segments::Udp => 5,
        };
        let mut octets = [0; Self::LENGTH];
        (octets[0], octets[1]) = (if self.needs_checksum { NEEDS_CHECKSUM } else { 0 }, kind);
        let words = [self.header_length, self.segment_size, self.checksum_start, self.checksum_offset];
        for (place, word) in octets[2..].as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_ne_bytes();
        }
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_as_it_was_written() {
        let header = VirtioNet {
            needs_checksum: true,
            segments: Segments::TcpV6,
            header_length: 72,
            segment_size: 1328,
            checksum_start: 40,
            checksum_offset: 16,
        };
        assert_eq!(VirtioNet::parse(&header.to_octets()), Some(header));
        assert_eq!(VirtioNet::parse(&[0; 10]), Some(VirtioNet::default()));
        assert_eq!(VirtioNet::parse(&[0, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap().segments, Segments::TcpV4);
        assert_eq!(VirtioNet::parse(&[0, 3, 0, 0, 0, 0, 0, 0, 0, 0]), None, "UFO was never asked for");
    }
}
