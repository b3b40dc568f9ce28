use crate::link::{HOME, Link, UNIT, gateway_config, identity, seen_at, unit_config};
use ike::{Event, Header, IkeSaId, Output};
use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

const MOVED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);
/// Nobody is there.
const VICTIM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 99);

fn moves(link: &Link) -> Vec<(Ipv4Addr, Ipv4Addr)> {
    let address = |path: &ike::Path| path.peer.ip().to_string().parse().unwrap();
    let moves = link.gateway_events.iter().filter_map(|event| match event {
        Event::PathChanged { from, to, .. } => Some((address(from), address(to))),
        _ => None,
    });
    moves.collect()
}

fn sent_to(link: &Link, address: Ipv4Addr) -> Vec<Instant> {
    link.sent_to.iter().filter(|(to, _)| *to == address).map(|(_, at)| *at).collect()
}

fn attached() -> (Link, IkeSaId) {
    let mut link = Link::attached();
    let sa = link.asked[0].1;
    link.sent_to.clear();
    (link, sa)
}

/// What the gateway sends at once, without handing it on.
fn held_back(link: &mut Link) -> Vec<(Ipv4Addr, Vec<u8>)> {
    let mut sent = Vec::new();
    while let Some(output) = link.gateway.poll_output() {
        match output {
            Output::Transmit { path, datagram } => {
                sent.push((path.peer.ip().to_string().parse().unwrap(), datagram));
            }
            Output::Event(event) => link.gateway_events.push(event),
            other => panic!("{other:?}"),
        }
    }
    sent
}

fn unit_answers(link: &mut Link, request: &[u8]) -> Vec<u8> {
    link.unit.handle_datagram(seen_at(HOME), request, link.now);
    loop {
        if let Output::Transmit { datagram, .. } = link.unit.poll_output().unwrap() {
            return datagram;
        }
    }
}

// <-- INFORMATIONAL { } to the new address alone
// --> INFORMATIONAL { } from there
#[test]
fn a_tunnel_follows_a_unit_that_answers_from_its_new_address() {
    let (mut link, sa) = attached();
    link.unit_at = MOVED;
    link.gateway.probe_path(sa, seen_at(MOVED), link.now);
    assert_eq!(moves(&link), []);
    link.settle();
    assert_eq!(moves(&link), [(HOME, MOVED)]);
    assert_eq!(sent_to(&link, HOME), []);
    link.gateway.rekey_child_sa(sa, link.gateway_children[0].spi_in, link.now);
    link.settle();
    link.assert_children_match(1);
    assert_eq!(sent_to(&link, HOME), [], "requests follow");
}

#[test]
fn an_address_that_does_not_answer_is_asked_three_times_and_the_unit_where_it_was_goes_on() {
    let (mut link, sa) = attached();
    let start = link.now;
    link.gateway.probe_path(sa, seen_at(VICTIM), link.now);
    link.settle();
    link.pass(Duration::from_secs(50));
    let seconds = [0, 2, 4].map(|seconds| start + Duration::from_secs(seconds));
    assert_eq!(sent_to(&link, VICTIM), seconds);
    assert_eq!(sent_to(&link, HOME), [start + Duration::from_secs(6)], "then it is asked whether it lives");
    assert_eq!(moves(&link), []);
    link.gateway.rekey_child_sa(sa, link.gateway_children[0].spi_in, link.now);
    link.settle();
    link.assert_children_match(1);
}

// <-- INFORMATIONAL { } to an address that the unit has left already, then the same to where it is
// --> INFORMATIONAL { } which proves nothing
// <-- INFORMATIONAL { } there alone
#[test]
fn a_unit_that_moves_on_while_it_is_asked_elsewhere_is_followed_a_second_later() {
    let (mut link, sa) = attached();
    link.unit_at = MOVED;
    link.gateway.probe_path(sa, seen_at(VICTIM), link.now);
    link.settle();
    link.pass(Duration::from_secs(1));
    link.gateway.probe_path(sa, seen_at(MOVED), link.now);
    let [(MOVED, repeated)] = &held_back(&mut link)[..] else { panic!("what was asked elsewhere") };
    let answer = unit_answers(&mut link, repeated);
    link.gateway.handle_datagram(seen_at(MOVED), &answer, link.now);
    assert_eq!(moves(&link), []);
    link.settle();
    assert_eq!(moves(&link), [(HOME, MOVED)]);
}

