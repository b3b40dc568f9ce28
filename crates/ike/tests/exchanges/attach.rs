use crate::link::{GATEWAY, HOME, INNER, Link, UNIT, gateway_config, identity, peer, unit_config};
use ike::{
    Admission, ConnectFailure, CookiePolicy, DeletedBy, Event, ExchangeType, Header, Output, Path, Reason,
    Refusal, Responder,
    crypto::AwsLc,
    payload::{Identification, KeyExchangeMethod, NotifyType, Payload, TrafficSelector},
};
use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

// --> IKE_SA_INIT { SAi1, KEi, Ni, N(...) }
// <-- IKE_SA_INIT { SAr1, KEr, Nr, CERTREQ, N(...) }
// --> IKE_AUTH { IDi, CERT, CERTREQ, IDr, AUTH, CP(CFG_REQUEST), SAi2, TSi, TSr }
// <-- IKE_AUTH { IDr, CERT, AUTH, CP(CFG_REPLY), SAr2, TSi, TSr, N(AUTH_LIFETIME) }
#[test]
fn a_unit_attaches_in_two_round_trips_and_gets_its_own_address_only() {
    let link = Link::attached();
    assert_eq!(link.sent.len(), 4);
    link.assert_children_match(1);
    let child = &link.gateway_children[0];
    assert_eq!(child.ts_remote, [TrafficSelector::host(INNER.into())], "TSi 0.0.0.0/0 was narrowed");
    let connected = link.unit_events.iter().find_map(|event| match event {
        Event::Connected { inner_v4, auth_lifetime, .. } => Some((*inner_v4, *auth_lifetime)),
        _ => None,
    });
    assert_eq!(connected, Some((Some(INNER), Some(Duration::from_secs(86_400)))));
    let (_, _, auth, _) = &link.asked[0];
    assert_eq!(auth.idi(), &Identification::fqdn(UNIT));
}

#[test]
fn section_4_line_1_only_ike_version_2_is_spoken() {
    let mut link = Link::new(unit_config(identity(UNIT)), gateway_config());
    link.unit.connect(link.now);
    link.settle();
    let (_, init) = link.sent[0].clone();
    let path = Path {
        local: "127.0.0.1:500".parse().unwrap(),
        peer: "127.0.0.9:500".parse().unwrap(),
        encapsulated: false,
    };
    for (version, answered) in [(0x10, false), (0x30, true)] {
        let mut other = init.clone();
        other[17] = version;
        link.gateway.handle_datagram(path, &other, link.now);
        link.gateway.take_turn(link.now);
        let answer = link.gateway.poll_output();
        assert_eq!(answer.is_some(), answered, "version {version:02x}");
    }
    assert_eq!(link.gateway.stats().refused(Reason::MajorVersion), 2);
}

#[test]
fn section_4_line_3_a_peer_without_a_certificates_signature_is_refused() {
    let mut unit = identity(UNIT);
    unit.certificates.clear();
    let mut link = Link::new(unit_config(unit), gateway_config());
    link.unit.connect(link.now);
    link.settle();
    assert!(link.asked.is_empty(), "nobody is asked about a peer that is not authenticated");
    assert_refused(&link, Reason::NoCertificate);
}

