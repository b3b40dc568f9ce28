use super::*;
use crate::{NewDevice, Pools, RowKey, store::Sqlite};
use events::{Journal, JournalKey};
use std::time::Duration;
use tempfile::TempDir;

const DAY: u64 = 86_400;

fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

fn days(days: u64) -> UnixTime {
    now().after(Duration::from_secs(days * DAY))
}

fn unit() -> DeviceId {
    DeviceId::eui48([1; 6])
}

fn with_unit() -> (TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let key = JournalKey::create(&dir.path().join("journal.key")).unwrap();
    let (journal, _) =
        Journal::open(&dir.path().join("journal"), "gw1".parse().unwrap(), key, now()).unwrap();
    let store = Box::new(Sqlite::open(&dir.path().join("ledger.sqlite")).unwrap());
    let (ledger, _) = Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), now()).unwrap();
    ledger.add_device(NewDevice::installed(unit()), "kim", now()).unwrap();
    (dir, ledger)
}

/// Of a unit, or of a gateway; each number is another certificate with another key.
fn certificate(number: u8, device: Option<DeviceId>) -> CertificateRecord {
    CertificateRecord {
        issuer: if device.is_some() { "devices" } else { "gateways" }.into(),
        serial: format!("{number:02x}"),
        cert_sha256: Sha256([number; 32]),
        spki_sha256: Sha256([number; 32]),
        kind: if device.is_some() { "device" } else { "gateway" }.into(),
        device,
        name: device.map_or("segw.example".into(), |device| format!("{device}.femto.example")),
        not_before: now(),
        not_after: days(30),
        possession: "generated".into(),
        exception: None,
        by: "kim".into(),
        issued_at: now(),
        leave: Leave::Word,
        transaction: None,
        revoked: None,
        der: Octets(vec![number; 3]),
    }
}

fn credential(number: u8, origin: Origin) -> Credential {
    Credential {
        cert_sha256: Sha256([number; 32]),
        device: unit(),
        realm: "femto.example".parse().unwrap(),
        serial: format!("{number:02x}"),
        spki_sha256: Sha256([number; 32]),
        not_before: now(),
        not_after: days(30),
        issued_at: now(),
        origin,
        parent: None,
        superseded: None,
        doubt: None,
        revoked: None,
    }
}

fn record(ledger: &Ledger, certificate: &CertificateRecord) -> Result<(), LedgerError> {
    ledger.change(|tx| tx.record_certificate(certificate, now()))
}

fn copied(at: UnixTime) -> Revoked {
    Revoked { at, why: "copied".into(), reason: Some(CrlReason::KeyCompromise) }
}

#[test]
fn a_units_certificate_waits_then_counts_by_its_credential_and_is_revoked_there() {
    let (_dir, ledger) = with_unit();
    let certificate = certificate(1, Some(unit()));
    record(&ledger, &certificate).unwrap();
    assert_eq!(ledger.standing(&certificate, now()).unwrap(), Standing::Waits);
    ledger.record_credential(&credential(1, Origin::Issued), "kim", now()).unwrap();
    assert_eq!(ledger.standing(&certificate, now()).unwrap(), Standing::Counts);
    ledger.revoke_certificate("devices", "01", &copied(days(1)), "kim").unwrap();
    assert_eq!(ledger.credential(Sha256([1; 32])).unwrap().unwrap().revoked, Some(copied(days(1))));
    let kept = ledger.certificate("devices", "01").unwrap().unwrap();
    assert_eq!(kept, certificate, "a certificate has one truth");
    assert_eq!(ledger.standing(&kept, now()).unwrap(), Standing::Revoked(copied(days(1))));
    ledger.revoke_certificate("devices", "01", &copied(days(2)), "lee").unwrap();
    assert_eq!(
        ledger.standing(&kept, now()).unwrap(),
        Standing::Revoked(copied(days(1))),
        "since the first time"
    );
}

#[test]
fn a_certificate_that_is_nobodys_credential_is_revoked_in_its_own_row() {
    let (_dir, ledger) = with_unit();
    for (number, device) in [(1, None), (2, Some(unit()))] {
        let certificate = certificate(number, device);
        record(&ledger, &certificate).unwrap();
        ledger.revoke_certificate(&certificate.issuer, &certificate.serial, &copied(now()), "kim").unwrap();
        let kept = ledger.certificate(&certificate.issuer, &certificate.serial).unwrap().unwrap();
        assert_eq!(kept.revoked, Some(copied(now())));
        assert_eq!(ledger.standing(&kept, now()).unwrap(), Standing::Revoked(copied(now())));
    }
    let nowhere = ledger.revoke_certificate("gateways", "09", &copied(now()), "kim").unwrap_err();
    assert_eq!(nowhere.code(), "not-found");
}

