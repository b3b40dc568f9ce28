//! Many that ask and never go on, many that are refused: whoever else comes is served, from fixed memory.

use crate::link::{Link, UNIT, gateway_config, identity, unit_config};
use aws_lc_rs::{encoding::AsDer, rsa, signature::KeyPair};
use ike::{
    Admission, CookiePolicy, Event, ExchangeType, HalfOpenLimits, Header, InitiatorConfig, LocalIdentity,
    Output, Path, Reason, Responder, ResponderConfig,
    crypto::AuthKey,
    parse_plain,
    payload::{Identification, KeyExchangeMethod, Payload},
    write_plain,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

const PORT: u16 = 500;
const UNITS_PREFIX: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 99);
const ANOTHER_PREFIX: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 99);
/// Payload type SA of the IKE header (RFC 7296 §3.2), and where the header has it.
const SA: u8 = 33;
const FIRST_PAYLOAD: usize = 16;

/// The IKE_SA_INIT of some unit.
fn init() -> Vec<u8> {
    init_of(unit_config(identity(UNIT)))
}

fn init_of(unit: InitiatorConfig) -> Vec<u8> {
    let mut link = Link::new(unit, gateway_config());
    link.lose = Box::new(|_, _| true);
    link.unit.connect(link.now);
    link.settle();
    link.sent.remove(0).1
}

/// Sends `init` under another SPIi for each of `spis`, as from `address`; returns the answers.
fn strangers(
    gateway: &mut Responder,
    init: &[u8],
    address: Ipv4Addr,
    spis: std::ops::Range<u64>,
    now: Instant,
) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    for spi_i in spis {
        let (local, peer) = (SocketAddr::from(([127, 0, 0, 1], PORT)), SocketAddr::from((address, PORT)));
        let datagram = [&(spi_i + 1).to_be_bytes(), &init[8..]].concat();
        gateway.handle_datagram(Path { local, peer, encapsulated: false }, &datagram, now);
        gateway.take_turn(now);
        while let Some(output) = gateway.poll_output() {
            if let Output::Transmit { datagram, .. } = output {
                answers.push(datagram);
            }
        }
    }
    answers
}

#[test]
fn whoever_cannot_return_a_cookie_never_takes_more_than_half_of_a_prefix() {
    let mut link = Link::new(unit_config(identity(UNIT)), gateway_config());
    let per_prefix = gateway_config().half_open.per_prefix;
    let spoofed = 0..2 * per_prefix as u64;
    strangers(&mut link.gateway, &init(), UNITS_PREFIX, spoofed.clone(), link.now);
    assert_eq!(link.gateway.stats().half_open_now, per_prefix / 2);
    let elsewhere =
        strangers(&mut link.gateway, &init(), ANOTHER_PREFIX, spoofed.end..spoofed.end + 1, link.now);
    assert_eq!(sort(&elsewhere), (0, 1), "whoever comes now is asked first, from wherever");
    link.unit.connect(link.now);
    link.settle();
    assert!(link.unit.ike_sa().is_some(), "{:?}", link.gateway_events);
}

#[test]
fn a_copy_of_a_request_that_was_asked_for_a_cookie_is_not_taken_without_once_it_is_quiet() {
    let mut config = gateway_config();
    config.cookies = CookiePolicy::Above(1);
    let lifetime = config.half_open.lifetime;
    let mut link = Link::new(unit_config(identity(UNIT)), config);
    let (request, began) = (init(), link.now);
    let mut send = |spi: u64, after| {
        link.gateway.handle_timeout(began + after);
        sort(&strangers(&mut link.gateway, &request, UNITS_PREFIX, spi..spi + 1, began + after))
    };
    assert_eq!(send(1, Duration::ZERO), (1, 0));
    assert_eq!(send(2, Duration::ZERO), (0, 1), "one is under way");
    // By now nobody is. The unit has signed, or will sign, what has the cookie.
    assert_eq!(send(2, lifetime), (0, 1));
    assert_eq!(send(3, Duration::from_secs(59)), (0, 1));
    assert_eq!(send(4, Duration::from_secs(60)), (1, 0), "long after that it is as ever");
}

#[test]
fn whoever_cannot_return_a_cookie_never_takes_more_than_half_of_all_places() {
    let mut config = gateway_config();
    config.half_open = HalfOpenLimits { total: 10, ..config.half_open };
    let mut link = Link::new(unit_config(identity(UNIT)), config);
    strangers(&mut link.gateway, &init(), ANOTHER_PREFIX, 0..20, link.now);
    assert_eq!(link.gateway.stats().half_open_now, 5);
    link.unit.connect(link.now);
    link.settle();
    assert!(link.unit.ike_sa().is_some(), "{:?}", link.gateway_events);
}

