use super::*;
use crate::offload::split;
use proptest::prelude::*;

/// A TCP packet as a host would send it.
#[derive(Clone, Debug)]
struct Tcp {
    v6: bool,
    port: u16,
    sequence: u32,
    flags: u8,
    payload: Vec<u8>,
}

impl Tcp {
    fn data(port: u16, sequence: u32, payload: Vec<u8>) -> Self {
        Self { v6: false, port, sequence, flags: ACK, payload }
    }

    fn octets(&self) -> Vec<u8> {
        let mut tcp = [&self.port.to_be_bytes()[..], &[0x1f, 0x90]].concat();
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend([0, 0, 0, 7, 0x80, self.flags, 2, 0, 0, 0, 0, 0]);
        tcp.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
        tcp.extend(&self.payload);
        let (source, destination) =
            if self.v6 { (vec![0xfd; 16], vec![0xfe; 16]) } else { (vec![10, 64, 0, 1], vec![10, 0, 0, 1]) };
        let addresses = [source, destination].concat();
        let sum = Checksum::of_pseudo_header(&addresses, TCP, tcp.len()).add(&tcp).finish();
        tcp[16..18].copy_from_slice(&sum);
        let mut packet = if self.v6 {
            let mut head = vec![0x60, 0, 0, 0];
            head.extend((tcp.len() as u16).to_be_bytes());
            head.extend([TCP, 64]);
            head
        } else {
            let mut head = vec![0x45, 0];
            head.extend((20 + tcp.len() as u16).to_be_bytes());
            head.extend([0, 0, 0x40, 0, 64, TCP, 0, 0]);
            head
        };
        packet.extend(&addresses);
        if !self.v6 {
            let sum = header_checksum(&packet, 20);
            packet[10..12].copy_from_slice(&sum);
        }
        packet.extend(tcp);
        packet
    }
}

fn packets<'a>(all: impl IntoIterator<Item = &'a Tcp>) -> Packets {
    let mut packets = Packets::new();
    all.into_iter().for_each(|tcp| packets.push(&tcp.octets()));
    packets
}

/// The writes of a batch, each as one buffer with the number of packets in it.
fn writes(packets: &Packets) -> Vec<(usize, Vec<u8>)> {
    let mut merger = Merger::default();
    merger.look_at(packets);
    merger.writes(packets).map(|write| (write.count(), write.parts().collect::<Vec<_>>().concat())).collect()
}

fn counts(packets: &Packets) -> Vec<usize> {
    writes(packets).iter().map(|(count, _)| *count).collect()
}

/// What the kernel makes of the writes: packets again, without their IPv4 identification.
fn as_received(packets: &Packets) -> Vec<Vec<u8>> {
    let mut received = Packets::new();
    for (_, octets) in writes(packets) {
        let (header, packet) = octets.split_first_chunk().unwrap();
        split(VirtioNet::parse(header).unwrap(), packet, &mut received).unwrap();
    }
    received.iter().map(without_id).collect()
}

fn without_id(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if packet[0] >> 4 == 4 {
        packet[4..6].fill(0);
        let sum = header_checksum(&packet, 20);
        packet[10..12].copy_from_slice(&sum);
    }
    packet
}

fn stream(v6: bool, port: u16, sizes: &[usize]) -> Vec<Tcp> {
    let mut sequence = u32::MAX - 1500;
    sizes
        .iter()
        .map(|size| {
            let payload = (0..*size).map(|octet| octet as u8).collect();
            let tcp = Tcp { v6, ..Tcp::data(port, sequence, payload) };
            sequence = sequence.wrapping_add(*size as u32);
            tcp
        })
        .collect()
}

#[test]
fn data_in_sequence_goes_as_one_and_a_shorter_packet_ends_it() {
    for v6 in [false, true] {
        let all = packets(&stream(v6, 9, &[1000, 1000, 1000, 400, 1000]));
        assert_eq!(counts(&all), [4, 1]);
        let original: Vec<_> = all.iter().map(without_id).collect();
        assert_eq!(as_received(&all), original);
    }
}

#[test]
fn connections_that_mix_are_kept_apart() {
    let (one, other) = (stream(false, 1, &[500; 4]), stream(true, 2, &[700; 4]));
    let mixed = one.iter().zip(&other).flat_map(|(one, other)| [one, other]);
    assert_eq!(counts(&packets(mixed)), [4, 4]);
}