#[test]
fn a_serial_is_recorded_once() {
    let (_dir, ledger) = with_unit();
    record(&ledger, &certificate(1, None)).unwrap();
    let again = CertificateRecord { der: Octets(vec![9]), ..certificate(1, None) };
    assert_eq!(record(&ledger, &again).unwrap_err().code(), "exists");
    assert_eq!(ledger.certificate("gateways", "01").unwrap(), Some(certificate(1, None)));
}

#[test]
fn revoked_certificates_are_listed_by_their_ca_until_a_list_behind_their_end() {
    let (_dir, ledger) = with_unit();
    for (number, device) in [(1, None), (2, None), (3, Some(unit())), (4, Some(unit()))] {
        record(&ledger, &certificate(number, device)).unwrap();
    }
    ledger.record_credential(&credential(3, Origin::Issued), "kim", now()).unwrap();
    ledger.record_credential(&credential(5, Origin::Imported), "kim", now()).unwrap();
    assert_eq!(ledger.revoked("devices", now(), now()).unwrap(), []);
    for (issuer, serial) in [("gateways", "01"), ("devices", "03"), ("devices", "04")] {
        ledger.revoke_certificate(issuer, serial, &copied(days(1)), "kim").unwrap();
    }
    ledger.revoke(Sha256([5; 32]), None, "kim", "another CA's", now()).unwrap();
    let listed = |issuer, since| -> Vec<String> {
        let listed = ledger.revoked(issuer, since, now()).unwrap();
        let why =
            |one: &RevokedCertificate| (one.at, one.reason) == (days(1), Some(CrlReason::KeyCompromise));
        assert!(listed.iter().all(why));
        listed.into_iter().map(|one| one.serial).collect()
    };
    assert_eq!(listed("gateways", now()), ["01"]);
    assert_eq!(listed("devices", now()), ["04", "03"]);
    assert_eq!(listed("devices", days(30)), ["04", "03"], "the list before was made in its last second");
    let behind = days(30).after(Duration::from_secs(1));
    assert_eq!(listed("devices", behind), [""; 0], "that one was made behind its end");
}

#[test]
fn a_key_is_known_by_whoever_had_a_certificate_of_it() {
    let (_dir, ledger) = with_unit();
    record(&ledger, &certificate(1, None)).unwrap();
    record(&ledger, &CertificateRecord { spki_sha256: Sha256([1; 32]), ..certificate(2, Some(unit())) })
        .unwrap();
    ledger.record_credential(&credential(3, Origin::Imported), "kim", now()).unwrap();
    ledger.revoke(Sha256([3; 32]), None, "kim", "copied", now()).unwrap();
    let mut tx = ledger.begin().unwrap();
    let mut of = |number| -> Vec<(Option<DeviceId>, String)> {
        let holders = tx.key_holders(Sha256([number; 32])).unwrap();
        holders.into_iter().map(|holder| (holder.device, holder.name)).collect()
    };
    let name = format!("{}.femto.example", unit());
    assert_eq!(of(1), [(Some(unit()), name.clone()), (None, "segw.example".into())]);
    assert_eq!(of(3), [(Some(unit()), name)]);
    assert_eq!(of(4), []);
}

#[test]
fn the_certificates_of_a_unit_whose_life_bars_it_count_no_more_and_of_one_that_comes_back_they_do() {
    let (_dir, ledger) = with_unit();
    record(&ledger, &certificate(3, Some(unit()))).unwrap();
    ledger.record_credential(&credential(3, Origin::Issued), "kim", now()).unwrap();
    let row = ledger.certificate("devices", "03").unwrap().unwrap();
    let stands = || {
        let listed = ledger.revoked("devices", now(), now()).unwrap();
        let listed = listed.first().map(|one| (one.at, one.reason));
        match ledger.standing(&row, now()).unwrap() {
            Standing::Counts => assert_eq!(listed, None),
            Standing::Revoked(revoked) => assert_eq!(listed, Some((revoked.at, revoked.reason))),
            Standing::Waits => panic!("it is a credential"),
        }
        listed
    };
    assert_eq!(stands(), None);
    for (state, at, reason) in [
        (LifeCycle::Suspended, days(1), Some(CrlReason::CertificateHold)),
        (LifeCycle::Installed, days(2), None),
        (LifeCycle::Stolen, days(3), Some(CrlReason::KeyCompromise)),
        (LifeCycle::Retired, days(4), Some(CrlReason::CessationOfOperation)),
    ] {
        ledger.move_device(unit(), state, "kim", "a test", Some("lee"), at).unwrap();
        assert_eq!(stands(), reason.map(|reason| (at, Some(reason))), "{state}");
    }
}