#[test]
fn a_refused_unit_gives_its_place_back_at_once_and_hears_its_answer_again() {
    let mut link = Link::new(unit_config(identity(UNIT)), gateway_config());
    link.answer = Admission::Refuse;
    link.unit.connect(link.now);
    link.settle();
    assert_eq!(link.gateway.stats().half_open_now, 0);
    let (_, auth) =
        link.sent.iter().find(|(unit, octets)| *unit && octets[18] == ExchangeType::IKE_AUTH.0).unwrap();
    let path = Path {
        local: "127.0.0.1:4500".parse().unwrap(),
        peer: "127.0.0.2:4500".parse().unwrap(),
        encapsulated: true,
    };
    let (_, refusal) = link.sent.iter().rfind(|(unit, _)| !unit).unwrap();
    link.gateway.handle_datagram(path, auth, link.now);
    let Some(Output::Transmit { datagram, .. }) = link.gateway.poll_output() else { panic!("silence") };
    assert_eq!(&datagram, refusal);
    link.pass(Duration::from_secs(31));
    assert_eq!(link.gateway.held(), (0, 0, 0));
}

#[test]
fn refused_units_keep_no_more_places_than_there_are_and_make_room_for_the_next() {
    let mut config = gateway_config();
    config.half_open = HalfOpenLimits { total: 4, ..config.half_open };
    let mut link = Link::new(unit_config(identity(UNIT)), config);
    link.answer = Admission::Refuse;
    for attempt in 1..=10 {
        link.unit = Link::new(unit_config(identity(UNIT)), gateway_config()).unit;
        link.unit.connect(link.now);
        link.settle();
        assert_eq!(link.gateway.stats().refused(Reason::AdmissionRefused), attempt);
        assert!(link.gateway.held().0 <= 4, "{:?}", link.gateway.held());
    }
    let told = |event: &&Event| matches!(event, Event::Refused { reason: Reason::AdmissionRefused, .. });
    assert_eq!(link.gateway_events.iter().filter(told).count(), 10);
}

const COOKIE: u8 = 41;

/// A unit that speaks group 14 alone.
fn group_14_unit() -> InitiatorConfig {
    let mut config = unit_config(identity(UNIT));
    config.suites.key_exchanges = vec![KeyExchangeMethod::MODP_2048];
    config
}

fn costly(costly: u32) -> ResponderConfig {
    let config = gateway_config();
    ResponderConfig { half_open: HalfOpenLimits { costly, ..config.half_open }, ..config }
}

/// How many answers begin with an SA, and how many ask for a cookie.
fn sort(answers: &[Vec<u8>]) -> (usize, usize) {
    let begin = |kind: u8| answers.iter().filter(|answer| answer[FIRST_PAYLOAD] == kind).count();
    (begin(SA), begin(COOKIE))
}

/// The same request again, with the cookie that was asked for.
fn with_cookie(init: &[u8], spi_i: u64, answer: &[u8]) -> Vec<u8> {
    let request = [&spi_i.to_be_bytes(), &init[8..]].concat();
    let read = |octets: &[u8]| {
        let header = Header::parse(octets).unwrap();
        (header, parse_plain(&header, octets).unwrap())
    };
    let (header, payloads) = read(&request);
    let mut all: Vec<Payload> = read(answer).1;
    all.extend(payloads);
    write_plain(header, &all)
}

fn connects(link: &mut Link, unit: InitiatorConfig) -> bool {
    link.unit = Link::new(unit, gateway_config()).unit;
    link.unit.connect(link.now);
    link.settle();
    link.unit.ike_sa().is_some()
}

#[test]
fn section_4_line_23_a_flood_of_group_14_from_anywhere_leaves_half_to_whoever_returns_a_cookie() {
    let mut link = Link::new(unit_config(identity(UNIT)), costly(16));
    let (group_14, now) = (init_of(group_14_unit()), link.now);
    let mut answers = Vec::new();
    for prefix in 1..=100u8 {
        let address = Ipv4Addr::new(127, 0, prefix, 1);
        let spis = u64::from(prefix) * 10..u64::from(prefix) * 10 + 3;
        answers.extend(strangers(&mut link.gateway, &group_14, address, spis, now));
    }
    assert_eq!(
        sort(&answers),
        (2, 298),
        "half of one prefix's share is given away; from then on all are asked"
    );
    let asked = link.gateway.stats().cookies_asked;
    assert!(connects(&mut link, unit_config(identity(UNIT))), "Curve25519 as ever");
    assert_eq!(link.gateway.stats().cookies_asked, asked, "not even a cookie");
    assert!(connects(&mut link, group_14_unit()), "{:?}", link.gateway_events);
    assert_eq!(link.gateway.stats().cookies_asked, asked + 1);
    assert_eq!(link.gateway.stats().refused(Reason::CostlyQuota), 0);
}

