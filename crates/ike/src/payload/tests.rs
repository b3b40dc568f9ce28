use super::*;
use proptest::prelude::*;
use std::net::IpAddr;

prop_compose! {
    fn selector()(v6 in any::<bool>(), a in any::<u128>(), b in any::<u128>(), p in any::<(u16, u16)>(), protocol in any::<u8>()) -> TrafficSelector {
        let address = |bits: u128| -> IpAddr {
            if v6 { std::net::Ipv6Addr::from_bits(bits).into() } else { std::net::Ipv4Addr::from_bits(bits as u32).into() }
        };
        let (a, b) = (address(a), address(b));
        TrafficSelector { protocol, ports: (p.0.min(p.1), p.0.max(p.1)), addresses: (a.min(b), a.max(b)) }
    }
}

fn octets(lengths: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), lengths)
}

prop_compose! {
    fn transform()(kind in any::<u8>(), id in any::<u16>(), key_len in any::<Option<u16>>()) -> Transform {
        Transform { key_len, ..Transform::new(TransformType(kind), id) }
    }
}

prop_compose! {
    fn proposal()(
        number in any::<u8>(),
        protocol in any::<u8>(),
        spi in octets(0..9),
        transforms in proptest::collection::vec(transform(), 0..12),
    ) -> Proposal {
        Proposal { number, protocol: ProtocolId(protocol), spi, transforms }
    }
}

fn attribute() -> impl Strategy<Value = Attribute> {
    (0u16..0x8000, octets(0..20)).prop_map(|(kind, value)| Attribute { kind: AttributeType(kind), value })
}

fn delete() -> impl Strategy<Value = Delete> {
    let spis = proptest::collection::vec(any::<u32>().prop_map(ids::Spi), 0..9);
    prop_oneof![Just(Delete::IkeSa), spis.prop_map(Delete::Esp)]
}

fn notify() -> impl Strategy<Value = Notify> {
    let spi = prop_oneof![octets(0..1), octets(4..5), octets(8..9)];
    (any::<u8>(), spi, any::<u16>(), octets(0..70)).prop_map(|(protocol, spi, kind, data)| Notify {
        protocol: ProtocolId(protocol),
        spi,
        kind: NotifyType(kind),
        data,
    })
}

/// Any payload that can be written.
fn payload() -> impl Strategy<Value = Payload> {
    let id = || {
        let fields = (any::<u8>(), octets(0..60));
        fields.prop_map(|(id_type, data)| Identification { id_type: IdType(id_type), data })
    };
    let selectors = || proptest::collection::vec(selector(), 1..6);
    let encoding = any::<u8>().prop_map(CertEncoding);
    prop_oneof![
        proptest::collection::vec(proposal(), 1..5).prop_map(Payload::Sa),
        (any::<u16>(), octets(1..257)).prop_map(|(method, data)| {
            Payload::Ke(KeyExchange { method: KeyExchangeMethod(method), data })
        }),
        id().prop_map(Payload::IdI),
        id().prop_map(Payload::IdR),
        (encoding.clone(), octets(0..90))
            .prop_map(|(encoding, data)| Payload::Cert(Certificate { encoding, data })),
        (encoding, octets(0..90)).prop_map(|(encoding, authorities)| {
            Payload::CertReq(CertificateRequest { encoding, authorities })
        }),
        (any::<u8>(), octets(0..90)).prop_map(|(method, data)| {
            Payload::Auth(Authentication { method: AuthMethod(method), data })
        }),
        octets(16..257).prop_map(Payload::Nonce),
        notify().prop_map(Payload::Notify),
        delete().prop_map(Payload::Delete),
        octets(0..40).prop_map(Payload::VendorId),
        selectors().prop_map(Payload::TsI),
        selectors().prop_map(Payload::TsR),
        (any::<u8>(), proptest::collection::vec(attribute(), 0..8)).prop_map(|(kind, attributes)| {
            Payload::Cp(Configuration { kind: ConfigurationType(kind), attributes })
        }),
        Just(Payload::Eap),
    ]
}

