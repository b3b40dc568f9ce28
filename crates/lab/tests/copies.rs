//! Copies of a unit's key, shown at will.
#![allow(clippy::unwrap_used, reason = "tests")]

use admission::Policy;
use api::Office;
use ids::{DeviceId, UnixTime};
use ike::crypto::AuthKey;
use lab::{Carrier, Outcome, SERVICE, UnitIdentity};
use ledger::Incident;
use pki::{DeviceOrder, FileKey, Issued, KeyAlgorithm, KeySource, OffTheBooks, PrivateKey};
use std::sync::Arc;

const LINE: &str = "L-1";
const DEVICE: DeviceId = DeviceId::eui48([0x02, 0xfe, 0x73, 0, 0, 1]);

/// A unit that was good at its home; then copies of its key attach and leave, each from a network of its own.
#[test]
fn copies_that_attach_again_and_again_are_not_heard_and_keep_the_unit_itself_from_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(dir.path()).unwrap();
    carrier.line(LINE, "127.61.0.0/16").unwrap();
    carrier.device(DEVICE, LINE).unwrap();
    let identity = carrier.enrol(DEVICE).unwrap();
    let home = [127, 61, 1, 1];
    let unit = carrier.attach(&identity, home).unwrap();
    assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
    unit.close();
    let heard = (2..=40)
        .map(|n| {
            let copy = carrier.attach(&identity, [127, 61, n, 1]).unwrap();
            copy.close();
            copy.outcome.clone()
        })
        .take_while(|outcome| matches!(outcome, Outcome::Attached(_)))
        .count();
    assert_eq!(heard, 19, "20 from anywhere, the unit's own first one included");
    assert!(carrier.gateway.stats().attaches["too-often"] >= 1);
    for _ in 0..3 {
        let unit = carrier.attach(&identity, home).unwrap();
        assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
        assert_eq!(unit.ping(SERVICE, 3).0, 3);
        unit.close();
    }
}

const OTHER: DeviceId = DeviceId::eui48([0x02, 0xfe, 0x73, 0, 0, 2]);

/// Two certificates over one key: one by the book, one by somebody who has a key of the CA.
fn two_of_one_key(carrier: &Carrier) -> [UnitIdentity; 2] {
    let private = PrivateKey::generate(KeyAlgorithm::P256).unwrap();
    let key = FileKey::new(&private).unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    let order = |device| {
        let key = KeySource::Request(request.der().to_vec());
        DeviceOrder { device, key, validity: None, by: "test".into() }
    };
    let identity = |device: DeviceId, issued: Issued| UnitIdentity {
        name: format!("{device}.{}", carrier.ca.realm()),
        chain: issued.chain,
        key: Arc::new(AuthKey::from_pkcs8(private.pkcs8()).unwrap()),
    };
    let (ca, now) = (&carrier.ca, UnixTime::now());
    let office = Office { ledger: carrier.ledger.clone(), policy: Policy::default() };
    let booked = office.issue(|books| ca.issue(&order(DEVICE), books, now)).unwrap();
    let forged = ca.issue(&order(OTHER), &mut OffTheBooks, now).unwrap();
    [identity(DEVICE, booked), identity(OTHER, forged)]
}

fn shared(carrier: &Carrier) -> Vec<Incident> {
    let incidents = carrier.ledger.incidents(0, 100).unwrap().rows.into_iter();
    incidents.filter(|incident| incident.kind == "shared-credential").collect()
}

#[test]
fn a_key_under_a_second_name_is_refused_and_all_its_uses_are_told_once_and_nobody_loses_service() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(dir.path()).unwrap();
    carrier.line(LINE, "127.62.1.0/24").unwrap();
    for unit in [DEVICE, OTHER] {
        carrier.device(unit, LINE).unwrap();
    }
    let [genuine, copy] = two_of_one_key(&carrier);
    let unit = carrier.attach(&genuine, [127, 62, 1, 1]).unwrap();
    assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
    assert_eq!(shared(&carrier), []);

    for outer in [[127, 62, 1, 2], [127, 62, 1, 3]] {
        let refused = carrier.attach(&copy, outer).unwrap();
        assert!(matches!(refused.outcome, Outcome::Refused(_)), "{:?}", refused.outcome);
        refused.close();
    }
    let [incident] = &shared(&carrier)[..] else { panic!("one incident for the key") };
    assert_eq!((&incident.devices[..], incident.repeats), (&[DEVICE, OTHER][..], 0));
    let uses = carrier.ledger.lineage(OTHER).unwrap().keys.remove(0).uses;
    let seen: Vec<_> = uses.iter().map(|one| (one.device, one.from.to_string(), &*one.by)).collect();
    let expected = ["127.62.1.2", "127.62.1.3"].map(|from| (OTHER, from.to_owned(), "ike"));
    assert_eq!(seen, expected);
    assert_eq!(unit.ping(SERVICE, 3).0, 3, "the genuine unit keeps its service");
    unit.close();
}

#[test]
fn one_certificate_from_a_second_line_is_refused_and_that_use_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(dir.path()).unwrap();
    carrier.line(LINE, "127.62.4.0/24").unwrap();
    carrier.device(DEVICE, LINE).unwrap();
    let identity = carrier.enrol(DEVICE).unwrap();
    let elsewhere = carrier.attach(&identity, [127, 62, 5, 1]).unwrap();
    assert!(matches!(elsewhere.outcome, Outcome::Refused(_)), "{:?}", elsewhere.outcome);
    elsewhere.close();
    let keys = carrier.ledger.lineage(DEVICE).unwrap().keys;
    let uses = keys.iter().flat_map(|key| &key.uses).map(|one| (one.device, one.from.to_string()));
    assert_eq!(uses.collect::<Vec<_>>(), [(DEVICE, "127.62.5.1".to_owned())]);
    assert_eq!(shared(&carrier), [], "the key is that of one unit alone");
    let home = carrier.attach(&identity, [127, 62, 4, 1]).unwrap();
    assert!(matches!(home.outcome, Outcome::Attached(_)), "{:?}", home.outcome);
    home.close();
}