#[test]
fn whoever_makes_packets_come_from_everywhere_makes_one_probe_a_second_at_most() {
    let (mut link, sa) = attached();
    for tenth in 0..1200_u32 {
        link.gateway.probe_path(sa, seen_at(Ipv4Addr::from(0x7f01_0000 + tenth)), link.now);
        link.settle();
        link.pass(Duration::from_millis(100));
    }
    let elsewhere: Vec<_> = link.sent_to.iter().filter(|(to, _)| *to != HOME).collect();
    // Of each second one, and what is repeated at home goes there as well, each few seconds.
    assert!((100..=180).contains(&elsewhere.len()), "{}", elsewhere.len());
    assert_eq!(link.gateway.stats().established_now, 1);
    link.assert_children_match(1);
}

// <-- INFORMATIONAL { } to the known address
// --> INFORMATIONAL { } which somebody hands on in the name of another
#[test]
fn an_answer_proves_no_address_when_the_request_went_elsewhere_too() {
    let (mut link, sa) = attached();
    link.gateway.probe(sa, link.now);
    let [(HOME, request)] = &held_back(&mut link)[..] else { panic!("one request to the known address") };
    link.gateway.probe_path(sa, seen_at(VICTIM), link.now);
    assert_eq!(held_back(&mut link), [(VICTIM, request.clone())], "it may be the only way to the unit");
    let answer = unit_answers(&mut link, request);
    link.gateway.handle_datagram(seen_at(VICTIM), &answer, link.now);
    let [(VICTIM, probe)] = &held_back(&mut link)[..] else {
        panic!("another request, to be asked there alone")
    };
    assert_ne!(probe, request);
    assert_eq!(moves(&link), []);
    assert!(matches!(link.gateway_events.last(), Some(Event::ProbeAnswered { .. })), "but it lives");
}

#[test]
fn an_answer_from_another_address_than_the_asked_one_moves_nothing() {
    let (mut link, sa) = attached();
    link.gateway.probe_path(sa, seen_at(MOVED), link.now);
    let [(MOVED, probe)] = &held_back(&mut link)[..] else { panic!("one probe") };
    let answer = unit_answers(&mut link, probe);
    link.gateway.handle_datagram(seen_at(VICTIM), &answer, link.now);
    assert_eq!(moves(&link), []);
    link.settle();
    link.pass(Duration::from_secs(30));
    link.assert_children_match(1);
}

#[test]
fn a_request_that_the_old_address_swallowed_reaches_the_new_one_first() {
    let (mut link, sa) = attached();
    link.unit_at = MOVED;
    let old = link.gateway_children[0].spi_in;
    link.gateway.rekey_child_sa(sa, old, link.now);
    link.settle();
    link.pass(Duration::from_secs(1));
    assert_eq!(link.gateway_children[0].spi_in, old);
    link.gateway.probe_path(sa, seen_at(MOVED), link.now);
    link.settle();
    link.assert_children_match(1);
    assert_ne!(link.gateway_children[0].spi_in, old);
    assert_eq!(moves(&link), [(HOME, MOVED)]);
}

// --> CREATE_CHILD_SA from the new address
// <-- its answer, there
// <-- INFORMATIONAL { } there
#[test]
fn a_fresh_request_from_elsewhere_is_answered_there_and_makes_a_probe() {
    let (mut link, _) = attached();
    link.unit_at = MOVED;
    link.unit.rekey_child_sa(link.unit_children[0].spi_in, link.now);
    link.settle();
    link.assert_children_match(1);
    assert_eq!(moves(&link), [(HOME, MOVED)]);
    assert_eq!(sent_to(&link, HOME), []);
}