fn assert_refused(link: &Link, expected: Reason) {
    let failed = Event::ConnectFailed { why: ConnectFailure::Notify(NotifyType::AUTHENTICATION_FAILED) };
    assert!(link.unit_events.contains(&failed), "{:?}", link.unit_events);
    let reasons: Vec<_> = link
        .gateway_events
        .iter()
        .filter_map(|event| match event {
            Event::Refused { reason, .. } => Some(*reason),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, [expected]);
    assert!(link.gateway_children.is_empty());
}

#[test]
fn section_4_line_35_every_refusal_reads_authentication_failed() {
    let refuse = |edit: &dyn Fn(&mut Link), expected| {
        let mut link = Link::new(unit_config(identity(UNIT)), gateway_config());
        edit(&mut link);
        link.unit.connect(link.now);
        link.settle();
        assert_refused(&link, expected);
    };
    refuse(&|link| link.peer_answer = Err(Refusal::Final), Reason::PeerRefused);
    refuse(&|link| link.answer = Admission::Refuse, Reason::AdmissionRefused);
}

#[test]
fn section_4_line_2_auth_by_another_key_than_the_certificates_is_refused() {
    let (mut unit, other) = (identity(UNIT), identity(UNIT));
    unit.key = other.key;
    let mut link = Link::new(unit_config(unit), gateway_config());
    link.unit.connect(link.now);
    link.settle();
    assert_refused(&link, Reason::AuthMismatch);
    assert!(link.asked.is_empty());
}

#[test]
fn silence_after_a_transient_cause_and_the_same_ike_auth_is_judged_anew() {
    let mut link = Link::new(unit_config(identity(UNIT)), gateway_config());
    link.answer = Admission::Drop;
    link.unit.connect(link.now);
    link.settle();
    assert_eq!(link.sent.len(), 3, "no answer to IKE_AUTH");
    link.pass(Duration::from_secs(3));
    assert_eq!(link.asked.len(), 2);
    link.answer = Admission::Grant(crate::link::grant());
    link.pass(Duration::from_secs(30));
    assert!(link.unit.ike_sa().is_some());
    link.assert_children_match(1);
}

#[test]
fn the_start_of_a_units_retransmission_timer_is_seen_where_a_request_comes_again() {
    for lost in [ExchangeType::IKE_SA_INIT, ExchangeType::IKE_AUTH] {
        let mut config = unit_config(identity(UNIT));
        config.times.retransmission.first = Duration::from_secs(4);
        let mut link = Link::new(config, gateway_config());
        if lost == ExchangeType::IKE_AUTH {
            link.answer = Admission::Drop;
        }
        let mut answers = 0;
        link.lose = Box::new(move |from_unit, octets| {
            answers += u32::from(!from_unit && octets[18] == lost.0);
            !from_unit && octets[18] == lost.0 && answers == 1
        });
        link.unit.connect(link.now);
        link.settle();
        assert!(link.asked.iter().all(|(.., request)| request.fingerprint.first_retransmission.is_none()));
        link.pass(Duration::from_secs(5));
        let (.., request) = link.asked.last().unwrap();
        let seen = &request.fingerprint;
        assert_eq!(
            (seen.first_retransmission, seen.retransmissions),
            (Some(Duration::from_secs(4)), 1),
            "{lost:?}"
        );
    }
}

#[test]
fn a_request_that_was_doubled_on_the_way_says_nothing_about_a_timer() {
    let mut link = Link::new(unit_config(identity(UNIT)), gateway_config());
    link.unit.connect(link.now);
    let Some(Output::Transmit { path, datagram }) = link.unit.poll_output() else { panic!("no request") };
    let seen = Path { local: path.peer, peer: (HOME, path.local.port()).into(), ..path };
    for _ in 0..2 {
        link.gateway.handle_datagram(seen, &datagram, link.now);
        while link.gateway.take_turn(link.now) {}
    }
    link.settle();
    let (.., request) = &link.asked[0];
    assert_eq!((request.fingerprint.retransmissions, request.fingerprint.first_retransmission), (1, None));
}

#[test]
fn section_4_line_23_a_cookie_comes_first_and_nothing_is_kept_before_it() {
    let mut config = gateway_config();
    config.cookies = CookiePolicy::Always;
    let mut link = Link::new(unit_config(identity(UNIT)), config);
    link.lose = Box::new(|_, _| true);
    link.unit.connect(link.now);
    link.settle();
    assert_eq!(link.gateway.stats().half_open_now, 0);
    link.lose = Box::new(|_, _| false);
    link.pass(Duration::from_secs(3));
    assert!(link.unit.ike_sa().is_some());
    assert_eq!(link.gateway.stats().cookies_asked, 1);
}

#[test]
fn copies_on_both_sides_of_a_new_secret_have_a_unit_begin_anew_and_it_attaches() {
    let mut config = gateway_config();
    config.cookies = CookiePolicy::Always;
    let lifetime = config.half_open.lifetime;
    let mut link = Link::new(unit_config(identity(UNIT)), config);
    link.lose = Box::new(|_, _| true);
    link.unit.connect(link.now);
    link.settle();
    let request = link.sent.remove(0).1;
    let (here, there) = ((Ipv4Addr::LOCALHOST, 500).into(), (HOME, 500).into());
    let to_gateway = Path { local: here, peer: there, encapsulated: false };
    let to_unit = Path { local: there, peer: here, encapsulated: false };
    let cookies = [59, 61].map(|seconds| {
        link.gateway.handle_datagram(to_gateway, &request, link.now + Duration::from_secs(seconds));
        match link.gateway.poll_output() {
            Some(Output::Transmit { datagram, .. }) => datagram,
            other => panic!("{other:?}"),
        }
    });
    assert_ne!(cookies[0], cookies[1], "the secret is another one by then");
    link.now += Duration::from_secs(61);
    link.unit.handle_datagram(to_unit, &cookies[0], link.now);
    let Some(Output::Transmit { datagram: signed, .. }) = link.unit.poll_output() else { panic!() };
    link.gateway.handle_datagram(to_gateway, &signed, link.now);
    while link.gateway.take_turn(link.now) {}
    assert_eq!(link.gateway.stats().half_open_now, 1);
    link.lose = Box::new(|_, _| false);
    // Which of its requests an answer is to, it does not say: AUTH could sign the wrong one.
    link.unit.handle_datagram(to_unit, &cookies[1], link.now);
    link.settle();
    assert!(link.unit.ike_sa().is_some(), "{:?}", link.unit_events);
    assert_eq!(link.gateway.stats().half_open_now, 1, "for the first request nobody comes");
    link.pass(lifetime);
    assert_eq!(link.gateway.stats().half_open_now, 0);
}

#[test]
fn section_4_line_20_invalid_ke_payload_is_followed_with_cookies_and_without() {
    for cookies in [CookiePolicy::Above(1000), CookiePolicy::Always] {
        let mut unit = unit_config(identity(UNIT));
        unit.suites.key_exchanges = vec![KeyExchangeMethod::MODP_2048, KeyExchangeMethod::ECP_256];
        let mut gateway = gateway_config();
        gateway.suites.key_exchanges = vec![KeyExchangeMethod::CURVE25519, KeyExchangeMethod::ECP_256];
        gateway.cookies = cookies;
        let mut link = Link::new(unit, gateway);
        link.unit.connect(link.now);
        link.settle();
        assert!(link.unit.ike_sa().is_some(), "{cookies:?} {:?}", link.unit_events);
        assert_eq!(link.gateway.stats().refused(Reason::InvalidKe), 1);
    }
}

#[test]
fn section_4_line_22_a_long_chain_goes_in_fragments_and_nothing_is_reassembled_before_init() {
    let mut unit = identity(UNIT);
    unit.certificates.extend((0..3).map(|_| vec![0x30; 1000]));
    let mut config = unit_config(unit);
    config.times.fragment_limit = 544;
    let mut link = Link::new(config, gateway_config());
    link.unit.connect(link.now);
    link.settle();
    assert!(link.unit.ike_sa().is_some());
    let auth = link.sent.iter().filter(|(unit, octets)| *unit && octets[18] == ExchangeType::IKE_AUTH.0);
    let sizes: Vec<_> = auth.map(|(_, octets)| octets.len()).collect();
    assert!(sizes.len() > 5 && sizes.iter().all(|size| *size <= 544), "{sizes:?}");
    let fingerprint = &link.asked[0].3.fingerprint;
    assert_eq!(fingerprint.fragment_sizes.len(), sizes.len());

    let mut fresh = Responder::new(gateway_config(), Arc::new(AwsLc), link.now);
    for (_, octets) in link.sent.iter().filter(|(unit, _)| *unit).skip(1) {
        let path = Path {
            local: "127.0.0.1:4500".parse().unwrap(),
            peer: "127.0.0.2:4500".parse().unwrap(),
            encapsulated: true,
        };
        fresh.handle_datagram(path, octets, link.now);
    }
    assert!(fresh.poll_output().is_none() && fresh.stats().half_open_now == 0);
}

#[test]
fn the_gateways_fragments_are_as_short_as_the_units_own() {
    let long_chain = |mut identity: ike::LocalIdentity| {
        identity.certificates.extend((0..3).map(|_| vec![0x30; 1000]));
        identity
    };
    let mut unit = unit_config(long_chain(identity(UNIT)));
    unit.times.fragment_limit = 600;
    let gateway = ike::ResponderConfig { identity: long_chain(identity(GATEWAY)), ..gateway_config() };
    let mut link = Link::new(unit, gateway);
    link.unit.connect(link.now);
    link.settle();
    assert!(link.unit.ike_sa().is_some());
    let answers = link.sent.iter().filter(|(unit, octets)| !*unit && octets[18] == ExchangeType::IKE_AUTH.0);
    let sizes: Vec<_> = answers.map(|(_, octets)| octets.len()).collect();
    assert!(sizes.len() > 5 && sizes.iter().all(|size| *size <= 600), "{sizes:?}");
}

#[test]
fn a_replayed_ike_auth_gets_the_answer_again_and_no_second_sa() {
    let mut link = Link::attached();
    let requests: Vec<_> =
        link.sent.iter().filter(|(unit, _)| *unit).map(|(_, octets)| octets.clone()).collect();
    let responses: Vec<_> =
        link.sent.iter().filter(|(unit, _)| !*unit).map(|(_, octets)| octets.clone()).collect();
    let path = Path {
        local: "127.0.0.1:4500".parse().unwrap(),
        peer: "127.0.0.66:4500".parse().unwrap(),
        encapsulated: true,
    };
    link.gateway.handle_datagram(path, &requests[1], link.now);
    let Some(Output::Transmit { datagram, path: to }) = link.gateway.poll_output() else {
        panic!("no answer")
    };
    assert_eq!(datagram, responses[1], "the very same octets: no key and no IV was used twice");
    assert_eq!(to.peer.ip().to_string(), "127.0.0.2", "and to the unit, not to whoever replays");
    assert!(link.gateway.poll_output().is_none());
    assert_eq!(link.asked.len(), 1);

    // The whole attach again, from the start: a new half-open IKE SA at most, whose keys the replayed
    // IKE_AUTH does not open.
    link.gateway.handle_datagram(path, &requests[0], link.now);
    assert!(link.gateway.take_turn(link.now));
    link.gateway.handle_datagram(path, &requests[1], link.now);
    while let Some(output) = link.gateway.poll_output() {
        assert!(matches!(output, Output::Transmit { .. }), "{output:?}");
    }
    assert_eq!(link.gateway.stats().established, 1);
}

#[test]
fn a_responder_that_was_restarted_makes_nothing_of_an_old_ike_auth() {
    let link = Link::attached();
    let mut fresh = Responder::new(gateway_config(), Arc::new(AwsLc), link.now);
    let path = Path {
        local: "127.0.0.1:4500".parse().unwrap(),
        peer: "127.0.0.2:4500".parse().unwrap(),
        encapsulated: true,
    };
    for (_, octets) in link.sent.iter().filter(|(unit, _)| *unit) {
        fresh.handle_datagram(path, octets, link.now);
        fresh.take_turn(link.now);
    }
    let mut asked = 0;
    while let Some(output) = fresh.poll_output() {
        asked += usize::from(matches!(output, Output::AskPeer { .. } | Output::AskAdmission { .. }));
    }
    assert_eq!(asked, 0);
}

#[test]
fn section_4_line_29_nat_detection_makes_the_unit_encapsulate_always() {
    let link = Link::attached();
    let (_, response) = link.sent.iter().find(|(unit, _)| !unit).unwrap();
    let header = Header::parse(response).unwrap();
    let payloads = ike::parse_plain(&header, response).unwrap();
    let source = payloads.iter().find_map(|payload| match payload {
        Payload::Notify(notify) if notify.kind == NotifyType::NAT_DETECTION_SOURCE_IP => {
            Some(notify.data.clone())
        }
        _ => None,
    });
    let mut truth = [header.spi_i.0.to_be_bytes(), header.spi_r.0.to_be_bytes()].concat();
    truth.extend([127, 0, 0, 1, 0x01, 0xf4]);
    let truth = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &truth);
    let source = source.unwrap();
    assert_eq!(source.len(), 20);
    assert_ne!(source, truth.as_ref(), "the hash of our true address would let ESP come without UDP");
    assert!(link.gateway_children.iter().all(|child| child.path.encapsulated));
}

