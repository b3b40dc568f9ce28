//! Replays the committed fuzz corpus on the stable tool chain.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::PathBuf};

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/offload")
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
const SYN: u8 = 0x02;

/// RFC 1071 §4.1, step by step.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let octets = parts.concat();
    let pairs = octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = pairs.sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// From a unit to a host behind the core; `transport` has its checksum at `at`.
fn packet(v6: bool, protocol: u8, mut transport: Vec<u8>, at: Option<usize>) -> Vec<u8> {
    let length = transport.len() as u16;
    let addresses = if v6 { [[0xfd; 16], [0xfe; 16]].concat() } else { vec![10, 64, 0, 1, 10, 0, 0, 1] };
    if let Some(at) = at {
        let pseudo = [&addresses[..], &u32::from(length).to_be_bytes(), &[0, 0, 0, protocol]].concat();
        let sum = checksum(&[&pseudo, &transport]);
        transport[at..at + 2].copy_from_slice(&sum);
    }
    let [high, low] = if v6 { length.to_be_bytes() } else { (length + 20).to_be_bytes() };
    let mut header = if v6 {
        vec![0x60, 0, 0, 0, high, low, protocol, 64]
    } else {
        vec![0x45, 0, high, low, 0, 0, 0x40, 0, 64, protocol, 0, 0]
    };
    header.extend(addresses);
    if !v6 {
        let sum = checksum(&[&header]);
        header[10..12].copy_from_slice(&sum);
    }
    [header, transport].concat()
}

fn tcp(v6: bool, port: u8, sequence: u32, flags: u8, payload: usize) -> Vec<u8> {
    let mut tcp = vec![0, port, 0x1f, 0x90];
    tcp.extend(sequence.to_be_bytes());
    tcp.extend([0, 0, 0, 7, 0x50, flags, 2, 0, 0, 0, 0, 0]);
    tcp.extend((0..payload).map(|octet| octet as u8));
    packet(v6, TCP, tcp, Some(16))
}

fn udp(v6: bool, payload: usize) -> Vec<u8> {
    let [high, low] = (8 + payload as u16).to_be_bytes();
    let udp = [&[0, 9, 0, 9, high, low, 0, 0][..], &vec![0x5a; payload]].concat();
    packet(v6, UDP, udp, Some(6))
}

fn merge<const N: usize>(packets: [Vec<u8>; N]) -> Vec<u8> {
    let behind_length = |packet: &Vec<u8>| [&(packet.len() as u16).to_be_bytes()[..], packet].concat();
    std::iter::once(0).chain(packets.iter().flat_map(behind_length)).collect()
}

/// `kind`: what the packet is to be cut into; `at`: places of the transport header and of the checksum in it.
fn cut(flags: u8, kind: u8, size: u16, at: (u16, u16), packet: &[u8]) -> Vec<u8> {
    let words = [at.0 + 20, size, at.0, at.1].map(u16::to_ne_bytes).concat();
    [&[1, flags, kind][..], &words, packet].concat()
}

fn tell(whole: u16, packet: &[u8]) -> Vec<u8> {
    [&[2][..], &whole.to_be_bytes(), packet].concat()
}

fn translate(packet: &[u8]) -> Vec<u8> {
    [&[3][..], packet].concat()
}

/// With octets of it changed, and nothing else.
fn with(mut packet: Vec<u8>, changes: &[(usize, u8)]) -> Vec<u8> {
    changes.iter().for_each(|(at, octet)| packet[*at] = *octet);
    packet
}