#[test]
fn whether_a_unit_lives_is_found_out_while_another_address_is_asked() {
    let (mut link, sa) = attached();
    link.gateway.probe_path(sa, seen_at(VICTIM), link.now);
    link.settle();
    link.gateway.probe(sa, link.now);
    link.settle();
    assert!(
        matches!(link.gateway_events.last(), Some(Event::ProbeAnswered { .. })),
        "{:?}",
        link.gateway_events
    );

    let (mut link, sa) = attached();
    link.unit_at = MOVED;
    link.gateway.probe(sa, link.now);
    link.settle();
    link.gateway.probe_path(sa, seen_at(MOVED), link.now);
    link.settle();
    assert!(link.gateway_events.iter().any(|event| matches!(event, Event::ProbeAnswered { .. })));
    assert_eq!(moves(&link), [(HOME, MOVED)]);
}

#[test]
fn a_rekey_of_the_ike_sa_takes_the_probe_with_it() {
    let (mut link, sa) = attached();
    link.gateway.probe_path(sa, seen_at(MOVED), link.now);
    link.settle();
    assert_eq!((sent_to(&link, MOVED).len(), moves(&link)), (1, vec![]));
    link.unit_at = MOVED;
    link.unit.rekey_ike_sa(link.now);
    link.settle();
    assert_eq!(moves(&link), [(HOME, MOVED)]);
    assert_eq!(link.gateway.stats().ike_rekeyed, 1);
    link.pass(Duration::from_secs(200));
    link.assert_children_match(1);
}

#[test]
fn a_unit_that_answers_nowhere_is_given_up_however_much_it_sends() {
    let (mut link, sa) = attached();
    link.lose = Box::new(|_, datagram| Header::parse(datagram).is_ok());
    let start = link.now;
    while link.gateway.stats().established_now == 1 && link.now < start + Duration::from_secs(300) {
        link.gateway.heard(sa, link.now);
        link.gateway.probe_path(sa, seen_at(MOVED), link.now);
        link.settle();
        link.pass(Duration::from_millis(500));
    }
    let took = link.now - start;
    assert!(took > Duration::from_secs(80) && took < Duration::from_secs(120), "{took:?}");
}

#[test]
fn esp_in_udp_keeps_to_its_port() {
    let (mut link, sa) = attached();
    let mut plain = seen_at(MOVED);
    (plain.local, plain.encapsulated) = (([127, 0, 0, 1], 500).into(), false);
    link.gateway.probe_path(sa, plain, link.now);
    link.settle();
    assert_eq!(link.sent_to, []);
}

/// Whoever holds a copied key far from the unit's line sends IKE_SA_INIT from where it is, since it needs the
/// answer, and IKE_AUTH in the name of an address on the line, whose answer it can do without: CREATE_CHILD_SA
/// brings it an SPI wherever it asks from. Admission judges the address that has received nothing.
#[test]
fn an_address_that_has_received_nothing_is_not_what_admission_judges() {
    let mut link = Link::new(unit_config(identity(UNIT)), gateway_config());
    link.unit.connect(link.now);
    let Some(Output::Transmit { datagram: init, .. }) = link.unit.poll_output() else {
        panic!("IKE_SA_INIT")
    };
    let over = |port, address: Ipv4Addr| ike::Path {
        local: ([127, 0, 0, 1], port).into(),
        peer: (address, port).into(),
        encapsulated: port == 4500,
    };
    link.gateway.handle_datagram(over(500, MOVED), &init, link.now);
    assert!(link.gateway.take_turn(link.now));
    let [(MOVED, answer)] = &held_back(&mut link)[..] else { panic!("its answer") };
    let own = ike::Path {
        local: ([127, 0, 0, 2], 500).into(),
        peer: ([127, 0, 0, 1], 500).into(),
        encapsulated: false,
    };
    link.unit.handle_datagram(own, answer, link.now);
    let Some(Output::Transmit { datagram: auth, .. }) = link.unit.poll_output() else { panic!("IKE_AUTH") };
    link.unit_at = MOVED;
    link.gateway.handle_datagram(over(4500, VICTIM), &auth, link.now);
    link.settle();
    let judged: Vec<_> = link.asked.iter().map(|(_, _, auth, _)| auth.path().peer.ip()).collect();
    assert!(!judged.contains(&VICTIM.into()), "{judged:?}: nobody there has received anything of ours");
}
