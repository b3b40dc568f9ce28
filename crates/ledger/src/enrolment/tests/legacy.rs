//! One vendor key that many units share.

use super::*;
use crate::{IncidentState, LegacyGroup, NewLegacyGroup};
use ids::Label;

/// The key that all share, and the certificate.
const KEY: u8 = 0xaa;
const OTHER_HOME: &str = "203.0.113.7";

fn group() -> Label {
    "old".parse().unwrap()
}

fn named(until: UnixTime) -> NewLegacyGroup {
    NewLegacyGroup {
        name: group(),
        realm: VENDOR.clone(),
        spki_sha256: Sha256([KEY; 32]),
        certificate: Sha256([KEY; 32]),
        subject: "CN=femto".into(),
        until,
    }
}

/// Two units installed, each behind a line of its own, and the group of their key until 50,000.
struct Estate(Carrier);

impl Estate {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        for (number, prefix) in [(1, "192.0.2.0/24"), (2, "203.0.113.0/24")] {
            let line = line(number);
            let prefixes = vec![prefix.parse().unwrap()];
            let record =
                AccessLineRecord { line: line.clone(), prefixes, region: String::new(), position: None };
            ledger.add_line(&record, "kim", at(0)).unwrap();
            let device = NewDevice { access_line: Some(line), ..NewDevice::installed(unit(number)) };
            ledger.add_device(device, "kim", at(0)).unwrap();
        }
        ledger.name_legacy_group(named(at(50_000)), "kim", "KT", Some("lee"), at(0)).unwrap();
        let estate = Self(Carrier { ledger, _dir: Some(dir) });
        [1, 2].into_iter().for_each(|number| estate.order(number, 0).unwrap());
        estate
    }

    fn order(&self, number: u8, since: u64) -> Result<(), LedgerError> {
        let order = NewOrder {
            id: format!("M-{number}-{since}").parse().unwrap(),
            device: unit(number),
            line: line(number),
            site: String::new(),
            vendor_key: None,
            from: None,
            until: at(since + 100_000),
        };
        self.0.ledger.open_order_by_legacy(&order, &group(), "kim", "its turn", at(since)).map(drop)
    }

    /// Asks in the name of a unit, by the key that all have.
    fn claim(&self, number: u8, key: u8, from: &str, now: UnixTime) -> Result<u8, Denied> {
        let ask = Ask { said_at: Some(now), ..ask(number, KEY, key, from) };
        self.0.issue(&ask, key, now, |tx| tx.leave_to_enrol(&ask, now))
    }

    fn doubt(&self, key: u8) -> Option<DoubtKind> {
        self.0.credential(key).doubt.map(|doubt| doubt.kind)
    }
}

fn line(number: u8) -> ids::AccessLine {
    format!("line-{number}").parse().unwrap()
}

#[test]
fn each_unit_of_a_group_enrols_from_its_own_line_on_probation_and_every_use_is_written_down() {
    let estate = Estate::new();
    for (number, key, from) in [(1, 1, HOME), (2, 2, OTHER_HOME)] {
        estate.claim(number, key, from, at(10)).unwrap();
        let credential = estate.0.confirm(key, at(11)).unwrap();
        let doubt = credential.doubt.unwrap();
        assert_eq!((doubt.kind, doubt.why.contains("group old")), (DoubtKind::Probation, true));
    }
    assert_eq!(estate.0.incidents(), []);
    let uses = estate.0.ledger.legacy_uses(&group()).unwrap().rows;
    let seen: Vec<_> = uses.iter().map(|used| (used.device, used.uses[0].from.to_string())).collect();
    assert_eq!(seen, [(unit(1), HOME.to_owned()), (unit(2), OTHER_HOME.to_owned())]);
    // It renews as any other.
    estate.0.renew(1, 1, 3, HOME, at(2000)).unwrap();
    assert_eq!(estate.0.confirm(3, at(2001)).unwrap().doubt, None);
}