#[test]
fn section_4_line_17_mobike_is_not_offered() {
    let link = Link::attached();
    let (_, response) = link.sent.iter().find(|(unit, _)| !unit).unwrap();
    let payloads = ike::parse_plain(&Header::parse(response).unwrap(), response).unwrap();
    assert!(!payloads.iter().any(
        |payload| matches!(payload, Payload::Notify(notify) if notify.kind == NotifyType::MOBIKE_SUPPORTED)
    ));
}

#[test]
fn section_4_line_32_initial_contact_is_reported_and_deletes_nothing() {
    let unit = identity(UNIT);
    let mut link = Link::new(unit_config(unit.clone()), gateway_config());
    link.unit.connect(link.now);
    link.settle();
    let mut again = unit_config(unit);
    again.initial_contact = true;
    link.unit = ike::Initiator::new(again, Arc::new(AwsLc), link.now);
    link.unit.connect(link.now);
    link.settle();
    assert!(link.asked[1].3.initial_contact && link.asked[1].2.initial_contact());
    assert_eq!(link.gateway_children.len(), 2, "the first tunnel stands");
    assert!(!link.gateway_events.iter().any(|event| matches!(event, Event::SaDeleted { .. })));
}

#[test]
fn section_4_line_11_a_childless_unit_gets_its_child_sa_after_admission() {
    let mut unit = unit_config(identity(UNIT));
    unit.childless = true;
    let mut link = Link::new(unit, gateway_config());
    link.unit.connect(link.now);
    link.settle();
    assert!(link.asked[0].3.childless);
    link.assert_children_match(1);
}

