//! What the sender of an inner packet learns when it does not fit: ICMP "fragmentation needed" (RFC 1191 §4)
//! and ICMPv6 Packet Too Big (RFC 4443 §3.2). Bytes in, bytes out.

use crate::offload::Checksum;

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// An error holds of its packet what keeps it within what every host takes (RFC 1812 §4.3.2.3).
const MAX_V4: usize = 576;
/// RFC 4443 §3.2.
const MAX_V6: usize = 1280;
/// IPv6 has no path below this, whatever carries it (RFC 8200 §5).
const LEAST_V6: usize = 1280;

/// The MTU that a packet breaks, given that so many octets pass whole: `None` where it passes, as one or,
/// with no one to heed an error, in fragments outside.
pub(crate) fn broken_mtu(packet: &[u8], whole: usize) -> Option<usize> {
    const DONT_FRAGMENT: u8 = 0x40;
    let mtu = match packet.first()? >> 4 {
        4 => (packet.get(6)? & DONT_FRAGMENT != 0).then_some(whole)?,
        6 => whole.max(LEAST_V6),
        _ => return None,
    };
    (packet.len() > mtu).then_some(mtu)
}

/// The error to its sender, in the name of the packet's destination; `None` where none may be sent
/// (RFC 1122 §3.2.2, RFC 4443 §2.4).
pub(crate) fn answer(packet: &[u8], mtu: usize) -> Option<Vec<u8>> {
    match packet.first()? >> 4 {
        4 => answer_v4(packet, mtu),
        6 => answer_v6(packet, mtu),
        _ => None,
    }
}

fn answer_v4(packet: &[u8], mtu: usize) -> Option<Vec<u8>> {
    let header: &[u8; 20] = packet.first_chunk()?;
    let is_later_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
    let is_error = header[9] == ICMP && !matches!(packet.get(usize::from(header[0] & 15) * 4)?, 0 | 8);
    let from_many = matches!(header[12], 0 | 127 | 224..);
    if is_later_fragment || is_error || from_many {
        return None;
    }
    let copied = packet.get(..packet.len().min(MAX_V4 - 28))?;
    // Precedence 6 (RFC 1812 §4.3.2.5).
    let mut out = vec![0x45, 0xc0];
    out.extend((28 + copied.len() as u16).to_be_bytes());
    out.extend([0, 0, 0, 0, 64, ICMP, 0, 0]);
    out.extend([&header[16..20], &header[12..16]].concat());
    let checksum = Checksum::default().add(&out);
    put(&mut out, 10, checksum)?;
    out.extend([3, 4, 0, 0, 0, 0]);
    out.extend((mtu as u16).to_be_bytes());
    out.extend_from_slice(copied);
    let checksum = Checksum::default().add(out.get(20..)?);
    put(&mut out, 22, checksum)?;
    Some(out)
}

fn answer_v6(packet: &[u8], mtu: usize) -> Option<Vec<u8>> {
    let header: &[u8; 40] = packet.first_chunk()?;
    let is_error = header[6] == ICMPV6 && packet.get(40)? & 0x80 == 0;
    let from_many = header[8] == 0xff || header[8..24] == [0; 16];
    if is_error || from_many {
        return None;
    }
    let copied = packet.get(..packet.len().min(MAX_V6 - 48))?;
    let length = 8 + copied.len();
    let mut out = vec![0x60, 0, 0, 0];
    out.extend((length as u16).to_be_bytes());
    out.extend([ICMPV6, 64]);
    let addresses = [&header[24..40], &header[8..24]].concat();
    out.extend_from_slice(&addresses);
    out.extend([2, 0, 0, 0]);
    out.extend((mtu as u32).to_be_bytes());
    out.extend_from_slice(copied);
    let checksum = Checksum::of_pseudo_header(&addresses, ICMPV6, length).add(out.get(40..)?);
    put(&mut out, 42, checksum)?;
    Some(out)
}

