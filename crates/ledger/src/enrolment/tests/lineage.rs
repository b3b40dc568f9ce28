//! What the books say of a unit's certificates afterwards, and of a vendor.

use super::*;
use crate::{EndingPlace, Kin};
use ids::CrlReason;

fn keys(certificates: &[Kin]) -> Vec<u8> {
    certificates.iter().map(|kin| kin.cert_sha256().unwrap().0[0]).collect()
}

#[test]
fn a_lineage_has_every_certificate_of_the_unit_also_those_that_never_counted_and_none_of_another() {
    let carrier = Carrier::new();
    carrier.enrol(1, 1, HOME, at(10)).unwrap();
    // It began anew: what waited came to nothing.
    carrier.enrol(1, 2, HOME, at(20)).unwrap();
    carrier.confirm(2, at(21)).unwrap();
    carrier.enrol(2, 9, HOME, at(22)).unwrap();
    carrier.confirm(9, at(23)).unwrap();
    carrier.renew(1, 2, 3, HOME, at(1000)).unwrap();
    carrier.confirm(3, at(1001)).unwrap();
    carrier.renew(1, 3, 4, HOME, at(2000)).unwrap();
    let lineage = carrier.ledger.lineage(unit(1)).unwrap();
    assert_eq!((keys(&lineage.certificates), &lineage.tampered), (vec![1, 2, 3, 4], &vec![]));
    let confirmed: Vec<_> = lineage.certificates.iter().map(|kin| kin.credential.is_some()).collect();
    assert_eq!(confirmed, [false, true, true, false]);
    assert!(lineage.certificates[0].record.as_ref().unwrap().revoked.is_some());
    let [sighting] = &lineage.keys[..] else { panic!("{:?}", lineage.keys) };
    assert_eq!((sighting.spki_sha256, sighting.devices()), (Sha256([0x41; 32]), vec![unit(1)]));
    assert_eq!(carrier.ledger.lineage(unit(7)).unwrap(), crate::Lineage::default());
}

#[test]
fn what_ends_soon_is_the_last_of_each_line_in_the_order_of_its_end() {
    let carrier = Carrier::renewed();
    carrier.enrol(2, 9, HOME, at(500)).unwrap();
    carrier.confirm(9, at(501)).unwrap();
    let month = 30 * 24 * 3600;
    let ending = |until, after: Option<&EndingPlace>, limit| {
        carrier.ledger.ending(at(0), at(until), after, limit).unwrap()
    };
    let serials = |rows: &[Credential]| rows.iter().map(|one| one.serial.clone()).collect::<Vec<_>>();
    assert_eq!(serials(&ending(month + 499, None, 10).rows), [""; 0]);
    assert_eq!(serials(&ending(month + 500, None, 10).rows), ["09"], "its last second is within");
    assert_eq!(serials(&ending(month + 2000, None, 10).rows), ["09", "02"], "not 01, which is superseded");
    let first = ending(month + 2000, None, 1);
    assert_eq!(serials(&first.rows), ["09"]);
    let second = ending(month + 2000, first.next.as_ref(), 1);
    assert_eq!(serials(&second.rows), ["02"]);
    assert_eq!(serials(&ending(month + 2000, second.next.as_ref(), 1).rows), [""; 0]);
    let days = carrier.ledger.ending_by_day(at(0), at(month + 2000)).unwrap();
    let day = |seconds| at(seconds).to_string()[..10].to_owned();
    assert_eq!(days, [(day(month + 500), 2)]);
    assert_eq!(day(month + 500), day(month + 1000));
    assert_eq!(carrier.ledger.counting(at(0)).unwrap(), crate::Counting { issued: 2, imported: 0 });
    assert_eq!(carrier.ledger.counting(at(month + 501)).unwrap().issued, 1);
    carrier.ledger.revoke(Sha256([9; 32]), None, "kim", "copied", at(600)).unwrap();
    assert_eq!(serials(&ending(month + 2000, None, 10).rows), ["02"]);
}

#[test]
fn a_list_has_what_came_to_nothing_and_what_is_superseded_once_the_grace_is_over() {
    let carrier = Carrier::enrolled(1);
    carrier.enrol(2, 9, HOME, at(20)).unwrap();
    let listed = |now| {
        let mut listed = carrier.ledger.revoked("devices", at(now), at(now)).unwrap();
        listed.sort_by(|one, other| one.serial.cmp(&other.serial));
        listed.into_iter().map(|one| (one.serial, one.at, one.reason.unwrap())).collect::<Vec<_>>()
    };
    let lapse =
        |now| carrier.within(|tx| tx.lapse(&TRANSACTIONS[9], at(now)).map(|()| tx.revokes()).unwrap());
    assert!(!lapse(320), "its last second");
    assert_eq!(listed(320), []);
    assert!(lapse(400) && !lapse(401));
    let over = || ("09".to_owned(), at(320), CrlReason::CessationOfOperation);
    assert_eq!(listed(401), [over()]);
    carrier.renew(1, 1, 2, HOME, at(1000)).unwrap();
    carrier.confirm(2, at(1001)).unwrap();
    assert_eq!(listed(1601), [over()], "the grace lasts");
    let superseded = ("01".to_owned(), at(1601), CrlReason::Superseded);
    assert_eq!(listed(1602), [superseded, over()]);
    assert_eq!(listed(31 * 24 * 3600), [], "both have ended");
}

#[test]
fn who_has_a_later_certificate_does_not_end_with_this_one() {
    let carrier = Carrier::renewed();
    let (first, second) = (carrier.credential(1), carrier.credential(2));
    assert!(carrier.ledger.has_a_later_one(&first).unwrap());
    assert!(!carrier.ledger.has_a_later_one(&second).unwrap());
    carrier.ledger.revoke(second.cert_sha256, None, "kim", "copied", at(2000)).unwrap();
    assert!(!carrier.ledger.has_a_later_one(&first).unwrap());
}

#[test]
fn nobody_of_a_distrusted_vendor_enrols_who_is_certified_renews_and_it_can_be_taken_back() {
    let carrier = Carrier::enrolled(1);
    carrier.ledger.distrust(&VENDOR, at(5), "kim", "its CA was broken into", at(100)).unwrap();
    assert_eq!(carrier.enrol(2, 9, HOME, at(110)), Err(Denied::VendorDistrusted));
    assert_eq!(carrier.incidents(), [], "the row of the vendor says why, for all of its units");
    assert_eq!(carrier.enrolment(2), Enrolment::Ordered, "its order stands");
    carrier.renew(1, 1, 2, HOME, at(120)).unwrap();
    carrier.confirm(2, at(121)).unwrap();
    let vouched = carrier.ledger.vouched_for(&VENDOR, "", 10).unwrap().rows;
    let uses: Vec<_> = vouched.iter().flat_map(|key| &key.uses).map(|one| (one.device, one.at)).collect();
    assert_eq!(uses, [(unit(1), at(10))]);
    let other = "other.example".parse().unwrap();
    assert_eq!(carrier.ledger.vouched_for(&other, "", 10).unwrap().rows, []);
    assert!(carrier.ledger.trust(&other, "kim", "typo", at(130)).is_err());
    let trusted = carrier.ledger.trust(&VENDOR, "lee", "it has a new CA", at(130)).unwrap();
    assert_eq!((trusted.since, trusted.ended.unwrap().by.as_str()), (at(5), "lee"));
    assert!(carrier.ledger.trust(&VENDOR, "lee", "again", at(131)).is_err());
    carrier.enrol(2, 9, HOME, at(140)).unwrap();
    assert_eq!(carrier.ledger.verify().unwrap().findings, []);
}