#[test]
fn section_4_line_34_what_is_asked_for_is_known_before_it_is_granted() {
    let link = Link::attached();
    let asked: Vec<_> = link.asked[0].3.cfg_request.iter().map(|attribute| attribute.kind.0).collect();
    assert_eq!(asked, [1, 3, 23], "an address, name servers, and where it is seen from");
}

#[test]
fn section_4_line_25_the_tunnel_ends_at_the_certificates_end_and_no_rekey_moves_it() {
    let mut link = Link::new(unit_config(identity(UNIT)), gateway_config());
    link.answer =
        Admission::Grant(ike::Grant { expires_in: Duration::from_secs(3600), ..crate::link::grant() });
    link.unit.connect(link.now);
    link.settle();
    link.unit.rekey_ike_sa(link.now);
    link.settle();
    link.pass(Duration::from_secs(3590));
    assert_eq!(link.gateway_children.len(), 1);
    link.pass(Duration::from_secs(11));
    assert!(link.gateway_children.is_empty());
    let by = link.gateway_events.iter().find_map(|event| match event {
        Event::SaDeleted { by, .. } => Some(*by),
        _ => None,
    });
    assert_eq!(by, Some(DeletedBy::Expired));
    assert_eq!(link.unit.ike_sa(), None, "the unit was told");
}

