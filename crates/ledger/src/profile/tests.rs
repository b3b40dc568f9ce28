use super::*;
use ids::Sha256;

fn at(days: i64) -> UnixTime {
    UnixTime::from_secs(1_790_000_000 + days * 86_400)
}

fn looks(look: u8) -> Look {
    Look { ike: Sha256([look; 32]), fragment: None, fragment_v6: None, retransmission: None }
}

fn seen(look: u8, from: &str, at_home: bool, days: i64) -> Appearance {
    Appearance {
        look: looks(look),
        from: from.parse().unwrap(),
        at_home,
        position: None,
        radius_km: 0,
        cert_sha256: Sha256([9; 32]),
        firmware: String::new(),
        first: at(days),
        last: at(days),
        marks: Vec::new(),
        judged: None,
    }
}

fn profile(of: impl IntoIterator<Item = Appearance>) -> Profile {
    let mut profile = Profile::new(DeviceId::eui48([2; 6]));
    for seen in of {
        profile.note(seen);
    }
    profile
}

#[test]
fn the_same_again_is_written_once_a_day_and_what_comes_between_at_once() {
    let mut profile = profile([seen(1, "192.0.2.1", true, 0)]);
    assert!(!profile.note(seen(1, "198.51.100.1", true, 0)), "its line has another address");
    assert!(profile.note(seen(1, "192.0.2.1", true, 1)));
    assert!(profile.note(seen(2, "203.0.113.1", false, 1)));
    assert!(profile.note(seen(1, "192.0.2.1", true, 1)), "it came back: who alternates is to be seen");
    assert_eq!(
        (profile.seen.len(), profile.seen[0].look.ike, profile.seen[0].first),
        (2, Sha256([1; 32]), at(0))
    );
}

#[test]
fn a_unit_looks_as_it_first_did_at_home_until_that_is_past_or_its_firmware_is_another() {
    let mut upgraded = seen(3, "192.0.2.1", true, 41);
    upgraded.firmware = "2.0".into();
    let days =
        [seen(2, "192.0.2.1", true, 5), seen(2, "192.0.2.1", true, 20), seen(9, "203.0.113.1", false, 21)];
    let young = profile([seen(1, "192.0.2.1", true, 0)].into_iter().chain(days));
    assert_eq!(young.look("").unwrap().look.ike, Sha256([1; 32]));
    let old = profile(young.seen.into_iter().rev().chain([seen(2, "192.0.2.1", true, 40), upgraded]));
    assert_eq!(old.look("").unwrap().look.ike, Sha256([2; 32]));
    assert_eq!(old.look("2.0").unwrap().look.ike, Sha256([3; 32]));
    assert_eq!(old.look("3.0"), None, "after an upgrade nobody knows yet");
}

#[test]
fn strangers_do_not_drive_out_what_the_unit_is_and_who_was_found_out() {
    let copy = Appearance {
        judged: Some(Judged { is_copy: true, at: at(1), by: "kim".into(), incident: None }),
        ..seen(2, "203.0.113.1", false, 1)
    };
    let crowd = (0..50).map(|number| seen(3, &format!("198.18.{number}.1"), false, 2));
    let profile = profile([seen(1, "192.0.2.1", true, 0), copy.clone()].into_iter().chain(crowd));
    assert_eq!(profile.seen.len(), Profile::MAX);
    assert!(profile.look("").is_some() && profile.like(&copy).is_some_and(Appearance::is_copy));
    assert_eq!(profile.seen[0].from.to_string(), "198.18.49.1");
}

#[test]
fn one_that_looks_otherwise_each_time_drives_out_its_own_alone_where_nobody_knows_the_line() {
    let unit = seen(1, "192.0.2.1", false, 0);
    let said = |is_copy| Some(Judged { is_copy, at: at(1), by: "kim".into(), incident: None });
    let cleared = Appearance { judged: said(false), ..seen(2, "203.0.113.1", false, 1) };
    let crowd = (0..100).map(|look| seen(100 + look, "198.51.100.1", false, 2));
    let mut profile = profile([unit.clone(), cleared.clone()].into_iter().chain(crowd));
    assert!(profile.like(&unit).is_some() && profile.like(&cleared).is_some());
    assert_eq!((profile.seen.len(), profile.seen[0].look.ike), (Profile::MAX, Sha256([199; 32])));
    (0..20).for_each(|look| assert!(profile.note(seen(10 + look, "192.0.2.1", true, 3))));
    let stranger = seen(200, "198.18.0.1", false, 4);
    profile.note(stranger.clone());
    let home = profile.seen.iter().filter(|seen| seen.at_home).count();
    profile.note(seen(201, "198.18.0.1", false, 4));
    assert_eq!(
        profile.seen.iter().filter(|seen| seen.at_home).count(),
        home,
        "no stranger takes their places"
    );
    assert!(profile.like(&unit).is_some() && profile.like(&cleared).is_some());
    assert!(profile.like(&stranger).is_none() && profile.seen.len() == Profile::MAX);
}

#[test]
fn a_message_that_came_whole_says_nothing_about_fragments() {
    let look = |fragment| Look { fragment, ..looks(1) };
    assert!(look(None).is_like(&look(Some(1280))) && look(Some(1280)).is_like(&look(Some(1280))));
    assert!(!look(Some(576)).is_like(&look(Some(1280))));
}

#[test]
fn a_fragment_over_ipv6_is_compared_with_those_over_ipv6_alone_and_the_unit_is_known_by_both() {
    let v4 = |fragment| Look { fragment, ..looks(1) };
    let v6 = |fragment_v6| Look { fragment_v6, ..looks(1) };
    assert!(v6(Some(1228)).is_like(&v4(Some(1248))) && !v6(Some(1228)).is_like(&v6(Some(1248))));
    let at = |look, from, days| Appearance { look, ..seen(1, from, true, days) };
    let both = profile([at(v4(Some(1248)), "192.0.2.1", 0), at(v6(Some(1228)), "2001:db8::1", 2)]);
    let [known] = &both.seen[..] else { panic!("{:?}", both.seen) };
    assert!(!known.look.is_like(&v4(Some(576))) && !known.look.is_like(&v6(Some(576))));
}

#[test]
fn a_timer_of_the_next_class_is_no_difference_and_does_not_add_up() {
    let look = |retransmission| Look { retransmission, ..looks(1) };
    assert!(look(None).is_like(&look(Some(4))) && look(Some(5)).is_like(&look(Some(4))));
    assert!(!look(Some(1)).is_like(&look(Some(4))));
    let with = |class, days| Appearance { look: look(Some(class)), ..seen(1, "192.0.2.1", true, days) };
    let profile = profile([with(4, 0), with(3, 2), with(2, 4)]);
    let classes: Vec<_> = profile.seen.iter().map(|seen| seen.look.retransmission).collect();
    assert_eq!(classes, [Some(2), Some(4)]);
}