proptest! {
    #[test]
    fn no_octets_make_the_parser_panic(first in any::<u8>(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_chain(PayloadType(first), &bytes);
    }

    #[test]
    fn every_chain_of_payloads_survives_the_wire(payloads in proptest::collection::vec(payload(), 0..10)) {
        let mut bytes = Vec::new();
        let first = write_chain(&payloads, &mut bytes);
        prop_assert_eq!(parse_chain(first, &bytes), Ok(payloads));
    }

    #[test]
    fn a_chain_cut_short_anywhere_is_refused(
        payloads in proptest::collection::vec(payload(), 1..4), at in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = Vec::new();
        let first = write_chain(&payloads, &mut bytes);
        prop_assert!(parse_chain(first, &bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn narrowing_never_widens(offered in proptest::collection::vec(selector(), 0..4), allowed in proptest::collection::vec(selector(), 0..4)) {
        for narrowed in ts::narrow(&offered, &allowed) {
            prop_assert!(offered.iter().any(|o| o.intersect(&narrowed) == Some(narrowed)));
            prop_assert!(allowed.iter().any(|a| a.intersect(&narrowed) == Some(narrowed)));
        }
    }

    #[test]
    fn narrowing_keeps_every_packet_that_both_sides_take(
        offered in selector(), allowed in selector(), address in any::<proptest::sample::Index>(), port in any::<u16>(),
    ) {
        // A packet from the edges of either selector: there a wrong bound shows.
        let edges = [offered.addresses.0, offered.addresses.1, allowed.addresses.0, allowed.addresses.1];
        let packet = TrafficSelector {
            protocol: offered.protocol.max(allowed.protocol).max(1),
            ports: (port, port),
            ..TrafficSelector::host(edges[address.index(4)])
        };
        let takes = |selector: &TrafficSelector| selector.intersect(&packet) == Some(packet);
        let narrowed = offered.intersect(&allowed);
        prop_assert_eq!(narrowed.is_some_and(|n| takes(&n)), takes(&offered) && takes(&allowed));
        prop_assert_eq!(narrowed, allowed.intersect(&offered));
    }

    #[test]
    fn a_selector_narrowed_to_itself_stays(selector in selector()) {
        prop_assert_eq!(selector.intersect(&selector), Some(selector));
    }
}

#[test]
fn section_4_line_33_an_unknown_payload_is_skipped_and_a_critical_one_is_named() {
    let chain =
        |critical: u8| [vec![41, critical, 0, 6, 0xaa, 0xbb], vec![0, 0, 0, 8, 0, 0, 0x40, 0x00]].concat();
    let skipped = parse_chain(PayloadType(200), &chain(0)).unwrap();
    assert_eq!(skipped, [Payload::notify(NotifyType::INITIAL_CONTACT, &[])]);
    assert_eq!(
        parse_chain(PayloadType(200), &chain(0x80)),
        Err(Malformed::UnknownCritical(PayloadType(200)))
    );
}

#[test]
fn section_4_line_33_lengths_that_lie_are_refused() {
    for lie in [0u16, 3, 9, 0xffff] {
        let mut bytes = vec![0, 0, 0, 8, 0, 0, 0x40, 0x00];
        bytes[2..4].copy_from_slice(&lie.to_be_bytes());
        assert_eq!(parse_chain(PayloadType::NOTIFY, &bytes), Err(Malformed::Truncated), "{lie}");
    }
    assert_eq!(
        parse_chain(PayloadType::NONCE, &[0, 0, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        Err(Malformed::Payload(PayloadType::NONCE))
    );
    let many = [41, 0, 0, 8, 0, 0, 0x40, 0].repeat(MAX_PAYLOADS + 1);
    assert_eq!(parse_chain(PayloadType::NOTIFY, &many), Err(Malformed::TooMany));
}

#[test]
fn an_sa_payload_as_rfc_7296_draws_it() {
    // Proposal 1, ESP, SPI c0ffee01: ENCR_AES_GCM_16 with a 128-bit key, no ESN.
    let bytes = [
        0, 0, 0, 36, // SA payload
        0, 0, 0, 32, 1, 3, 4, 2, 0xc0, 0xff, 0xee, 0x01, // proposal
        3, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 0, 128, // transform ENCR with Key Length
        0, 0, 0, 8, 5, 0, 0, 0, // transform SN
    ];
    let expected = Proposal {
        number: 1,
        protocol: ProtocolId::ESP,
        spi: vec![0xc0, 0xff, 0xee, 0x01],
        transforms: vec![Transform::encr(Encr::AES_GCM_16, 128), Transform::new(TransformType::SN, 0)],
    };
    assert_eq!(parse_chain(PayloadType::SA, &bytes), Ok(vec![Payload::Sa(vec![expected])]));
}
