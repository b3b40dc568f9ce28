use super::*;
use crate::Selector;
use proptest::prelude::*;

const SUITES: [Suite; 4] =
    [Suite::Aes128Gcm16, Suite::Aes256Gcm16, Suite::Aes128CbcHmacSha256, Suite::Aes256CbcHmacSha256];

fn keys(suite: Suite) -> Keys {
    Keys::new(suite, &vec![0x5a; suite.encryption_len()], &vec![0xa5; suite.integrity_len()]).unwrap()
}

/// What the femtocell 10.9.0.1 / fd00:9::1 and the core exchange, as the gateway sees it.
fn gateway_side() -> Arc<Selectors> {
    let host = |text: &str| Selector::host(text.parse().unwrap());
    let range = |first: &str, last: &str| Selector::range(first.parse().unwrap(), last.parse().unwrap());
    Arc::new(Selectors {
        local: Arc::new([range("10.0.0.0", "10.0.0.255"), range("fd00::", "fd00::ffff")]),
        remote: Box::new([host("10.9.0.1"), host("fd00:9::1")]),
    })
}

fn femtocell_side() -> Arc<Selectors> {
    let Selectors { local, remote } = (*gateway_side()).clone();
    Arc::new(Selectors { local: remote.into(), remote: local.to_vec().into() })
}

fn pair(suite: Suite, extended: bool) -> (OutboundSa, InboundSa) {
    let femtocell = OutboundSa::new(Spi(0x1234), keys(suite), extended, femtocell_side());
    (femtocell, InboundSa::new(Spi(0x1234), keys(suite), extended, gateway_side()))
}

fn v4(source: [u8; 4], destination: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len() as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend([source, destination].concat());
    packet.extend(payload);
    packet
}

fn uplink(payload: &[u8]) -> Vec<u8> {
    v4([10, 9, 0, 1], [10, 0, 0, 9], payload)
}

fn seal(sa: &mut OutboundSa, packet: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    sa.seal(packet, &mut out).unwrap();
    out
}

fn why(opened: Result<Opened<'_>, Rejected>) -> Option<Dropped> {
    opened.err().map(|rejected| rejected.why)
}

/// Seals octets that no honest sender would.
fn seal_raw(sa: &mut OutboundSa, plain: &[u8]) -> Vec<u8> {
    sa.sequence += 1;
    let header = Header { spi: sa.spi, sequence: sa.sequence, extended: sa.extended };
    let mut out = Vec::new();
    sa.sealer.seal(header, &mut out, |out| out.extend_from_slice(plain)).unwrap();
    out
}

proptest! {
    #[test]
    fn what_is_sealed_opens_once(payload in prop::collection::vec(any::<u8>(), 8..1400), suite in 0..4_usize, extended: bool) {
        let (mut out, mut into) = pair(SUITES[suite], extended);
        let packet = uplink(&payload);
        let sealed = seal(&mut out, &packet);
        prop_assert_eq!(sealed.len(), packet.len() + out.overhead(packet.len()));
        let (mut first, mut again) = (sealed.clone(), sealed);
        prop_assert_eq!(into.open(&mut first).unwrap().packet, &packet[..]);
        prop_assert_eq!(why(into.open(&mut again)), Some(Dropped::Replayed));
        prop_assert_eq!(into.usage(), Usage { packets: 1, octets: packet.len() as u64 });
        prop_assert_eq!(out.usage(), into.usage());
    }

    #[test]
    fn the_longest_packet_that_fits_is_the_longest(sealed in 0..2000_usize, suite in 0..4_usize) {
        let (out, _) = pair(SUITES[suite], true);
        let room = out.room(sealed);
        let whole = |length: usize| length + out.overhead(length);
        prop_assert!(room == 0 || whole(room) <= sealed);
        prop_assert!(whole(room + 1) > sealed);
    }

    #[test]
    fn no_octets_make_it_panic(mut octets in prop::collection::vec(any::<u8>(), 0..200), suite in 0..4_usize) {
        let (_, mut into) = pair(SUITES[suite], true);
        if let Some(spi) = octets.first_chunk_mut() { *spi = 0x1234_u32.to_be_bytes(); }
        prop_assert!(into.open(&mut octets).is_err());
    }
}

