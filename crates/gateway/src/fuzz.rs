//! An entry point for fuzzers: a plain function over bytes, which must return for every input. A panic is a
//! finding, and so is a packet that is not the one that went in.

use crate::{
    classes::Class,
    core::Packets,
    offload::{Checksum, Merger, Segments, VirtioNet, split},
    quarantine::{Addresses, Confinement, Translation},
    too_big,
};
use admission::Reason;
use esp::{Inner, Rule};
use ids::UnixTime;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// Packets as units, the kernel and hosts behind the core may hand them over; returns what became of them.
///
/// `data`: one octet for the kind of what follows.
/// - 0: packets of units, each behind its length in two octets: what the kernel makes of the writes is them.
/// - 1: an offload header of 10 octets in the machine's byte order, and a packet from the kernel.
/// - 2: how many octets pass whole, in two octets, and a packet for a unit.
/// - 3: a packet of a unit in quarantine.
///
/// # Panics
/// When a packet is lost, doubled or altered, a wrong checksum is made right, a packet overtakes one of its
/// connection, an ICMP error is too long, cannot be read or answers another, or translation touches more than an address
/// and its checksums.
pub fn offload(data: &[u8]) -> &'static str {
    match data.split_first() {
        Some((0, packets)) => merge(&batch(packets)),
        Some((1, handed_over)) => cut(handed_over),
        Some((2, packet)) => tell(packet),
        Some((3, packet)) => translate(packet),
        _ => "nothing",
    }
}

fn batch(mut data: &[u8]) -> Packets {
    let mut packets = Packets::new();
    while let Some((length, rest)) = data.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        packets.push(&rest[..length]);
        data = &rest[length..];
    }
    packets
}

fn merge(packets: &Packets) -> &'static str {
    let mut merger = Merger::default();
    merger.look_at(packets);
    let (mut written, mut became) = (Packets::new(), "apart");
    for write in merger.writes(packets) {
        let octets = write.parts().collect::<Vec<_>>().concat();
        let own: Vec<_> = write.packets().collect();
        assert_eq!(own.len(), write.count());
        if let [alone] = own[..] {
            assert_eq!(octets, [&[0; VirtioNet::LENGTH], alone].concat(), "what goes alone goes as it came");
        } else {
            check_run(&octets, &own);
            became = "merged";
        }
        own.into_iter().for_each(|packet| written.push(packet));
    }
    assert_eq!(by_connection(&written), by_connection(packets), "each once, those of a connection in order");
    became
}

fn check_run(octets: &[u8], packets: &[&[u8]]) {
    assert!(octets.len() <= VirtioNet::LENGTH + usize::from(u16::MAX), "longer than an IP packet");
    let Some((header, whole)) = octets.split_first_chunk() else { panic!("no header") };
    let mut received = Packets::new();
    let cut = VirtioNet::parse(header).map(|header| split(header, whole, &mut received));
    assert_eq!(cut, Some(Ok(())));
    assert!(
        received.iter().chain(packets.iter().copied()).all(is_sound_tcp),
        "a wrong checksum is made right"
    );
    // IPv4's identification, and the checksum over it.
    let without_id = |packet: &[u8]| {
        let mut packet = packet.to_vec();
        if packet[0] >> 4 == 4 {
            packet[4..6].fill(0);
            packet[10..12].fill(0);
        }
        packet
    };
    assert!(received.iter().map(without_id).eq(packets.iter().copied().map(without_id)), "another packet");
}

/// The packets of each TCP connection; of everything else, those that are the same.
fn by_connection(packets: &Packets) -> Vec<(Vec<u8>, Vec<&[u8]>)> {
    let mut connections: Vec<(Vec<u8>, Vec<&[u8]>)> = Vec::new();
    for packet in packets.iter() {
        let key = connection(packet).unwrap_or_else(|| packet.to_vec());
        match connections.iter_mut().find(|(other, _)| *other == key) {
            Some((_, packets)) => packets.push(packet),
            None => connections.push((key, vec![packet])),
        }
    }
    connections.sort();
    connections
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Addresses and ports.
fn connection(packet: &[u8]) -> Option<Vec<u8>> {
    let (is_tcp, transport) = match packet.first()? >> 4 {
        4 => (packet.get(9) == Some(&TCP) && is_whole(packet), usize::from(packet[0] & 15) * 4),
        6 => (packet.get(6) == Some(&TCP), 40),
        _ => return None,
    };
    let ports = packet.get(transport..transport + 4).filter(|_| is_tcp)?;
    Some([addresses(packet)?, ports].concat())
}

fn is_whole(packet: &[u8]) -> bool {
    packet.get(6..8).is_some_and(|flags| (flags[0] & 0x3f, flags[1]) == (0, 0))
}

fn addresses(packet: &[u8]) -> Option<&[u8]> {
    packet.get(if packet.first()? >> 4 == 4 { 12..20 } else { 8..40 })
}

fn is_sound_tcp(packet: &[u8]) -> bool {
    is_sound(packet, if packet[0] >> 4 == 4 { 20 } else { 40 }, TCP)
}

/// Its checksums are right.
fn is_sound(packet: &[u8], transport: usize, protocol: u8) -> bool {
    let (ip, segment) = packet.split_at(transport);
    let pseudo = addresses(packet).map(|octets| Checksum::of_pseudo_header(octets, protocol, segment.len()));
    let is_v4 = packet[0] >> 4 == 4;
    pseudo.is_some_and(|pseudo| pseudo.add(segment).is_good())
        && (!is_v4 || Checksum::default().add(ip).is_good())
}

fn cut(data: &[u8]) -> &'static str {
    let Some((header, packet)) = data.split_first_chunk() else { return "nothing" };
    let Some(header) = VirtioNet::parse(header) else { return "unasked" };
    assert_eq!(VirtioNet::parse(&header.to_octets()), Some(header));
    let mut packets = Packets::new();
    if split(header, packet, &mut packets).is_err() {
        assert!(packets.is_empty(), "what does not fit leaves nothing");
        return "unfit";
    }
    let transport = usize::from(header.checksum_start);
    let (protocol, payload) = match header.segments {
        Segments::None => {
            assert!(packets.len() == 1 && packets.iter().all(|one| one.len() == packet.len()));
            return "whole";
        }
        Segments::Udp => (UDP, transport + 8),
        Segments::TcpV4 | Segments::TcpV6 => (TCP, transport + usize::from(packet[transport + 12] >> 4) * 4),
    };
    let pieces: Vec<_> = packets.iter().map(|segment| &segment[payload..]).collect();
    assert_eq!(pieces.concat(), packet[payload..], "not the payload that went in");
    assert!(pieces.iter().all(|piece| (1..=header.segment_size.into()).contains(&piece.len())));
    assert!(packets.iter().all(|segment| is_sound(segment, transport, protocol)), "a wrong checksum");
    "split"
}

