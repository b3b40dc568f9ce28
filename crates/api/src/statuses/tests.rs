use super::*;
use events::{Journal, JournalKey};
use ids::{DeviceId, Sha256};
use ledger::{
    CertificateRecord, Credential, Leave, NewDevice, Octets, Origin, Pools, Revoked, RowKey, store::Sqlite,
};
use pki::Issuing;
use std::{path::Path, time::Duration};

const DEVICES: Generation = Generation::first(Issuing::Devices);
const GATEWAYS: Generation = Generation::first(Issuing::Gateways);

fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

fn later(seconds: u64) -> UnixTime {
    now().after(Duration::from_secs(seconds))
}

fn unit() -> DeviceId {
    DeviceId::eui48([1; 6])
}

fn statuses(folder: &Path) -> LedgerStatuses {
    let key = JournalKey::create(&folder.join("journal.key")).unwrap();
    let (journal, _) = Journal::open(&folder.join("journal"), "test".parse().unwrap(), key, now()).unwrap();
    let store = Box::new(Sqlite::open(&folder.join("ledger.sqlite")).unwrap());
    let (ledger, _) = Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), now()).unwrap();
    ledger.add_device(NewDevice::installed(unit()), "test", now()).unwrap();
    LedgerStatuses(ledger)
}

fn record(statuses: &LedgerStatuses, issuing: Generation, serial: &str, device: Option<DeviceId>) {
    let number = u8::from_str_radix(serial, 16).unwrap();
    let record = CertificateRecord {
        issuer: issuing.to_string(),
        serial: serial.into(),
        cert_sha256: Sha256([number; 32]),
        spki_sha256: Sha256([number; 32]),
        kind: "device".into(),
        device,
        name: "a name".into(),
        not_before: now(),
        not_after: later(1000),
        possession: "cmp".into(),
        exception: None,
        by: "test".into(),
        issued_at: later(5),
        leave: Leave::Word,
        transaction: None,
        revoked: None,
        der: Octets(vec![]),
    };
    let mut tx = statuses.0.begin().unwrap();
    tx.record_certificate(&record, now()).unwrap();
    tx.commit().unwrap();
}

fn confirm(statuses: &LedgerStatuses, serial: &str) {
    let number = u8::from_str_radix(serial, 16).unwrap();
    let credential = Credential {
        cert_sha256: Sha256([number; 32]),
        device: unit(),
        realm: "femto.example".parse().unwrap(),
        serial: serial.into(),
        spki_sha256: Sha256([number; 32]),
        not_before: now(),
        not_after: later(1000),
        issued_at: later(9),
        origin: Origin::Issued,
        parent: None,
        superseded: None,
        doubt: None,
        revoked: None,
    };
    statuses.0.record_credential(&credential, "test", now()).unwrap();
}

const HELD: Option<CrlReason> = Some(CrlReason::CertificateHold);

#[test]
fn a_units_certificate_is_on_hold_until_it_is_confirmed_then_good_until_it_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let statuses = statuses(folder.path());
    let of = |issuing| statuses.status(issuing, "4b", later(30)).unwrap();
    assert_eq!(of(DEVICES), Status::NotIssued);
    record(&statuses, DEVICES, "4b", Some(unit()));
    assert_eq!(of(DEVICES), Status::Revoked { at: later(5), reason: HELD });
    confirm(&statuses, "4b");
    assert_eq!(of(DEVICES), Status::Good);
    assert_eq!(of(GATEWAYS), Status::NotIssued, "the other CA signed no such");
    statuses.0.revoke(Sha256([0x4b; 32]), None, "kim", "copied", later(20)).unwrap();
    assert_eq!(of(DEVICES), Status::Revoked { at: later(20), reason: None });
}

#[test]
fn any_other_certificate_is_good_until_it_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let statuses = statuses(folder.path());
    record(&statuses, GATEWAYS, "4c", None);
    assert_eq!(statuses.status(GATEWAYS, "4c", later(30)), Ok(Status::Good));
    let reason = Some(CrlReason::Superseded);
    let revoked = Revoked { at: later(20), why: "a new one".into(), reason };
    statuses.0.revoke_certificate("gateways", "4c", &revoked, "kim").unwrap();
    assert_eq!(statuses.status(GATEWAYS, "4c", later(30)), Ok(Status::Revoked { at: later(20), reason }));
    let entry = Entry { serial: "4c".into(), at: later(20), reason };
    assert_eq!(statuses.revoked(GATEWAYS, now(), later(30)).unwrap(), [entry]);
    assert_eq!(statuses.revoked(DEVICES, now(), later(30)).unwrap(), []);
}

#[test]
fn a_serial_of_a_strangers_making_was_not_issued() {
    let folder = tempfile::tempdir().unwrap();
    let statuses = statuses(folder.path());
    record(&statuses, GATEWAYS, "4c", None);
    for serial in ["", "4", "4c00", "%", "devices/4c", &"ff".repeat(21)] {
        assert_eq!(statuses.status(GATEWAYS, serial, later(30)), Ok(Status::NotIssued), "{serial}");
    }
}

#[test]
fn nobody_can_say_what_became_of_a_row_that_was_tampered_with() {
    let folder = tempfile::tempdir().unwrap();
    let statuses = statuses(folder.path());
    record(&statuses, GATEWAYS, "4c", None);
    let database = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    let changed = database
        .execute("UPDATE row SET body = replace(body, 'a name', 'b name') WHERE key = 'gateways/4c'", []);
    assert_eq!(changed.unwrap(), 1);
    assert_eq!(statuses.status(GATEWAYS, "4c", later(30)), Err(OutOfReach));
}
