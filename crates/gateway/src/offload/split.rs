use super::{VirtioNet, checksum::Checksum, virtio_net::Segments};
use crate::core::Packets;

/// The header does not fit its packet: the kernel never sends such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an offload header that does not fit its packet")]
pub(crate) struct Unfit;

const TCP: u8 = 6;
const UDP: u8 = 17;
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;
const FIN_PSH: u8 = 0x09;
const CWR: u8 = 0x80;

/// Cuts what the kernel handed over as one into packets with whole headers and checksums, and appends
/// them.
///
/// # Errors
/// [`Unfit`]: nothing was appended.
pub(crate) fn split(header: VirtioNet, packet: &[u8], packets: &mut Packets) -> Result<(), Unfit> {
    match header.segments {
        Segments::None => {
            let checksum = header.needs_checksum.then(|| header.checksum_of(packet)).transpose()?;
            packets.push_with(|out| {
                let start = out.len();
                out.extend_from_slice(packet);
                if let Some((at, sum)) = checksum {
                    put(out.get_mut(start..).unwrap_or_default(), at, sum);
                }
            });
            Ok(())
        }
        Segments::TcpV4 | Segments::TcpV6 | Segments::Udp => segments(header, packet, packets),
    }
}

impl VirtioNet {
    /// Place and value of the transport checksum, whose field holds the pseudo-header's sum.
    fn checksum_of(&self, packet: &[u8]) -> Result<(usize, u16), Unfit> {
        let start = usize::from(self.checksum_start);
        let field = start + usize::from(self.checksum_offset);
        let covered = packet.get(start..).filter(|_| field + 2 <= packet.len()).ok_or(Unfit)?;
        let sum = u16::from_be_bytes(Checksum::default().add(covered).finish());
        let is_udp = usize::from(self.checksum_offset) == UDP_CHECKSUM;
        Ok((field, if is_udp { udp_checksum(sum) } else { sum }))
    }
}

/// Where things are in a packet that is to be cut.
struct Layout {
    /// Of the TCP or UDP header.
    transport: usize,
    /// Of the payload.
    payload: usize,
    is_v4: bool,
    protocol: u8,
}

impl Layout {
    fn of(header: VirtioNet, packet: &[u8]) -> Result<Self, Unfit> {
        let transport = usize::from(header.checksum_start);
        let is_v4 = match packet.first().ok_or(Unfit)? >> 4 {
            4 if transport >= 20 => true,
            6 if transport >= 40 => false,
            _ => return Err(Unfit),
        };
        let protocol = if header.segments == Segments::Udp { UDP } else { TCP };
        let (least, length) = match protocol {
            UDP => (8, 8),
            _ => (20, usize::from(packet.get(transport + 12).ok_or(Unfit)? >> 4) * 4),
        };
        let payload = transport + length;
        let fits = length >= least && payload <= packet.len() && header.segment_size > 0;
        if fits { Ok(Self { transport, payload, is_v4, protocol }) } else { Err(Unfit) }
    }

    fn addresses<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        let range = if self.is_v4 { 12..20 } else { 8..40 };
        packet.get(range).unwrap_or_default()
    }
}

fn segments(header: VirtioNet, packet: &[u8], packets: &mut Packets) -> Result<(), Unfit> {
    let layout = Layout::of(header, packet)?;
    let (headers, payload) = packet.split_at(layout.payload);
    let pieces = payload.chunks(header.segment_size.into());
    let last = pieces.len().saturating_sub(1);
    for (index, piece) in pieces.enumerate() {
        let offset = index * usize::from(header.segment_size);
        packets.push_with(|out| {
            let start = out.len();
            out.extend_from_slice(headers);
            out.extend_from_slice(piece);
            let segment = out.get_mut(start..).unwrap_or_default();
            layout.number(segment, index, offset, index == last);
            layout.sum_up(segment);
        });
    }
    Ok(())
}