#[test]
fn the_cell_of_a_unit_that_had_the_key_of_many_begins_in_probation() {
    let estate = Estate::new();
    estate.0.with_trusted_cell(1, at(9));
    estate.claim(1, 1, HOME, at(10)).unwrap();
    assert_eq!(estate.0.trust(at(10)).0, TrustState::Trusted);
    estate.0.confirm(1, at(11)).unwrap();
    assert_eq!(estate.0.trust(at(11)), (TrustState::Probation, "migrated".to_owned()));
    // An ordinary renewal changes nothing.
    estate.0.with_trusted_cell(1, at(9 * 24 * 3600));
    estate.0.renew(1, 1, 3, HOME, at(9 * 24 * 3600)).unwrap();
    estate.0.confirm(3, at(9 * 24 * 3600)).unwrap();
    assert_eq!(estate.0.trust(at(9 * 24 * 3600)).0, TrustState::Trusted);
}

#[test]
fn who_claims_anothers_serial_from_elsewhere_gets_nothing_and_stops_nobody() {
    let estate = Estate::new();
    for number in [1, 2] {
        for from in [ELSEWHERE, if number == 1 { OTHER_HOME } else { HOME }] {
            assert_eq!(estate.claim(number, 9, from, at(10)), Err(Denied::OtherLine));
        }
    }
    assert_eq!(estate.0.incidents(), [("legacy-key-misused".to_owned(), Vec::new())], "one for the group");
    estate.claim(1, 1, HOME, at(20)).unwrap();
    estate.0.confirm(1, at(21)).unwrap();
    // Long afterwards it can't have the unit held either.
    assert_eq!(estate.claim(1, 8, ELSEWHERE, at(4000)), Err(Denied::AlreadyEnrolled));
    assert_eq!((estate.0.enrolment(1), estate.doubt(1)), (Enrolment::Enrolled, Some(DoubtKind::Probation)));
    let used = estate.0.ledger.legacy_use(&group(), unit(1)).unwrap().unwrap();
    let denials: Vec<_> = used.denials.iter().map(|one| (one.reason.as_str(), one.at_home)).collect();
    assert_eq!(denials, [("other-line", false), ("already-enrolled", false)]);
}

#[test]
fn a_second_claim_from_its_line_holds_both_and_a_persons_order_ends_that() {
    let estate = Estate::new();
    estate.claim(1, 1, HOME, at(10)).unwrap();
    estate.0.confirm(1, at(11)).unwrap();
    assert_eq!(estate.claim(1, 2, HOME, at(100)), Err(Denied::AlreadyEnrolled));
    assert_eq!(estate.0.enrolment(1), Enrolment::Enrolled, "it may have been said before");
    assert_eq!(estate.claim(1, 3, HOME, at(1000)), Err(Denied::AlreadyEnrolled));
    assert_eq!((estate.0.enrolment(1), estate.doubt(1)), (Enrolment::Held, Some(DoubtKind::Unsure)));
    let incidents = estate.0.incidents();
    assert!(incidents.contains(&("legacy-second-claim".to_owned(), vec![unit(1)])), "{incidents:?}");
    assert_eq!(estate.claim(1, 5, HOME, at(1200)), Err(Denied::Held));
    estate.order(1, 1300).unwrap();
    estate.claim(1, 6, HOME, at(1400)).unwrap();
    estate.0.confirm(6, at(1401)).unwrap();
    assert!(estate.0.credential(1).revoked.is_some());
}

#[test]
fn without_an_order_that_names_the_group_its_key_is_good_for_nothing_and_no_other_key_is_by_such_an_order() {
    let estate = Estate::new();
    let (ledger, id) = (&estate.0.ledger, "M-1-0".parse().unwrap());
    assert_eq!(estate.0.enrol(1, 1, HOME, at(10)), Err(Denied::NoOrder), "a key of its own");
    ledger.close_order(&id, "kim", "wrong", at(20)).unwrap();
    estate.0.order(1, 30);
    assert_eq!(estate.claim(1, 2, HOME, at(40)), Err(Denied::NoOrder), "an order for a key of its own");
    estate.0.enrol(1, 3, HOME, at(50)).unwrap();
}