#[test]
fn psh_ends_a_run_and_is_kept() {
    let mut all = stream(false, 1, &[500; 4]);
    all[1].flags |= PSH;
    let all = packets(&all);
    assert_eq!(counts(&all), [2, 2]);
    assert_eq!(as_received(&all), all.iter().map(without_id).collect::<Vec<_>>());
}

#[test]
fn nothing_overtakes_a_packet_of_its_own_connection() {
    let mut all = stream(false, 1, &[500; 3]);
    let fin = 0x01;
    all.insert(1, Tcp { flags: ACK | fin, ..Tcp::data(1, 7, vec![]) });
    let all = packets(&all);
    assert_eq!(counts(&all), [1, 1, 2]);
}

#[test]
fn what_differs_in_anything_else_stays_apart() {
    let changes: [fn(&mut Vec<u8>); 6] = [
        |packet| packet[1] = 0xb8,
        |packet| packet[8] = 63,
        |packet| packet[20 + 11] = 8,
        |packet| packet[20 + 14] = 9,
        |packet| packet[20 + 27] = 5,
        |packet| packet[6] = 0,
    ];
    for change in changes {
        let [first, second] = stream(false, 1, &[500; 2]).try_into().unwrap();
        let (first, mut second) = (first.octets(), second.octets());
        change(&mut second);
        second[36..38].fill(0);
        let length = second.len() - 20;
        let sum = Checksum::of_pseudo_header(&second[12..20], TCP, length).add(&second[20..]).finish();
        second[36..38].copy_from_slice(&sum);
        let sum = header_checksum(&second, 20);
        second[10..12].copy_from_slice(&sum);
        let mut all = Packets::new();
        all.push(&first);
        all.push(&second);
        assert_eq!(counts(&all), [1, 1]);
    }
}

#[test]
fn a_wrong_checksum_is_never_made_right() {
    let mut all = Packets::new();
    for tcp in stream(false, 1, &[500; 3]) {
        let mut packet = tcp.octets();
        packet[100] ^= 1;
        all.push(&packet);
    }
    assert_eq!(counts(&all), [1, 1, 1]);
    let received: Vec<_> = writes(&all).into_iter().map(|(_, octets)| octets[10..].to_vec()).collect();
    assert_eq!(received, all.iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
}

#[test]
fn a_run_never_grows_beyond_an_ip_packet() {
    for v6 in [false, true] {
        let all = packets(&stream(v6, 1, &[1400; 100]));
        assert!(writes(&all).iter().all(|(_, octets)| octets.len() <= MAX_LENGTH + VirtioNet::LENGTH));
        assert!(counts(&all).len() <= 4);
        assert_eq!(as_received(&all), all.iter().map(without_id).collect::<Vec<_>>());
    }
}

prop_compose! {
    fn any_tcp()(v6: bool, port in 1..4_u16, step in 0..6_u32, size in 0..4_usize, push: bool, odd in 0..20_u8) -> Tcp {
        let flags = match odd { 0 => 0x02, 1 => ACK | 0x01, _ => ACK | if push { PSH } else { 0 } };
        Tcp { v6, port, sequence: step * 100, flags, payload: vec![port as u8; size * 50] }
    }
}

proptest! {
    /// Whatever mixture: the same packets come out, and those of one connection in their order.
    #[test]
    fn merging_and_splitting_give_back_what_went_in(all in prop::collection::vec(any_tcp(), 0..40)) {
        let all = packets(&all);
        let flows = |packets: &[Vec<u8>]| {
            let mut flows = std::collections::BTreeMap::<_, Vec<Vec<u8>>>::new();
            for packet in packets {
                flows.entry(flow(packet).map(|(a, b)| (a.to_vec(), b.to_vec()))).or_default().push(packet.clone());
            }
            flows
        };
        let original: Vec<_> = all.iter().map(without_id).collect();
        prop_assert_eq!(flows(&as_received(&all)), flows(&original));
    }

    #[test]
    fn no_packet_makes_it_panic(all in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..8), version in 4..7_u8) {
        let mut packets = Packets::new();
        for packet in &all {
            let mut packet = packet.clone();
            if let Some(first) = packet.first_mut() { *first = version << 4 | *first & 15; }
            packets.push(&packet);
        }
        let written: usize = writes(&packets).iter().map(|(count, _)| count).sum();
        prop_assert_eq!(written, packets.len());
    }

    #[test]
    fn no_header_makes_splitting_panic(header: [u8; 10], packet in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(header) = VirtioNet::parse(&header) {
            let _ = split(header, &packet, &mut Packets::new());
        }
    }
}
