use super::*;
use admission::ValidityException;
use events::{Journal, JournalKey, journal::Tail};
use ledger::{NewDevice, Pools, RowKey, store::Sqlite};
use pki::{Ca, CaSpec, DeviceOrder, FileKey, KeyAlgorithm, KeySource, Outcome, PrivateKey};
use std::{path::Path, time::Duration};

const RIGHT: &str = "00aabbccdd01";
const WRONG: &str = "00aabbccdd02";

struct World {
    books: LedgerBooks,
    ca: Ca,
    folder: tempfile::TempDir,
}

fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let key = JournalKey::create(&folder.path().join("journal.key")).unwrap();
    let dir = folder.path().join("journal");
    let (journal, _) = Journal::open(&dir, "test".parse().unwrap(), key, now()).unwrap();
    let store = Box::new(Sqlite::open(&folder.path().join("ledger.sqlite")).unwrap());
    let pools = Pools { v4: Some("10.0.0.0/24".parse().unwrap()), v6: None };
    let (ledger, _) = Ledger::open(store, journal, RowKey::new(&[7; 32]), pools, now()).unwrap();
    for id in [RIGHT, WRONG] {
        ledger.add_device(NewDevice::installed(id.parse().unwrap()), "test", now()).unwrap();
    }
    let spec = CaSpec::new("Test", "femto.test.example".parse().unwrap());
    let ca = Ca::create(&folder.path().join("ca"), &spec, now()).unwrap();
    World { books: LedgerBooks { ledger, policy: Policy::default() }, ca, folder }
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

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[test]
fn a_key_that_is_another_units_is_refused_before_anything_is_signed_and_the_ca_opens() {
    let World { books, ca, folder } = world();
    let request = request();
    ca.issue(&order(WRONG, &request), &books, now()).unwrap();
    let head = books.ledger.journal().head();
    let refused = ca.issue(&order(RIGHT, &request), &books, now()).unwrap_err();
    assert!(matches!(&refused, PkiError::Forbidden(why) if why.contains(WRONG)), "{refused}");
    assert_eq!(books.ledger.journal().head(), head, "not even the intent");
    assert_eq!(ca.list(None, 10).unwrap().len(), 1);
    assert_eq!(files(&folder.path().join("ca/pending")), 0);
    let (_, settled) = Ca::open(&folder.path().join("ca"), &books, now()).unwrap();
    assert_eq!(settled, []);
}

/// Books of a process that dies once it has signed.
struct Dying(LedgerBooks);

impl Books for Dying {
    fn may_issue(&self, wanted: &Intent) -> Result<Option<String>, PkiError> {
        self.0.may_issue(wanted)
    }

    fn intended(&self, intent: &Intent) -> Result<(), PkiError> {
        self.0.intended(intent)
    }

    fn issued(&self, _: &Intent, _: &Certificate, _: UnixTime) -> Result<(), PkiError> {
        Err(PkiError::Books("gone".into()))
    }

    fn abandoned(&self, intent: &Intent, why: &str, at: UnixTime) -> Result<(), PkiError> {
        self.0.abandoned(intent, why, at)
    }
}

#[test]
fn what_the_ledger_refuses_at_the_next_start_is_abandoned_with_its_reason_and_the_ca_opens() {
    let World { books, ca, folder } = world();
    let request = request();
    ca.issue(&order(RIGHT, &request), &Dying(books.clone()), now()).unwrap_err();
    // The key has meanwhile become another unit's.
    let spki_sha256 = ca.list(None, 1).unwrap()[0].spki_sha256;
    let credential = Credential {
        cert_sha256: Sha256([9; 32]),
        device: WRONG.parse().unwrap(),
        realm: ca.realm().clone(),
        serial: "09".into(),
        spki_sha256,
        not_before: now(),
        not_after: now(),
        issued_at: now(),
        origin: Origin::Issued,
        revoked: None,
    };
    books.ledger.record_credential(&credential, "test", now()).unwrap();
    let (ca, settled) = Ca::open(&folder.path().join("ca"), &books, now()).unwrap();
    assert_eq!(settled.iter().map(|settled| settled.outcome).collect::<Vec<_>>(), [Outcome::Abandoned]);
    assert_eq!(ca.list(None, 10).unwrap(), []);
    let mut tail = Tail::new(&books.ledger.journal().dir(), books.ledger.journal().head());
    let last = tail.next_record().unwrap().unwrap().read::<IssueAbandoned>().unwrap().unwrap();
    assert!(last.why.contains(WRONG), "{last:?}");
}

#[test]
fn the_office_issues_what_admission_would_take_and_no_longer() {
    let World { mut books, ca, folder: _folder } = world();
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    let ask = |books: &LedgerBooks, validity| {
        ca.issue(&DeviceOrder { validity, ..order(RIGHT, &request()) }, books, now())
    };
    ask(&books, days(30)).unwrap();
    let refused = ask(&books, days(31)).unwrap_err();
    assert!(matches!(refused, PkiError::TooLong { .. }), "{refused}");
    books.policy.validity_exceptions = vec![ValidityException {
        name: "until the vans come".into(),
        device: None,
        realm: None,
        max_validity_d: 60,
        until: now().after(Duration::from_secs(1)),
    }];
    ask(&books, days(60)).unwrap();
    assert!(ask(&books, days(61)).is_err());
}