#[test]
fn at_the_gate_the_groups_key_is_counted_and_told_of_only_after_its_end() {
    let estate = Estate::new();
    let shown = |number: u8, now| {
        let (device, cert_sha256, from) = (unit(number), Sha256([KEY; 32]), ELSEWHERE.parse().unwrap());
        let used = crate::KeyUse { device, cert_sha256, realm: None, from, by: "ike".into(), at: now };
        estate.0.within(|tx| tx.shown_at_the_gate(Sha256([KEY; 32]), used, now)).unwrap();
    };
    [1, 2, 9].into_iter().for_each(|number| shown(number, at(10)));
    assert_eq!(estate.0.incidents(), []);
    let uses = estate.0.ledger.legacy_uses(&group()).unwrap().rows;
    assert_eq!(uses.iter().map(|used| used.device).collect::<Vec<_>>(), [unit(1), unit(2)]);
    [1, 2].into_iter().for_each(|number| shown(number, at(50_001)));
    assert_eq!(estate.0.incidents(), [("shared-credential".to_owned(), vec![unit(1), unit(2)])]);
}

#[test]
fn after_its_end_the_groups_key_enrols_nobody_and_its_time_is_bounded() {
    let estate = Estate::new();
    assert_eq!(estate.claim(1, 1, HOME, at(50_001)), Err(Denied::LegacyOver));
    assert_eq!(estate.0.enrolment(1), Enrolment::Ordered, "nobody is held for it");
    let incidents = estate.0.ledger.incidents(0, 10).unwrap().rows;
    assert_eq!((incidents[0].kind.as_str(), incidents[0].state), ("legacy-key-misused", IncidentState::Open));
    assert!(estate.order(2, 50_001).is_err(), "no order for a group that has ended");
    let name = |until, approver: Option<&str>| {
        estate.0.ledger.name_legacy_group(named(until), "kim", "longer", approver, at(50_002))
    };
    assert!(matches!(name(at(60_000), None), Err(LedgerError::NeedsApprover(_))));
    assert!(matches!(name(at(60_000), Some("Kim")), Err(LedgerError::NeedsApprover(_))));
    let beyond = at(50_003).after(LegacyGroup::LONGEST);
    assert!(matches!(name(beyond, Some("lee")), Err(LedgerError::Conflict(_))));
    name(at(60_000), Some("lee")).unwrap();
    estate.claim(1, 2, HOME, at(50_010)).unwrap();
}

#[test]
fn one_line_is_one_units_and_one_key_one_groups() {
    let estate = Estate::new();
    estate.0.ledger.add_device(NewDevice::installed(unit(3)), "kim", at(1)).unwrap();
    let behind_1 = NewOrder {
        id: "M-3".parse().unwrap(),
        device: unit(3),
        line: line(1),
        site: String::new(),
        vendor_key: None,
        from: None,
        until: at(1000),
    };
    let refused = estate.0.ledger.open_order_by_legacy(&behind_1, &group(), "kim", "", at(1));
    assert!(matches!(refused, Err(LedgerError::Conflict(_))), "{refused:?}");
    let other = NewLegacyGroup { name: "new".parse().unwrap(), ..named(at(1000)) };
    let refused = estate.0.ledger.name_legacy_group(other, "kim", "", Some("lee"), at(1));
    assert!(matches!(refused, Err(LedgerError::Conflict(_))), "{refused:?}");
    let rekeyed = NewLegacyGroup { spki_sha256: Sha256([1; 32]), ..named(at(1000)) };
    let refused = estate.0.ledger.name_legacy_group(rekeyed, "kim", "", Some("lee"), at(1));
    assert!(matches!(refused, Err(LedgerError::Conflict(_))), "{refused:?}");
}

