use crate::link::{Link, UNIT, gateway_config, identity, unit_config};
use ike::{Admission, DeletedBy, Event, Grant, Reauthentication};
use std::time::Duration;

// --> CREATE_CHILD_SA { N(REKEY_SA), SA, Ni, KEi, TSi, TSr }
// <-- CREATE_CHILD_SA { SA, Nr, KEr, TSi, TSr }
// --> INFORMATIONAL { D }
// <-- INFORMATIONAL { D }
#[test]
fn a_child_sa_is_rekeyed_from_either_side_and_the_old_one_goes() {
    for by_unit in [true, false] {
        let mut link = Link::attached();
        let old = link.gateway_children[0].spi_in;
        if by_unit {
            link.unit.rekey_child_sa(link.unit_children[0].spi_in, link.now);
        } else {
            let sa = link.asked[0].1;
            link.gateway.rekey_child_sa(sa, old, link.now);
        }
        link.settle();
        link.assert_children_match(1);
        assert_ne!(link.gateway_children[0].spi_in, old);
        assert_eq!(link.gateway_children[0].replaces, Some(old));
    }
}

// --> CREATE_CHILD_SA { SA, Ni, KEi }
// <-- CREATE_CHILD_SA { SA, Nr, KEr }
// --> INFORMATIONAL { D } under the old keys
#[test]
fn an_ike_sa_is_rekeyed_from_either_side_and_goes_on() {
    for by_unit in [true, false] {
        let mut link = Link::attached();
        let sa = link.asked[0].1;
        for _ in 0..3 {
            if by_unit {
                link.unit.rekey_ike_sa(link.now)
            } else {
                link.gateway.rekey_ike_sa(sa, link.now)
            }
            link.settle();
            link.pass(Duration::from_secs(61));
        }
        assert_eq!(link.gateway.stats().ike_rekeyed, 3);
        link.unit.rekey_child_sa(link.unit_children[0].spi_in, link.now);
        link.settle();
        link.assert_children_match(1);
        link.unit.close(link.now);
        link.settle();
        assert!(link.gateway_children.is_empty());
        assert_eq!(link.gateway.stats().established_now, 0);
    }
}

#[test]
fn section_4_line_30_several_child_sas_with_equal_selectors_stand_beside_each_other() {
    let mut link = Link::attached();
    link.unit.create_child_sa(link.now);
    link.unit.create_child_sa(link.now);
    link.settle();
    link.unit.create_child_sa(link.now);
    link.settle();
    link.assert_children_match(4);
    assert_eq!(link.asked.len(), 1, "no second question for admission");
}

#[test]
fn section_4_line_25_a_day_renews_every_child_sa_in_four_hours_and_the_ike_sa_once() {
    let mut link = Link::attached();
    let hour = Duration::from_secs(3600);
    let mut children = link.gateway_children.clone();
    for _ in 0..5 {
        link.pass(4 * hour);
        link.assert_children_match(1);
        let [child] = link.gateway_children.as_slice() else { panic!("one CHILD SA") };
        assert!(children.iter().all(|old| old.spi_in != child.spi_in), "renewed within 4 h");
        children.push(child.clone());
    }
    assert!(link.gateway.stats().ike_rekeyed >= 1, "within 20 h");
    assert_eq!(link.asked.len(), 1, "none of it is an authentication");
    link.pass(4 * hour);
    assert!(link.gateway_children.is_empty(), "after a day without one the tunnel ends");
}

#[test]
fn section_4_line_25_no_auth_lifetime_is_longer_than_a_day() {
    let mut link = Link::new(unit_config(identity(UNIT)), gateway_config());
    let week = Duration::from_secs(7 * 86_400);
    link.answer = Admission::Grant(Grant { auth_lifetime: week, ..crate::link::grant() });
    link.unit.connect(link.now);
    link.settle();
    let said = link.unit_events.iter().find_map(|event| match event {
        Event::Connected { auth_lifetime, .. } => *auth_lifetime,
        _ => None,
    });
    assert_eq!(said, Some(Duration::from_secs(86_400)));
}

#[test]
fn a_certificate_that_ends_soon_ends_the_tunnel_and_asks_nobody_to_authenticate_anew() {
    let mut link = Link::new(unit_config(identity(UNIT)), gateway_config());
    link.not_after = Duration::from_secs(600);
    link.unit.connect(link.now);
    link.settle();
    let said = link.unit_events.iter().find_map(|event| match event {
        Event::Connected { auth_lifetime, .. } => *auth_lifetime,
        _ => None,
    });
    assert_eq!(said, Some(Duration::from_secs(86_400)));
    link.pass(Duration::from_secs(599));
    link.assert_children_match(1);
    link.pass(Duration::from_secs(1));
    assert!(link.gateway_children.is_empty() && link.unit_children.is_empty());
}

#[test]
fn rekeys_that_cross_leave_one_pair_that_both_sides_hold() {
    for ike in [true, false] {
        let mut link = Link::attached();
        let sa = link.asked[0].1;
        let spi_in = link.gateway_children[0].spi_in;
        link.unit.rekey_child_sa(link.unit_children[0].spi_in, link.now);
        if ike {
            link.gateway.rekey_ike_sa(sa, link.now)
        } else {
            link.gateway.rekey_child_sa(sa, spi_in, link.now)
        }
        link.settle();
        link.pass(Duration::from_secs(200));
        link.assert_children_match(1);
    }
}

