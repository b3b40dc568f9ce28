use super::*;
use admission::ValidityException;
use events::{Journal, JournalKey};
use ids::OrderId;
use ledger::{NewDevice, Pools, RowKey, Standing, store::Sqlite};
use pki::{CaSpec, DeviceOrder, FileKey, GatewayOrder, Issued, Issuing, KeyAlgorithm, KeySource, PrivateKey};
use std::time::Duration;

const RIGHT: &str = "00aabbccdd01";
const WRONG: &str = "00aabbccdd02";

struct World {
    office: Office,
    ca: Ca,
    folder: tempfile::TempDir,
}

fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

/// The ledger as the files have it now.
fn open(folder: &std::path::Path) -> (Ledger, Vec<String>) {
    let path = folder.join("journal.key");
    let key = JournalKey::open(&path).or_else(|_| JournalKey::create(&path)).unwrap();
    let (journal, _) = Journal::open(&folder.join("journal"), "test".parse().unwrap(), key, now()).unwrap();
    let store = Box::new(Sqlite::open(&folder.join("ledger.sqlite")).unwrap());
    let pools = Pools { v4: Some("10.0.0.0/24".parse().unwrap()), v6: None };
    Ledger::open(store, journal, RowKey::new(&[7; 32]), pools, now()).unwrap()
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    for id in [RIGHT, WRONG] {
        ledger.add_device(NewDevice::installed(id.parse().unwrap()), "test", now()).unwrap();
    }
    let spec = CaSpec::new("Test", "femto.test.example".parse().unwrap());
    let ca = Ca::create(&folder.path().join("ca"), &spec, now()).unwrap();
    World { office: Office { ledger, policy: Policy::default() }, ca, folder }
}

/// A request that names nobody, as units write it that do not know their name yet.
fn request() -> Vec<u8> {
    let key = FileKey::new(&PrivateKey::generate(KeyAlgorithm::P256).unwrap()).unwrap();
    let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.serialize_request(&key).unwrap().der().to_vec()
}

fn order(device: &str, request: &[u8]) -> DeviceOrder {
    DeviceOrder {
        device: device.parse().unwrap(),
        key: KeySource::Request(request.to_vec()),
        validity: None,
        by: "test".into(),
    }
}

fn gateway() -> GatewayOrder {
    GatewayOrder {
        names: vec!["segw.femto.test.example".into()],
        addresses: vec![],
        key: KeySource::Generate(KeyAlgorithm::P256),
        validity: None,
        by: "test".into(),
    }
}

impl World {
    fn issue(&self, order: &DeviceOrder) -> Result<Issued, PkiError> {
        self.office.issue(|books| self.ca.issue(order, books, now()))
    }
}

fn row(ledger: &Ledger, issuing: Issuing, issued: &Issued) -> CertificateRecord {
    ledger.certificate(issuing.name(), &issued.info.serial).unwrap().unwrap()
}

#[test]
fn what_is_handed_out_is_a_row_and_its_units_credential() {
    let world = world();
    let issued = world.issue(&order(RIGHT, &request())).unwrap();
    let ledger = &world.office.ledger;
    let row = row(ledger, Issuing::Devices, &issued);
    assert_eq!((&row.der.0, row.cert_sha256), (&issued.chain[0], issued.info.sha256));
    assert_eq!((row.kind.as_str(), row.device), ("device", Some(RIGHT.parse().unwrap())));
    assert_eq!((row.leave.clone(), row.transaction.clone()), (Leave::Word, None));
    assert_eq!((row.possession.as_str(), row.by.as_str(), row.issued_at), ("request", "test", now()));
    let credential = ledger.credential(issued.info.sha256).unwrap().unwrap();
    assert_eq!((credential.serial, credential.origin), (row.serial.clone(), Origin::Issued));
    let gateway = world.office.issue(|books| world.ca.issue_gateway(&gateway(), books, now())).unwrap();
    let row = self::row(ledger, Issuing::Gateways, &gateway);
    assert_eq!(
        (row.kind.as_str(), row.device, row.name.as_str()),
        ("gateway", None, "segw.femto.test.example")
    );
    assert_eq!(ledger.standing(&row, now()).unwrap(), Standing::Counts);
    assert!(ledger.verify().unwrap().findings.is_empty());
}

#[test]
fn a_key_that_is_another_units_is_refused_before_anything_is_written() {
    let world = world();
    let request = request();
    world.issue(&order(WRONG, &request)).unwrap();
    let head = world.office.ledger.journal().head();
    let refused = world.issue(&order(RIGHT, &request)).unwrap_err();
    assert!(matches!(&refused, PkiError::Forbidden(why) if why.contains(WRONG)), "{refused}");
    assert_eq!(world.office.ledger.journal().head(), head);
    world.issue(&order(WRONG, &request)).unwrap();
}