#[test]
fn whoever_has_the_key_writes_a_bounded_number_of_rows_however_often_they_ask() {
    let estate = Estate::new();
    let claims = |seconds| {
        for host in 0..30 {
            let _ = estate.claim(1, 9, &format!("198.51.100.{host}"), at(seconds));
            let _ = estate.claim(9, 9, &format!("198.51.100.{host}"), at(seconds));
        }
    };
    claims(10);
    let head = estate.0.ledger.journal().head();
    claims(20);
    claims(30);
    // A transaction without rows leaves no record.
    assert_eq!(estate.0.ledger.journal().head(), head);
    let uses = estate.0.ledger.legacy_uses(&group()).unwrap().rows;
    assert_eq!(uses.iter().map(|used| used.uses.len()).collect::<Vec<_>>(), [crate::LegacyUse::MAX_USES]);
}

#[test]
fn whom_a_second_claim_holds_renews_from_its_line_in_doubt_until_there_is_a_fork_as_well() {
    let estate = Estate::new();
    estate.claim(1, 1, HOME, at(10)).unwrap();
    estate.0.confirm(1, at(11)).unwrap();
    estate.0.renew(1, 1, 2, HOME, at(1000)).unwrap();
    estate.0.confirm(2, at(1001)).unwrap();
    assert_eq!(estate.claim(1, 9, HOME, at(3000)), Err(Denied::AlreadyEnrolled));
    assert_eq!((estate.0.enrolment(1), estate.doubt(2)), (Enrolment::Held, Some(DoubtKind::Unsure)));
    assert_eq!(estate.0.renew(1, 2, 3, ELSEWHERE, at(3100)), Err(Denied::OtherLine));
    for (parent, key) in [(2, 4), (4, 5)] {
        let now = 1000 * u64::from(key);
        estate.0.renew(1, parent, key, HOME, at(now)).unwrap();
        estate.0.confirm(key, at(now + 1)).unwrap();
        assert_eq!((estate.0.enrolment(1), estate.doubt(key)), (Enrolment::Held, Some(DoubtKind::Unsure)));
    }
    assert_eq!(estate.0.renew(1, 4, 6, HOME, at(9000)), Err(Denied::Fork));
    for (parent, key) in [(4, 7), (5, 8)] {
        assert_eq!(estate.0.renew(1, parent, key, HOME, at(9100)), Err(Denied::Held));
    }
}

#[test]
fn a_unit_that_was_never_of_the_group_is_not_held_by_the_groups_key() {
    let estate = Estate::new();
    estate.0.ledger.close_order(&"M-1-0".parse().unwrap(), "kim", "own", at(20)).unwrap();
    estate.0.order(1, 30);
    estate.0.enrol(1, 3, HOME, at(50)).unwrap();
    estate.0.confirm(3, at(51)).unwrap();
    estate.0.renew(1, 3, 4, HOME, at(2000)).unwrap();
    estate.0.confirm(4, at(2001)).unwrap();
    assert_eq!(estate.claim(1, 7, HOME, at(4000)), Err(Denied::AlreadyEnrolled));
    assert_eq!((estate.0.enrolment(1), estate.doubt(4)), (Enrolment::Enrolled, None));
    assert_eq!(estate.0.incidents(), [("legacy-key-misused".to_owned(), Vec::new())]);
    estate.0.renew(1, 4, 5, HOME, at(4100)).unwrap();
}

/// Another line.
fn with_line_3(estate: &Estate, prefix: &str) {
    let prefixes = vec![prefix.parse().unwrap()];
    let record = AccessLineRecord { line: line(3), prefixes, region: String::new(), position: None };
    estate.0.ledger.add_line(&record, "kim", at(0)).unwrap();
}