const STANDS_FOR: Addresses = Addresses {
    v4: Some(Ipv4Addr::new(172, 31, 255, 254)),
    v6: Some(Ipv6Addr::new(0xfd99, 0, 7, 0, 0, 0, 0, 1)),
};

fn translate(packet: &[u8]) -> &'static str {
    let Ok(inner) = Inner::parse(packet) else { return "foreign" };
    let (own, outside) = match inner.source {
        IpAddr::V4(v4) => (Addresses { v4: Some(v4), v6: None }, Addresses { v6: None, ..STANDS_FOR }),
        IpAddr::V6(v6) => (Addresses { v4: None, v6: Some(v6) }, Addresses { v4: None, ..STANDS_FOR }),
    };
    let there_and_back = [(own, outside), (outside, own)];
    let whole = &packet[..inner.length];
    let (mut was, mut is) = (whole.to_vec(), Vec::new());
    for (from, to) in there_and_back {
        is.clear();
        let Some(translation) = Translation::new(from, to) else { panic!("one family") };
        let Ok(read) = Inner::parse(&was) else { panic!("no packet any more") };
        translation.outward(&was, &read, &mut is);
        assert!(Inner::parse(&is).is_ok_and(|now| Some(now.source) == to.iter().next()));
        std::mem::swap(&mut was, &mut is);
    }
    assert_eq!(was.len(), whole.len());
    // A checksum of all ones may have become the other zero.
    let pairs = was.chunks(2).zip(whole.chunks(2)).filter(|(is, was)| is != was);
    assert!(pairs.clone().count() <= 2 && pairs.clone().all(|(is, _)| is == [0, 0] || is == [0xff, 0xff]));
    "translated"
}

/// Takes packets of a unit in quarantine, as they come out of its tunnel, and those for it, as they come from the core, all
/// that way but for the tunnel's own keys; says how many octets went on, out and in. What it needs is kept.
pub fn quarantine(
    own: Ipv4Addr,
    stands_for: Ipv4Addr,
    reach: Rule,
) -> impl FnMut(&[u8], &[u8]) -> [usize; 2] {
    let (inside, outside) =
        (Addresses { v4: Some(own), v6: None }, Addresses { v4: Some(stands_for), v6: None });
    let confinement = Translation::new(inside, outside).map(|translation| Confinement {
        reason: Reason::SecondClaim,
        class: Arc::new(Class::new(&[reach], &[])),
        translation,
        until: UnixTime::from_secs(0),
    });
    let (mut core, mut inward) = (Packets::new(), Vec::new());
    move |out, back| {
        core.clear();
        let Some(confinement) = &confinement else { return [0; 2] };
        if let Ok(inner) = Inner::parse(out)
            && confinement.check_inbound(&inner, out).is_ok()
        {
            core.push_with(|into| confinement.translation.outward(out, &inner, into));
        }
        let inner = Inner::parse(back).ok().filter(|inner| confinement.check_outbound(inner, back).is_ok());
        let came = inner.and_then(|inner| confinement.translation.inward(back, &inner, &mut inward));
        [core.octets(), came.map_or(0, |_| inward.len())]
    }
}

fn tell(data: &[u8]) -> &'static str {
    let Some((whole, packet)) = data.split_first_chunk() else { return "nothing" };
    let Some(mtu) = too_big::broken_mtu(packet, u16::from_be_bytes(*whole).into()) else { return "fits" };
    assert!(packet.len() > mtu);
    let Some(answer) = too_big::answer(packet, mtu) else { return "unanswered" };
    let (most, protocol, message) = if packet[0] >> 4 == 4 { (576, 1, 20) } else { (1280, 58, 40) };
    assert!(answer.len() <= most, "{} octets", answer.len());
    let Ok(inner) = esp::Inner::parse(&answer) else { panic!("no IP packet") };
    assert_eq!((inner.length, inner.protocol), (answer.len(), protocol));
    let (from, to) = addresses(packet).unwrap_or_default().split_at(if protocol == 1 { 4 } else { 16 });
    assert_eq!(
        addresses(&answer),
        Some(&[to, from].concat()[..]),
        "from where the packet went, to its sender"
    );
    assert!(packet.starts_with(&answer[message + 8..]), "the packet that it is about");
    assert_eq!(too_big::answer(&answer, mtu), None, "an error is answered with an error");
    "answered"
}
