//! Many that ask and never go on, many that are refused: whoever else comes is served, from fixed memory.

use crate::link::{Link, UNIT, gateway_config, identity, unit_config};
use ike::{Admission, Event, ExchangeType, HalfOpenLimits, Output, Path, Reason, Responder};
use std::{
    net::{Ipv4Addr, SocketAddr},
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
    let mut link = Link::new(unit_config(identity(UNIT)), gateway_config());
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
    assert_eq!(elsewhere[0][FIRST_PAYLOAD], SA, "no cookie is asked for in another prefix");
    link.unit.connect(link.now);
    link.settle();
    assert!(link.unit.ike_sa().is_some(), "{:?}", link.gateway_events);
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