#[test]
fn nobody_enrols_or_is_held_from_an_address_that_two_lines_have() {
    let estate = Estate::new();
    estate.claim(2, 2, OTHER_HOME, at(10)).unwrap();
    estate.0.confirm(2, at(11)).unwrap();
    with_line_3(&estate, "192.0.2.0/28");
    assert_eq!(estate.claim(1, 1, HOME, at(20)), Err(Denied::OtherLine));
    estate.claim(1, 3, "192.0.2.200", at(20)).unwrap();
    estate.0.confirm(3, at(21)).unwrap();
    assert_eq!(estate.claim(1, 4, HOME, at(4000)), Err(Denied::AlreadyEnrolled));
    assert_eq!(estate.0.enrolment(1), Enrolment::Enrolled);
    let widened = |record: &mut AccessLineRecord| record.prefixes = vec!["0.0.0.0/0".parse().unwrap()];
    estate.0.ledger.set_line(&line(3), widened, "kim", at(4001)).unwrap();
    assert_eq!(estate.claim(2, 5, OTHER_HOME, at(4010)), Err(Denied::AlreadyEnrolled));
    assert_eq!((estate.0.enrolment(2), estate.doubt(2)), (Enrolment::Enrolled, Some(DoubtKind::Probation)));
    assert_eq!(estate.0.incidents(), [("legacy-key-misused".to_owned(), Vec::new())]);
}

#[test]
fn no_order_by_a_group_is_opened_for_a_line_that_shares_addresses() {
    for prefix in ["192.0.2.0/24", "192.0.0.0/16", "192.0.2.7/32"] {
        let estate = Estate::new();
        with_line_3(&estate, prefix);
        let device = NewDevice { access_line: Some(line(3)), ..NewDevice::installed(unit(3)) };
        estate.0.ledger.add_device(device, "kim", at(0)).unwrap();
        let refused = estate.order(3, 1);
        assert!(matches!(&refused, Err(LedgerError::Conflict(why)) if why.contains("line-1")), "{refused:?}");
        let elsewhere =
            |record: &mut AccessLineRecord| record.prefixes = vec!["2001:db8::/56".parse().unwrap()];
        estate.0.ledger.set_line(&line(3), elsewhere, "kim", at(2)).unwrap();
        estate.order(3, 3).unwrap();
        estate.claim(3, 3, "2001:db8::1", at(4)).unwrap();
    }
}

#[test]
fn a_refusal_from_elsewhere_is_written_once_and_after_the_groups_end_none() {
    let estate = Estate::new();
    estate.claim(1, 1, HOME, at(10)).unwrap();
    estate.0.confirm(1, at(11)).unwrap();
    for host in 0..30 {
        let _ = estate.claim(1, 9, &format!("198.51.100.{host}"), at(20));
        let _ = estate.claim(1, 1, &format!("198.51.100.{host}"), at(20));
    }
    let name = |until, now| {
        estate.0.ledger.name_legacy_group(named(until), "kim", "longer", Some("lee"), now).unwrap();
    };
    name(at(20 * 86_400), at(21));
    let head = estate.0.ledger.journal().head();
    for day in 1..=10u64 {
        for key in [1, 9] {
            let _ = estate.claim(1, key, "198.51.100.9", at(100 + day * 86_500));
        }
    }
    assert_eq!(estate.0.ledger.journal().head(), head, "each day again");
    name(at(100), at(30 * 86_400));
    let _ = estate.claim(2, 9, OTHER_HOME, at(30 * 86_400 + 1));
    assert_eq!(estate.0.ledger.legacy_use(&group(), unit(2)).unwrap(), None, "after the end");
}

#[test]
fn refusals_that_are_written_anew_are_a_bounded_number_in_an_hour_for_each_group() {
    let mut rewrites = crate::legacy::Rewrites::default();
    let other = "new".parse().unwrap();
    let mut count = |group: &Label, seconds| (0..5000).filter(|_| rewrites.admit(group, at(seconds))).count();
    let counts = [count(&group(), 0), count(&group(), 1), count(&other, 1), count(&group(), 3600)];
    assert_eq!(counts, [1000, 0, 1000, 1000]);
}