/// Inputs made by hand; a name begins with what becomes of its input.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let data = |sequence, payload| tcp(false, 1, sequence, ACK, payload);
    let wrong = |sequence| with(data(sequence, 60), &[(50, 0xee)]);
    let options = |sequence| {
        let mut packet = with(data(sequence, 40), &[(0, 0x46)]);
        packet.splice(20..20, [1, 1, 1, 0]);
        packet
    };
    let icmp = |v6, kind| packet(v6, if v6 { 58 } else { 1 }, [vec![kind, 0], vec![0; 1300]].concat(), None);
    vec![
        ("merged-v4", merge([data(0, 60), data(60, 60), data(120, 20)])),
        (
            "merged-v6-around-the-end-of-numbers",
            merge([u32::MAX - 9, 50].map(|at| tcp(true, 1, at, ACK, 60))),
        ),
        ("merged-connections-that-mix", merge([data(0, 60), tcp(true, 2, 9, ACK, 30), data(60, 60)])),
        ("merged-until-psh", merge([data(0, 60), tcp(false, 1, 60, ACK | PSH, 60), data(120, 60)])),
        ("apart-alone", merge([data(0, 60)])),
        ("apart-wrong-checksum", merge([wrong(0), wrong(60)])),
        ("apart-wrong-checksum-of-ip", merge([0, 60].map(|at| with(data(at, 60), &[(10, 0)])))),
        ("apart-options-of-ip", merge([options(0), options(40)])),
        ("apart-fragments", merge([0, 60].map(|at| with(data(at, 60), &[(6, 0x20)])))),
        ("apart-other-ttl", merge([data(0, 60), with(data(60, 60), &[(8, 63), (10, 0)])])),
        ("apart-gap", merge([data(0, 60), data(61, 60)])),
        ("apart-syn-between", merge([data(0, 60), tcp(false, 1, 60, SYN, 0), data(60, 60)])),
        ("apart-udp", merge([udp(false, 30), udp(true, 30)])),
        ("apart-header-past-the-end", merge([0, 60].map(|at| with(data(at, 8), &[(32, 0xf0)])))),
        ("apart-nothing-in-it", vec![0, 0, 0, 0, 0]),
        (
            "apart-other-length-than-said",
            merge([0, 60].map(|at| with(tcp(true, 1, at, ACK, 60), &[(5, 0x40)]))),
        ),
        ("apart-other-version", merge([vec![0x50; 60], vec![0; 60]])),
        ("split-v4", cut(1, 1, 50, (20, 16), &tcp(false, 1, u32::MAX - 60, ACK | PSH, 120))),
        ("split-v6-ecn", cut(1, 0x84, 50, (40, 16), &tcp(true, 1, 7, ACK | 0x80, 120))),
        ("split-udp", cut(1, 5, 30, (40, 6), &udp(true, 100))),
        ("split-into-single-octets", cut(1, 1, 1, (20, 16), &data(0, 5))),
        ("whole-checksum-to-complete", cut(1, 0, 0, (40, 6), &udp(true, 20))),
        ("whole-empty", cut(0, 0, 0, (0, 0), &[])),
        ("unfit-no-size", cut(1, 1, 0, (20, 16), &data(0, 60))),
        ("unfit-header-past-the-end", cut(1, 1, 50, (20, 16), &with(data(0, 8), &[(32, 0xf0)]))),
        ("unfit-header-too-short", cut(1, 1, 50, (20, 16), &with(data(0, 60), &[(32, 0x20)]))),
        ("unfit-within-the-ip-header", cut(1, 4, 50, (20, 16), &tcp(true, 1, 7, ACK, 60))),
        ("unfit-checksum-past-the-end", cut(1, 0, 0, (40, 30), &udp(true, 20))),
        ("unasked-ufo", cut(1, 3, 50, (20, 6), &udp(false, 60))),
        ("answered-v4", tell(1200, &data(0, 1300))),
        ("answered-v4-echo", tell(1200, &icmp(false, 8))),
        ("answered-v6", tell(1300, &tcp(true, 1, 7, ACK, 1300))),
        ("answered-v6-below-every-path", tell(600, &tcp(true, 1, 7, ACK, 1300))),
        ("answered-nothing-passes", tell(0, &data(0, 0))),
        ("unanswered-icmp-error", tell(1200, &icmp(false, 11))),
        ("unanswered-icmpv6-error", tell(1280, &icmp(true, 1))),
        ("unanswered-later-fragment", tell(1200, &with(data(0, 1300), &[(7, 1)]))),
        ("unanswered-from-many", tell(1280, &with(tcp(true, 1, 7, ACK, 1300), &[(8, 0xff)]))),
        ("unanswered-cut-short", tell(4, &data(0, 0)[..12])),
        ("fits-may-be-fragmented", tell(1200, &with(data(0, 1300), &[(6, 0)]))),
        ("fits-v6-of-1280", tell(600, &tcp(true, 1, 7, ACK, 1220))),
        ("nothing", vec![]),
        ("translated-v4", translate(&data(0, 60))),
        ("translated-v6", translate(&udp(true, 31))),
        ("translated-odd-before-padding", translate(&[udp(true, 31), vec![0x5a]].concat())),
        ("translated-without-a-checksum", translate(&with(udp(false, 30), &[(26, 0), (27, 0)]))),
        ("translated-checksum-of-all-ones", translate(&with(data(0, 60), &[(36, 0xff), (37, 0xff)]))),
        ("translated-checksum-past-the-end", translate(&with(data(0, 0)[..30].to_vec(), &[(3, 30)]))),
        ("translated-later-fragment", translate(&with(data(0, 60), &[(7, 9)]))),
        ("translated-echo", translate(&icmp(true, 128))),
        ("foreign-cut-short", translate(&data(0, 60)[..70])),
        ("nothing-other-kind", vec![4, 0x45]),
        ("nothing-cut-header", vec![1, 1, 1, 0]),
    ]
}

#[test]
fn each_input_of_the_corpus_becomes_what_its_name_says() {
    for (name, input) in seeds() {
        assert_eq!(fs::read(corpus().join(name)).ok(), Some(input), "{name}: run `write_the_corpus`");
    }
    for entry in fs::read_dir(corpus()).unwrap() {
        let file = entry.unwrap();
        let (name, input) = (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap());
        let became = gateway::fuzz::offload(&input);
        assert_eq!(name.split('-').next(), Some(became), "{name}");
        for cut in 0..input.len() {
            gateway::fuzz::offload(&input[..cut]);
        }
    }
}

#[test]
fn no_octet_of_the_corpus_changed_breaks_a_rule() {
    for (_, mut input) in seeds() {
        for at in 0..input.len().min(120) {
            for change in [0x01, 0x10, 0x80, 0xff] {
                input[at] ^= change;
                gateway::fuzz::offload(&input);
                input[at] ^= change;
            }
        }
    }
}

#[test]
#[ignore = "writes fuzz/corpus/offload anew"]
fn write_the_corpus() {
    fs::create_dir_all(corpus()).unwrap();
    for (name, input) in seeds() {
        fs::write(corpus().join(name), input).unwrap();
    }
}