#[test]
fn a_key_is_its_units_before_the_unit_has_confirmed_it_and_no_credential_then() {
    let world = world();
    let (request, ledger) = (request(), &world.office.ledger);
    let leave = Leave::Order("W-1".parse::<OrderId>().unwrap());
    let until = now().after(Duration::from_secs(60));
    let octets = || Octets(vec![1; 16]);
    let from = "192.0.2.1".parse().unwrap();
    let transaction = Transaction { id: octets(), signer: octets(), nonce: octets(), from, until };
    let mut tx = ledger.begin().unwrap();
    let mut books = LedgerBooks::new(&mut tx, &world.office.policy, leave.clone(), Some(transaction.clone()));
    let issued = world.ca.issue(&order(WRONG, &request), &mut books, now()).unwrap();
    tx.commit().unwrap();
    let row = row(ledger, Issuing::Devices, &issued);
    assert_eq!((row.leave.clone(), row.transaction.clone()), (leave, Some(transaction)));
    assert_eq!(ledger.credential(issued.info.sha256).unwrap(), None);
    assert_eq!(ledger.standing(&row, now()).unwrap(), Standing::Waits);
    let refused = world.issue(&order(RIGHT, &request)).unwrap_err();
    assert!(matches!(&refused, PkiError::Forbidden(why) if why.contains(WRONG)), "{refused}");
}

#[test]
fn many_share_one_transaction_and_see_each_other_in_it() {
    let world = world();
    let request = request();
    let refused = world.office.issue(|books| {
        let first = world.ca.issue(&order(WRONG, &request), books, now())?;
        let second = world.ca.issue(&order(RIGHT, &request), books, now()).map(|_| ()).unwrap_err();
        Ok((first.info.serial, second.to_string()))
    });
    let (serial, why) = refused.unwrap();
    assert!(why.contains(WRONG), "{why}");
    assert!(world.office.ledger.certificate("devices", &serial).unwrap().is_some());
    assert_eq!(world.office.ledger.certificates("", 9).unwrap().rows.len(), 1);
}

#[test]
fn what_failed_is_handed_out_to_nobody_and_never_was() {
    let World { office, ca, folder } = world();
    let mut issued = None;
    let failed = office.issue(|books| {
        issued = Some(ca.issue(&order(RIGHT, &request()), books, now())?.info);
        Err::<(), _>(PkiError::Signing)
    });
    assert!(matches!(failed, Err(PkiError::Signing)));
    let info = issued.unwrap();
    drop(office);
    let (ledger, finished) = open(folder.path());
    assert_eq!(finished, [""; 0]);
    assert!(ledger.certificate("devices", &info.serial).unwrap().is_none());
    assert!(ledger.credential(info.sha256).unwrap().is_none());
    assert!(ledger.verify().unwrap().findings.is_empty());
}

#[test]
fn books_that_could_not_be_written_are_not_committed_whoever_goes_on_with_them() {
    let world = world();
    let refused = world.office.issue(|books| {
        let error = LedgerError::Journal(events::JournalError::InUse("the/journal".into()));
        let _ = books.noted::<()>(Err(error));
        Ok(())
    });
    assert!(matches!(&refused, Err(PkiError::Books(why)) if why.contains("the/journal")), "{refused:?}");
}

#[test]
fn a_registration_authority_is_issued_once_and_is_a_row_before_it_is_a_file() {
    let World { office, ca, folder: _folder } = world();
    let first = office.registration_authority(&ca, now()).unwrap().certificate().sha256();
    assert_eq!(office.registration_authority(&ca, now()).unwrap().certificate().sha256(), first);
    let page = office.ledger.certificates("", 9).unwrap();
    let rows: Vec<_> = page.rows.iter().map(|row| (row.kind.as_str(), row.cert_sha256)).collect();
    assert_eq!(rows, [("registration_authority", first)]);
}

#[test]
fn the_office_issues_what_admission_would_take_and_no_longer() {
    let mut world = world();
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    let ask = |world: &World, validity| world.issue(&DeviceOrder { validity, ..order(RIGHT, &request()) });
    ask(&world, days(30)).unwrap();
    let refused = ask(&world, days(31)).unwrap_err();
    assert!(matches!(refused, PkiError::TooLong { .. }), "{refused}");
    world.office.policy.validity_exceptions = vec![ValidityException {
        name: "until the vans come".into(),
        device: None,
        realm: None,
        max_validity_d: 60,
        until: now().after(Duration::from_secs(1)),
    }];
    let issued = ask(&world, days(60)).unwrap();
    let row = row(&world.office.ledger, Issuing::Devices, &issued);
    assert_eq!(row.exception.as_deref(), Some("until the vans come"));
    assert!(ask(&world, days(61)).is_err());
}