#[test]
fn a_dummy_packet_is_authentic_and_passes_nowhere() {
    for suite in SUITES {
        let (mut out, mut into) = pair(suite, true);
        let (length, mut sealed) = (out.room(1472), Vec::new());
        out.seal_dummy(length, &mut sealed).unwrap();
        assert!((1472 - 15..=1472).contains(&sealed.len()), "{}", sealed.len());
        assert_eq!(why(into.open(&mut sealed)), Some(Dropped::Dummy));
    }
}

#[test]
fn ipv6_inside_passes_as_ipv4_does() {
    let mut packet = vec![0x60, 0, 0, 0, 0, 8, 17, 64];
    packet.extend("fd00:9::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    packet.extend("fd00::7".parse::<std::net::Ipv6Addr>().unwrap().octets());
    packet.extend([0, 7, 0, 7, 0, 8, 0, 0]);
    let (mut out, mut into) = pair(Suite::Aes256Gcm16, true);
    let mut sealed = seal(&mut out, &packet);
    let opened = into.open(&mut sealed).unwrap();
    assert_eq!((opened.packet, opened.inner.ports), (&packet[..], Some((7, 7))));
}

#[test]
fn section_4_line_15() {
    let (mut out, mut into) = pair(Suite::Aes128Gcm16, true);
    let spoofed = v4([10, 9, 0, 2], [10, 0, 0, 9], &[0; 8]);
    let lateral = v4([10, 9, 0, 1], [10, 9, 0, 2], &[0; 8]);
    assert_eq!(out.seal(&spoofed, &mut Vec::new()), Err(Unsealed::OutsideSelectors));
    for (packet, cause) in [(spoofed, Dropped::SpoofedSource), (lateral, Dropped::OutsideSelectors)] {
        let mut plain = packet;
        plain.extend([1, 2, 2, protocol::IPV4]);
        assert_eq!(why(into.open(&mut seal_raw(&mut out, &plain))), Some(cause));
        assert!(cause.is_authentic());
    }
    assert_eq!(into.usage(), Usage::default());
}

#[test]
fn section_4_line_28() {
    for suite in SUITES {
        let (mut out, mut into) = pair(suite, false);
        let first = seal(&mut out, &uplink(&[1; 8]));
        out.sequence = 90_000;
        let mut forged = seal(&mut out, &uplink(&[2; 8]));
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(why(into.open(&mut forged)), Some(Dropped::NotAuthentic));
        into.open(&mut first.clone()).expect("a forged high number must not have moved the window");
        out.sequence = 90_000;
        into.open(&mut seal(&mut out, &uplink(&[3; 8]))).unwrap();
        out.sequence = 90_000 - WindowSize::default().packets();
        assert_eq!(why(into.open(&mut seal(&mut out, &uplink(&[4; 8])))), Some(Dropped::TooOld));
    }
}

#[test]
fn section_4_line_29() {
    let (mut out, mut into) = pair(Suite::Aes128Gcm16, true);
    for upper in [17, 6, 132, 0, 255] {
        let transport = [&[0, 7, 0, 7, 0, 8, 0, 0][..], &[1, 2, 2, upper]].concat();
        assert_eq!(why(into.open(&mut seal_raw(&mut out, &transport))), Some(Dropped::NotTunnelMode));
    }
    let mislabelled = [&uplink(&[0; 8])[..], &[1, 2, 2, protocol::IPV6]].concat();
    assert_eq!(why(into.open(&mut seal_raw(&mut out, &mislabelled))), Some(Dropped::InnerMalformed));
    let encapsulated = seal(&mut out, &uplink(&[0; 8]));
    let crate::udp_encap::Datagram::Esp(spi, _) = crate::udp_encap::classify(&encapsulated) else {
        panic!("ESP in UDP is told from IKE by its SPI, NAT or not")
    };
    assert_eq!(spi, into.spi());
    into.open(&mut encapsulated.clone()).unwrap();
}

#[test]
fn padding_must_count_from_one() {
    let (mut out, mut into) = pair(Suite::Aes128Gcm16, true);
    let with = |tail: &[u8]| [&uplink(&[0; 8])[..], tail].concat();
    assert_eq!(why(into.open(&mut seal_raw(&mut out, &with(&[0, 0, 2, 4])))), Some(Dropped::Padding));
    assert_eq!(why(into.open(&mut seal_raw(&mut out, &with(&[1, 2, 99, 4])))), Some(Dropped::Padding));
    assert!(into.open(&mut seal_raw(&mut out, &with(&[1, 2, 2, 4]))).is_ok());
}

#[test]
fn tfc_padding_is_cut_off_and_dummies_are_dropped() {
    let (mut out, mut into) = pair(Suite::Aes128Gcm16, true);
    let packet = uplink(&[9; 8]);
    let padded = [&packet[..], &[0; 200], &[1, 2, 2, protocol::IPV4]].concat();
    assert_eq!(into.open(&mut seal_raw(&mut out, &padded)).unwrap().packet, &packet[..]);
    let dummy = [&[0xee; 60][..], &[1, 2, 2, protocol::NONE]].concat();
    assert_eq!(why(into.open(&mut seal_raw(&mut out, &dummy))), Some(Dropped::Dummy));
}

#[test]
fn sequence_numbers_end_and_are_never_used_again() {
    for (extended, last) in [(false, u64::from(u32::MAX)), (true, u64::MAX)] {
        let (mut out, mut into) = pair(Suite::Aes256CbcHmacSha256, extended);
        out.sequence = last - 1;
        let mut sealed = seal(&mut out, &uplink(&[0; 8]));
        let mut buffer = vec![7];
        assert_eq!(out.seal(&uplink(&[0; 8]), &mut buffer), Err(Unsealed::SequenceExhausted));
        assert_eq!((buffer, out.sequence_left()), (vec![7], 0));
        into.replay.accept(last - 5000);
        into.open(&mut sealed).unwrap();
        assert_eq!(into.sequence_left(), 0, "what the peer has left is known, too");
    }
}

#[test]
fn a_stream_goes_on_over_the_edge_of_32_bits_and_late_packets_with_it() {
    for suite in SUITES {
        let (mut out, mut into) = pair(suite, true);
        out.sequence = (1 << 31) - 1;
        into.open(&mut seal(&mut out, &uplink(&[0; 8]))).unwrap();
        out.sequence = (1 << 32) - 500;
        let mut sealed: Vec<_> = (0..1000).map(|_| seal(&mut out, &uplink(&[1; 8]))).collect();
        sealed.iter_mut().step_by(2).for_each(|packet| assert!(into.open(packet).unwrap().newest));
        sealed.iter_mut().skip(1).step_by(2).rev().skip(1).for_each(|packet| {
            assert!(!into.open(packet).unwrap().newest);
        });
        assert_eq!(into.usage().packets, 1000);
    }
}

#[test]
fn rest_changes_nothing_but_memory() {
    let (mut out, mut into) = pair(Suite::Aes256Gcm16, true);
    for _ in 0..3 {
        into.open(&mut seal(&mut out, &uplink(&[0; 8]))).unwrap();
        out.rest();
        into.rest();
    }
    assert_eq!(into.usage().packets, 3);
}

#[test]
fn an_idle_pair_is_small() {
    // Whole-process goal: 4 KiB for each tunnel, IKE SA included.
    let selectors = size_of::<Selectors>() + 4 * size_of::<Selector>();
    let pair = size_of::<InboundSa>() + size_of::<OutboundSa>() + selectors;
    assert!(pair <= 768, "{pair} octets");
}

#[test]
fn only_the_highest_number_is_the_newest() {
    let (mut out, mut into) = pair(Suite::Aes128Gcm16, true);
    let (mut first, mut second) = (seal(&mut out, &uplink(&[1; 8])), seal(&mut out, &uplink(&[2; 8])));
    assert!(into.open(&mut second).unwrap().newest);
    assert!(!into.open(&mut first).unwrap().newest);
}