#[test]
fn section_4_line_23_a_prefix_that_returns_cookies_takes_its_share_of_group_14_and_then_hears_nothing() {
    let mut link = Link::new(unit_config(identity(UNIT)), costly(16));
    let (group_14, now) = (init_of(group_14_unit()), link.now);
    let mut taken = 0;
    for spi_i in 1..=50 {
        let first = strangers(&mut link.gateway, &group_14, UNITS_PREFIX, spi_i - 1..spi_i, now);
        let answers = match sort(&first) {
            (1, 0) => first,
            _ => {
                let again = with_cookie(&group_14, spi_i, &first[0]);
                strangers(&mut link.gateway, &again, UNITS_PREFIX, spi_i - 1..spi_i, now)
            }
        };
        taken += sort(&answers).0;
        assert!(sort(&answers).1 == 0, "the cookie is good");
    }
    assert_eq!(taken, 4, "a quarter");
    assert_eq!(link.gateway.stats().refused(Reason::CostlyQuota), 46);
    let first = strangers(&mut link.gateway, &group_14, ANOTHER_PREFIX, 100..101, now);
    let again = with_cookie(&group_14, 101, &first[0]);
    let elsewhere = strangers(&mut link.gateway, &again, ANOTHER_PREFIX, 100..101, now);
    assert_eq!(sort(&elsewhere), (1, 0), "other prefixes have theirs");
    assert!(connects(&mut link, unit_config(identity(UNIT))), "Curve25519 from the same prefix");
    assert!(!connects(&mut link, group_14_unit()), "group 14 from the same prefix, in the same second");
    link.pass(Duration::from_secs(3));
    assert!(link.unit.ike_sa().is_some(), "and when it has retransmitted");
}

/// A unit with an RSA key of 3072 bits, whose public key stands for its certificate.
fn rsa_3072() -> LocalIdentity {
    let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa3072).unwrap();
    let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let spki: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    LocalIdentity {
        id: Identification::fqdn(UNIT),
        certificates: vec![spki.as_ref().to_vec()],
        key: Arc::new(AuthKey::from_pkcs8(pkcs8.as_ref()).unwrap()),
    }
}

#[test]
fn section_4_line_23_auth_with_a_long_rsa_key_waits_for_nobody_though_group_14_is_used_up() {
    let mut link = Link::new(unit_config(identity(UNIT)), costly(0));
    assert!(!connects(&mut link, group_14_unit()), "there is nothing left");
    assert!(connects(&mut link, unit_config(rsa_3072())), "{:?}", link.gateway_events);
}

/// One IKE_SA_INIT, with its cookie if one is asked for; the answers.
fn stranger(gateway: &mut Responder, init: &[u8], address: Ipv4Addr, spi: u64, now: Instant) -> Vec<Vec<u8>> {
    let answers = strangers(gateway, init, address, spi..spi + 1, now);
    if sort(&answers) != (0, 1) {
        return answers;
    }
    let again = with_cookie(init, spi, &answers[0]);
    strangers(gateway, &again, address, spi..spi + 1, now)
}

#[test]
fn whoever_has_waited_longest_without_going_on_makes_room_once_all_places_are_taken() {
    let mut config = gateway_config();
    config.half_open = HalfOpenLimits { total: 10, ..config.half_open };
    let mut link = Link::new(unit_config(identity(UNIT)), config);
    let init = init();
    let begin = |link: &mut Link, number: u8| {
        let address = Ipv4Addr::new(10, 0, number, 1);
        sort(&stranger(&mut link.gateway, &init, address, number.into(), link.now))
    };
    for number in 1..=10 {
        assert_eq!(begin(&mut link, number), (1, 0), "{number}");
    }
    assert_eq!(begin(&mut link, 11), (0, 0));
    assert!(!link.gateway.has_turn(link.now + Duration::from_millis(1999)), "each has its place for 2 s");
    link.now += Duration::from_secs(2);
    assert!(link.gateway.has_turn(link.now) && link.gateway.take_turn(link.now));
    while link.gateway.poll_output().is_some() {}
    for number in 12..=20 {
        assert_eq!(begin(&mut link, number), (1, 0), "{number}");
    }
    assert_eq!(begin(&mut link, 21), (0, 0));
    let stats = link.gateway.stats();
    assert_eq!((stats.half_open_now, stats.waiting_now, stats.refused(Reason::HalfOpenFull)), (10, 1, 10));
    assert!(link.gateway.held().0 <= 10, "what made room is gone");
}

#[test]
fn a_bot_in_a_units_network_takes_no_more_places_than_there_are_and_keeps_none_for_long() {
    let mut config = gateway_config();
    config.half_open = HalfOpenLimits { per_prefix: 4, ..config.half_open };
    let mut link = Link::new(unit_config(identity(UNIT)), config);
    let init = init();
    for spi in 0..4 {
        stranger(&mut link.gateway, &init, UNITS_PREFIX, spi, link.now);
    }
    assert_eq!(link.gateway.stats().half_open_now, 4);
    link.unit.connect(link.now);
    link.settle();
    assert!(link.unit.ike_sa().is_none());
    assert_eq!(link.gateway.stats().refused(Reason::PrefixQuota), 1);
    link.pass(Duration::from_secs(5));
    assert!(link.unit.ike_sa().is_some(), "when it comes again: {:?}", link.gateway_events);
}