#[test]
fn a_tunnel_that_is_given_less_time_ends_by_then_and_is_never_given_more() {
    let mut link = Link::attached();
    let established = link.gateway_events.iter().find_map(|event| match event {
        Event::SaEstablished { sa, .. } => Some(*sa),
        _ => None,
    });
    let sa = established.unwrap();
    for minutes in [60, 24 * 60] {
        link.gateway.end_within(sa, Duration::from_secs(minutes * 60), link.now);
    }
    link.unit.rekey_ike_sa(link.now);
    link.settle();
    link.pass(Duration::from_secs(3590));
    assert_eq!(link.gateway_children.len(), 1);
    link.pass(Duration::from_secs(11));
    assert!(link.gateway_children.is_empty());
    assert_eq!(link.unit.ike_sa(), None, "the unit was told");
}

#[test]
fn a_half_open_ike_sa_is_given_up_in_time() {
    let mut link = Link::new(unit_config(identity(UNIT)), gateway_config());
    link.lose = Box::new(|unit, octets| unit && octets[18] == ExchangeType::IKE_AUTH.0);
    link.unit.connect(link.now);
    link.settle();
    assert_eq!(link.gateway.stats().half_open_now, 1);
    link.pass(Duration::from_secs(31));
    assert_eq!(link.gateway.stats().half_open_now, 0);
    assert_eq!(link.gateway.stats().refused(Reason::HalfOpenTimeout), 1);
}

#[test]
fn the_gateways_identity_is_checked_by_the_unit() {
    let mut config = unit_config(identity(UNIT));
    config.gateway_id = Identification::fqdn("other.operator.example");
    let mut link = Link::new(config, gateway_config());
    link.unit.connect(link.now);
    link.settle();
    assert!(link.unit_events.contains(&Event::ConnectFailed { why: ConnectFailure::GatewayNotAuthentic }));
    let _ = (GATEWAY, peer, Instant::now);
}
