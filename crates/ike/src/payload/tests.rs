use super::*;
use proptest::prelude::*;
use std::net::IpAddr;

fn chain_of(payload: &Payload) -> (PayloadType, Vec<u8>) {
    let mut bytes = Vec::new();
    let first = write_chain(std::slice::from_ref(payload), &mut bytes);
    (first, bytes)
}

fn survives(payload: Payload) {
    let (first, bytes) = chain_of(&payload);
    assert_eq!(parse_chain(first, &bytes), Ok(vec![payload]));
}

prop_compose! {
    fn selector()(v6 in any::<bool>(), a in any::<u128>(), b in any::<u128>(), p in any::<(u16, u16)>(), protocol in any::<u8>()) -> TrafficSelector {
        let address = |bits: u128| -> IpAddr {
            if v6 { std::net::Ipv6Addr::from_bits(bits).into() } else { std::net::Ipv4Addr::from_bits(bits as u32).into() }
        };
        let (a, b) = (address(a), address(b));
        TrafficSelector { protocol, ports: (p.0.min(p.1), p.0.max(p.1)), addresses: (a.min(b), a.max(b)) }
    }
}

proptest! {
    #[test]
    fn no_octets_make_the_parser_panic(first in any::<u8>(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_chain(PayloadType(first), &bytes);
    }

    #[test]
    fn selectors_survive_the_wire(selectors in proptest::collection::vec(selector(), 1..8)) {
        survives(Payload::TsI(selectors));
    }

    #[test]
    fn narrowing_never_widens(offered in proptest::collection::vec(selector(), 0..4), allowed in proptest::collection::vec(selector(), 0..4)) {
        for narrowed in ts::narrow(&offered, &allowed) {
            prop_assert!(offered.iter().any(|o| o.intersect(&narrowed) == Some(narrowed)));
            prop_assert!(allowed.iter().any(|a| a.intersect(&narrowed) == Some(narrowed)));
        }
    }

    #[test]
    fn a_selector_narrowed_to_itself_stays(selector in selector()) {
        prop_assert_eq!(selector.intersect(&selector), Some(selector));
    }
}

#[test]
fn every_payload_survives_the_wire() {
    let transforms = vec![
        Transform::encr(Encr::AES_GCM_16, 256),
        Transform::new(TransformType::PRF, Prf::HMAC_SHA2_256.0),
        Transform::ke(KeyExchangeMethod::CURVE25519),
    ];
    let proposal = |number, protocol, spi: &[u8]| Proposal {
        number,
        protocol,
        spi: spi.to_vec(),
        transforms: transforms.clone(),
    };
    survives(Payload::Sa(vec![
        proposal(1, ProtocolId::IKE, &[]),
        proposal(2, ProtocolId::ESP, &[1, 2, 3, 4]),
    ]));
    survives(Payload::Ke(KeyExchange { method: KeyExchangeMethod::ECP_256, data: vec![5; 64] }));
    survives(Payload::IdI(Identification::fqdn("00aabbccddee.femto.operator.example")));
    survives(Payload::Cert(Certificate { encoding: CertEncoding::X509_SIGNATURE, data: vec![0x30; 700] }));
    survives(Payload::CertReq(CertificateRequest {
        encoding: CertEncoding::X509_SIGNATURE,
        authorities: vec![1; 40],
    }));
    survives(Payload::Auth(Authentication { method: AuthMethod::DIGITAL_SIGNATURE, data: vec![2; 80] }));
    survives(Payload::Nonce(vec![3; 32]));
    survives(Payload::notify(NotifyType::AUTH_LIFETIME, &86400u32.to_be_bytes()));
    survives(Payload::Delete(Delete::IkeSa));
    survives(Payload::Delete(Delete::Esp(vec![ids::Spi(0xc0ffee), ids::Spi(2)])));
    survives(Payload::VendorId(b"vendor".to_vec()));
    survives(Payload::Eap);
    let attribute = |kind, value: &[u8]| Attribute { kind, value: value.to_vec() };
    survives(Payload::Cp(Configuration {
        kind: ConfigurationType::REQUEST,
        attributes: vec![
            attribute(AttributeType::INTERNAL_IP4_ADDRESS, &[]),
            attribute(AttributeType::EXTERNAL_SOURCE_IP4_NAT_INFO, &[1, 2, 3, 4, 5, 6]),
        ],
    }));
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