#[test]
fn section_4_line_31_a_silent_peer_is_asked_and_given_up_and_a_living_one_stays() {
    let mut link = Link::attached();
    link.pass(Duration::from_secs(600));
    link.assert_children_match(1);
    link.lose = Box::new(|_, _| true);
    link.pass(Duration::from_secs(200));
    assert!(link.gateway_children.is_empty());
    let by: Vec<_> = link
        .gateway_events
        .iter()
        .filter_map(|event| match event {
            Event::SaDeleted { by, .. } => Some(*by),
            _ => None,
        })
        .collect();
    assert_eq!(by, [DeletedBy::DpdTimeout]);
}

#[test]
fn nobody_is_given_up_for_its_silence_while_we_may_not_hear_it() {
    let mut link = Link::attached();
    let sa = link.asked[0].1;
    link.lose = Box::new(|unit, _| unit);
    link.gateway.probe(sa, link.now);
    let silent = |link: &Link| {
        let over = |event: &&Event| matches!(event, Event::ProbeSilent { .. } | Event::SaDeleted { .. });
        link.gateway_events.iter().filter(over).count()
    };
    for _ in 0..300 {
        link.gateway.deaf(link.now);
        link.pass(Duration::from_secs(1));
    }
    assert_eq!(silent(&link), 0);
    let asked = link.sent.iter().filter(|(unit, _)| !unit).count();
    assert!(asked > 20, "it is asked all the time: {asked}");
    link.pass(Duration::from_secs(14));
    assert_eq!(silent(&link), 1, "once we could hear again: {:?}", link.gateway_events);
    link.pass(Duration::from_secs(200));
    assert_eq!(silent(&link), 2);
}

#[test]
fn a_probe_is_answered_by_the_living_and_silent_for_the_dead_within_six_seconds() {
    let mut link = Link::attached();
    let sa = link.asked[0].1;
    link.gateway.probe(sa, link.now);
    link.settle();
    assert!(
        link.gateway_events
            .iter()
            .any(|event| matches!(event, Event::ProbeAnswered { round_trip: Some(_), .. }))
    );
    link.lose = Box::new(|unit, _| unit);
    let sent = link.sent.len();
    link.gateway.probe(sa, link.now);
    link.settle();
    link.pass(Duration::from_secs(6));
    assert!(link.gateway_events.contains(&Event::ProbeSilent { sa }));
    let probes = link.sent[sent..].iter().filter(|(unit, _)| !unit).count();
    assert_eq!(probes, 3, "sent at 0, 2 and 4 s");
    assert_eq!(link.gateway_children.len(), 1, "silence alone deletes nothing");
}

#[test]
fn a_peer_that_leaves_while_it_is_probed_was_not_silent() {
    let mut link = Link::attached();
    let sa = link.asked[0].1;
    link.lose = Box::new(|unit, _| !unit);
    link.gateway.probe(sa, link.now);
    link.unit.close(link.now);
    link.settle();
    assert!(link.gateway_events.contains(&Event::SaDeleted { sa, by: DeletedBy::Peer }));
    assert!(!link.gateway_events.contains(&Event::ProbeSilent { sa }));
}

#[test]
fn a_unit_re_authenticates_break_before_make_and_make_before_break() {
    for how in [Reauthentication::BreakBeforeMake, Reauthentication::MakeBeforeBreak] {
        let mut link = Link::attached();
        link.unit.reauthenticate(how, link.now);
        link.settle();
        link.assert_children_match(1);
        assert_eq!(link.asked.len(), 2, "a new IKE SA is admitted like the first");
        assert_eq!(link.gateway.stats().established_now, 1);
        let by_peer = Event::SaDeleted { sa: link.asked[0].1, by: DeletedBy::Peer };
        assert!(link.gateway_events.contains(&by_peer));
    }
}

#[test]
fn lost_datagrams_are_sent_again_until_both_sides_agree() {
    for lost in 0..4 {
        let mut link = Link::attached();
        let mut count = 0;
        link.lose = Box::new(move |_, _| {
            count += 1;
            count == lost + 1
        });
        link.unit.rekey_child_sa(link.unit_children[0].spi_in, link.now);
        link.settle();
        link.pass(Duration::from_secs(30));
        link.assert_children_match(1);
    }
}

#[test]
fn the_gateway_deletes_and_the_unit_is_told() {
    let mut link = Link::attached();
    let sa = link.asked[0].1;
    link.gateway.delete(sa, link.now);
    link.settle();
    assert!(link.gateway_children.is_empty() && link.unit_children.is_empty());
    assert!(link.gateway_events.contains(&Event::SaDeleted { sa, by: DeletedBy::Us }));
    assert_eq!(link.gateway.stats().established_now, 0);
}

/// A rooted unit renews its CHILD SA as fast as it gets answers: each is a key exchange of the gateway's one IKE
/// thread, which all other units wait for.
#[test]
fn a_unit_that_rekeys_without_end_does_not_get_every_key_exchange_it_asks_for() {
    let mut link = Link::attached();
    for _ in 0..500 {
        link.unit.rekey_child_sa(link.unit_children.last().unwrap().spi_in, link.now);
        link.settle();
    }
    let made = link.gateway.stats().children_rekeyed;
    assert!(made < 100, "{made} key exchanges for one unit while no time passed at all");
}

#[test]
fn a_unit_that_rekeys_its_ike_sa_without_end_does_not_get_every_key_exchange_it_asks_for() {
    let mut link = Link::attached();
    for _ in 0..500 {
        link.unit.rekey_ike_sa(link.now);
        link.settle();
    }
    let made = link.gateway.stats().ike_rekeyed;
    assert!(made < 100, "{made} key exchanges for one unit while no time passed at all");
}