impl Layout {
    /// Lengths, IPv4 identification, TCP sequence number and flags of one segment.
    fn number(&self, segment: &mut [u8], index: usize, offset: usize, is_last: bool) {
        let length = segment.len();
        if self.is_v4 {
            put(segment, 2, length as u16);
            let id = u16_at(segment, 4).wrapping_add(index as u16);
            put(segment, 4, id);
        } else {
            put(segment, 4, (length - 40) as u16);
        }
        let Some(transport) = segment.get_mut(self.transport..) else { return };
        if self.protocol == UDP {
            return put(transport, 4, (length - self.transport) as u16);
        }
        if let Some(sequence) = transport.get_mut(4..8).and_then(|place| place.first_chunk_mut()) {
            *sequence = u32::from_be_bytes(*sequence).wrapping_add(offset as u32).to_be_bytes();
        }
        if let Some(flags) = transport.get_mut(13) {
            *flags &= !(if is_last { 0 } else { FIN_PSH } | if index == 0 { 0 } else { CWR });
        }
    }

    /// Both checksums of one segment.
    fn sum_up(&self, segment: &mut [u8]) {
        if self.is_v4 {
            let sum = header_checksum(segment, self.transport);
            put(segment, 10, u16::from_be_bytes(sum));
        }
        let field = if self.protocol == UDP { UDP_CHECKSUM } else { TCP_CHECKSUM };
        let length = segment.len() - self.transport;
        let pseudo = Checksum::of_pseudo_header(self.addresses(segment), self.protocol, length);
        let Some(transport) = segment.get_mut(self.transport..) else { return };
        put(transport, field, 0);
        let sum = u16::from_be_bytes(pseudo.add(transport).finish());
        put(transport, field, if self.protocol == UDP { udp_checksum(sum) } else { sum });
    }
}

/// Zero would mean none (RFC 768).
fn udp_checksum(sum: u16) -> u16 {
    if sum == 0 { u16::MAX } else { sum }
}

/// Of an IPv4 header, whatever its field holds now.
pub(super) fn header_checksum(packet: &[u8], length: usize) -> [u8; 2] {
    let before = packet.get(..10).unwrap_or_default();
    let behind = packet.get(12..length).unwrap_or_default();
    Checksum::default().add(before).add(&[0, 0]).add(behind).finish()
}

pub(super) fn put(octets: &mut [u8], at: usize, value: u16) {
    if let Some(place) = octets.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

pub(super) fn u16_at(octets: &[u8], at: usize) -> u16 {
    octets.get(at..at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UDP over IPv6 from ::1 to ::1, its checksum to be completed.
    fn unfinished(payload: [u8; 2]) -> (VirtioNet, Vec<u8>) {
        let address = std::net::Ipv6Addr::LOCALHOST.octets();
        let mut packet = [&[0x60, 0, 0, 0, 0, 10, 17, 64][..], &address, &address].concat();
        packet.extend([0, 7, 0, 7, 0, 10]);
        let pseudo = Checksum::of_pseudo_header(&packet[8..40], UDP, 10).sum();
        packet.extend([pseudo, payload].concat());
        let header = VirtioNet {
            needs_checksum: true,
            checksum_start: 40,
            checksum_offset: 6,
            ..VirtioNet::default()
        };
        (header, packet)
    }

    #[test]
    fn no_udp_datagram_goes_without_a_checksum() {
        for payload in u16::MIN..=u16::MAX {
            let (header, packet) = unfinished(payload.to_be_bytes());
            let mut packets = Packets::new();
            split(header, &packet, &mut packets).unwrap();
            let packet = packets.get(0).unwrap();
            assert_ne!(packet[46..48], [0, 0]);
            let whole = Checksum::of_pseudo_header(&packet[8..40], UDP, 10).add(&packet[40..]);
            assert!(whole.is_good());
        }
    }

    #[test]
    fn what_does_not_fit_leaves_nothing() {
        let (header, packet) = unfinished([1, 2]);
        let mut packets = Packets::new();
        assert_eq!(split(header, &packet[..47], &mut packets), Err(Unfit));
        assert_eq!(split(VirtioNet { segments: Segments::Udp, ..header }, &packet, &mut packets), Err(Unfit));
        assert!(packets.is_empty());
    }
}