fn put(out: &mut [u8], at: usize, checksum: Checksum) -> Option<()> {
    out.get_mut(at..at + 2)?.copy_from_slice(&checksum.finish());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONT_FRAGMENT: u8 = 0x40;
    const TCP: u8 = 6;

    fn v4(protocol: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (20 + payload.len() as u16).to_be_bytes();
        let header = [0x45, 0, length[0], length[1], 0, 1, flags, 0, 64, protocol, 0, 0];
        [&header[..], &[198, 51, 100, 7, 10, 64, 0, 9], payload].concat()
    }

    fn v6(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u16).to_be_bytes();
        let mut packet = vec![0x60, 0, 0, 0, length[0], length[1], protocol, 64];
        packet.extend([0xfd; 16]);
        packet.extend([0xfe; 16]);
        packet.extend(payload);
        packet
    }

    fn answered(packet: &[u8], mtu: usize) -> Vec<u8> {
        answer(packet, mtu).unwrap_or_default()
    }

    #[test]
    fn only_what_may_not_be_fragmented_is_too_big() {
        let (bound, free) = (v4(TCP, DONT_FRAGMENT, &[0; 1300]), v4(TCP, 0, &[0; 1300]));
        assert_eq!((broken_mtu(&bound, 1319), broken_mtu(&bound, 1320)), (Some(1319), None));
        assert_eq!(broken_mtu(&free, 600), None);
        let v6 = v6(TCP, &[0; 1300]);
        assert_eq!((broken_mtu(&v6, 1339), broken_mtu(&v6, 1340)), (Some(1339), None));
        assert_eq!(broken_mtu(&v6[..1280], 900), None, "1280 octets of IPv6 pass everywhere");
        assert_eq!(broken_mtu(&v6, 900), Some(1280));
    }

    #[test]
    fn fragmentation_needed_says_the_mtu_and_whose_packet_it_was() {
        let packet = v4(TCP, DONT_FRAGMENT, &[7; 1300]);
        let answer = answered(&packet, 1187);
        assert_eq!(answer.len(), MAX_V4);
        assert_eq!(answer[2..4], 576_u16.to_be_bytes());
        assert_eq!((&answer[12..16], &answer[16..20]), (&packet[16..20], &packet[12..16]));
        assert!(Checksum::default().add(&answer[..20]).is_good());
        assert!(Checksum::default().add(&answer[20..]).is_good());
        assert_eq!((&answer[20..22], &answer[26..28]), (&[3, 4][..], &1187_u16.to_be_bytes()[..]));
        assert_eq!(answer[28..], packet[..548]);
    }

    #[test]
    fn packet_too_big_says_the_mtu_and_whose_packet_it_was() {
        let packet = v6(TCP, &[7; 1300]);
        let answer = answered(&packet, 1290);
        assert_eq!((answer.len(), &answer[4..7]), (MAX_V6, &[0x04, 0xd8, ICMPV6][..]));
        assert_eq!((&answer[8..24], &answer[24..40]), (&[0xfe; 16][..], &[0xfd; 16][..]));
        let whole = Checksum::of_pseudo_header(&answer[8..40], ICMPV6, 1240).add(&answer[40..]);
        assert!(whole.is_good());
        assert_eq!((&answer[40..42], &answer[44..48]), (&[2, 0][..], &1290_u32.to_be_bytes()[..]));
        assert_eq!(answer[48..], packet[..1232]);
    }

    #[test]
    fn no_error_is_answered_with_an_error_and_nothing_goes_to_many() {
        assert!(answered(&v4(ICMP, DONT_FRAGMENT, &[11; 1400]), 1200).is_empty());
        assert!(!answered(&v4(ICMP, DONT_FRAGMENT, &[8; 1400]), 1200).is_empty(), "an echo request");
        assert!(answered(&v6(ICMPV6, &[1; 1400]), 1280).is_empty());
        assert!(!answered(&v6(ICMPV6, &[128; 1400]), 1280).is_empty(), "an echo request");
        let mut later = v4(TCP, DONT_FRAGMENT, &[0; 1400]);
        later[7] = 1;
        assert!(answered(&later, 1200).is_empty());
        let mut from_many = v4(TCP, DONT_FRAGMENT, &[0; 1400]);
        from_many[12] = 224;
        assert!(answered(&from_many, 1200).is_empty());
        assert!(answered(&[0x45, 0, 0], 1200).is_empty());
    }
}
