use super::*;
use crate::{Ledger, NewDevice, Origin, Pools, RowKey, store::Sqlite};
use events::{Journal, JournalKey};
use ids::Sha256;

fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

fn ledger(dir: &std::path::Path) -> Ledger {
    let key = JournalKey::create(&dir.join("journal.key")).unwrap();
    let (journal, _) = Journal::open(&dir.join("journal"), "gw1".parse().unwrap(), key, now()).unwrap();
    let store = Box::new(Sqlite::open(&dir.join("ledger.sqlite")).unwrap());
    Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), now()).unwrap().0
}

fn credential(device: DeviceId) -> Credential {
    Credential {
        cert_sha256: Sha256([1; 32]),
        device,
        realm: "femto.operator.example".parse().unwrap(),
        serial: "01".into(),
        spki_sha256: Sha256([1; 32]),
        not_before: now(),
        not_after: now(),
        issued_at: now(),
        origin: Origin::Issued,
        parent: None,
        superseded: None,
        doubt: None,
        revoked: None,
    }
}

#[test]
fn a_certificate_ends_no_hold_and_enrols_everyone_else() {
    for (before, after) in [
        (Enrolment::None, Enrolment::Enrolled),
        (Enrolment::Ordered, Enrolment::Enrolled),
        (Enrolment::Enrolled, Enrolment::Enrolled),
        (Enrolment::Held, Enrolment::Held),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path());
        let device = ledger.add_device(NewDevice::installed(DeviceId::eui48([1; 6])), "kim", now()).unwrap();
        let mut tx = ledger.begin().unwrap();
        let device = Device { enrolment: before, ..device };
        tx.put_row(&device, &Because::new("kim", "test"), now()).unwrap();
        tx.commit().unwrap();
        ledger.record_credential(&credential(device.id), "kim", now()).unwrap();
        assert_eq!(ledger.device(device.id).unwrap().unwrap().enrolment, after, "{before}");
        assert_eq!(ledger.credentials_of(device.id).unwrap().rows.len(), 1);
    }
}
