//! The ledger on its real store: what stands, what is refused, what survives.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use events::{
    Durability, Journal, JournalError, JournalKey, Recorded,
    ledger::{Committed, RowChanged},
};
use ids::{CertSha256, DeviceId, EventRef, SessionId, Sha256, UnixTime};
use ledger::{
    AccessLineRecord, Breaker, Credential, Device, DeviceChange, Differing, Finding, Lease, Ledger,
    LedgerError, LifeCycle, Mode, NewDevice, NewIncident, Origin, Pools, RowKey, Scope, store::Sqlite,
    verify_copy,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

fn id(n: u64) -> DeviceId {
    DeviceId::eui64(n.to_be_bytes())
}

fn pools() -> Pools {
    Pools { v4: Some("10.64.0.0/22".parse().unwrap()), v6: Some("fd00:64::/64".parse().unwrap()) }
}

fn try_open(dir: &Path) -> Result<(Ledger, Vec<String>), LedgerError> {
    open_with(dir, pools())
}

fn open_with(dir: &Path, pools: Pools) -> Result<(Ledger, Vec<String>), LedgerError> {
    let journal = open_journal(dir, "gw1");
    let store = Box::new(Sqlite::open(&dir.join("ledger.sqlite"))?);
    Ledger::open(store, journal, RowKey::open(&dir.join("row.key")).unwrap(), pools, now())
}

fn open_journal(dir: &Path, node: &str) -> Journal {
    let (journal_key, row_key) = (dir.join("journal.key"), dir.join("row.key"));
    if !row_key.exists() {
        JournalKey::create(&journal_key).unwrap();
        RowKey::create(&row_key).unwrap();
    }
    let key = JournalKey::open(&journal_key).unwrap();
    Journal::open(&dir.join("journal"), node.parse().unwrap(), key, now()).unwrap().0
}

fn open(dir: &Path) -> (Ledger, Vec<String>) {
    let (ledger, finished) = try_open(dir).unwrap();
    ledger.begin_epoch(now()).unwrap();
    (ledger, finished)
}

fn fresh() -> (TempDir, Ledger) {
    let dir = TempDir::new().unwrap();
    let (ledger, _) = open(dir.path());
    (dir, ledger)
}

fn credential(device: DeviceId, octet: u8) -> Credential {
    Credential {
        cert_sha256: Sha256([octet; 32]),
        device,
        realm: "femto.operator.example".parse().unwrap(),
        serial: format!("{octet:02x}"),
        spki_sha256: Sha256([octet; 32]),
        not_before: now(),
        not_after: now().after(Duration::from_secs(30 * 86_400)),
        issued_at: now(),
        origin: Origin::Issued,
        parent: None,
        superseded: None,
        doubt: None,
        revoked: None,
    }
}

fn lease(ledger: &Ledger, device: DeviceId, number: u64) -> Lease {
    Lease {
        device,
        node: ledger.node().clone(),
        epoch: ledger.epoch(),
        session: SessionId { epoch: ledger.epoch(), number },
        cert_sha256: CertSha256::from_octets(1),
        outer: "127.0.0.9:4500".parse().unwrap(),
        since: now(),
    }
}

trait Octets {
    fn from_octets(octet: u8) -> Self;
}

impl Octets for CertSha256 {
    fn from_octets(octet: u8) -> Self {
        Sha256([octet; 32])
    }
}

/// No row can be written.
const FULL: &str =
    "CREATE TRIGGER full BEFORE INSERT ON row BEGIN SELECT raise(ABORT, 'database or disk is full'); END";

/// Rows are written, and no transaction ends well.
const STUCK: &str = "CREATE TABLE no_such (id INTEGER PRIMARY KEY);
    CREATE TABLE stuck (id REFERENCES no_such DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER stuck_new AFTER INSERT ON row BEGIN INSERT INTO stuck VALUES (1); END;
    CREATE TRIGGER stuck_changed AFTER UPDATE ON row BEGIN INSERT INTO stuck VALUES (1); END";
const NOT_STUCK: &str =
    "DROP TRIGGER stuck_new; DROP TRIGGER stuck_changed; DROP TABLE stuck; DROP TABLE no_such";

/// A change as a version of before wrote it.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
struct ChangedAlone(RowChanged);

impl Recorded for ChangedAlone {
    const KIND: &'static str = <RowChanged>::KIND;
}

fn sql(dir: &Path, statement: &str) {
    let connection = rusqlite::Connection::open(dir.join("ledger.sqlite")).unwrap();
    connection.execute_batch(statement).unwrap();
}

#[test]
fn a_unit_gets_inner_addresses_of_its_own_and_keeps_them() {
    let (dir, ledger) = fresh();
    let first = ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
    let second = ledger.add_device(NewDevice::installed(id(2)), "kim", now()).unwrap();
    assert_eq!(first.inner_v4, Some("10.64.0.1".parse().unwrap()));
    assert_eq!(second.inner_v4, Some("10.64.0.2".parse().unwrap()));
    assert_ne!(first.inner_v6, second.inner_v6);
    drop(ledger);
    let (ledger, _) = open(dir.path());
    assert_eq!(ledger.device(id(1)).unwrap(), Some(first));
    let third = ledger.add_device(NewDevice::installed(id(3)), "kim", now()).unwrap();
    assert_eq!(third.inner_v4, Some("10.64.0.3".parse().unwrap()), "and none is given twice after a restart");
    assert!(matches!(
        ledger.add_device(NewDevice::installed(id(3)), "kim", now()),
        Err(LedgerError::Exists { .. })
    ));
}

#[test]
fn a_pool_below_the_one_before_is_drawn_from_its_beginning_and_goes_on_where_it_was() {
    let (dir, ledger) = fresh();
    ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
    drop(ledger);
    let lower =
        || Pools { v4: Some("10.10.0.0/30".parse().unwrap()), v6: Some("fd00:10::/64".parse().unwrap()) };
    for (n, v4, v6) in [(2, "10.10.0.1", "fd00:10::1"), (3, "10.10.0.2", "fd00:10::2")] {
        let (ledger, _) = open_with(dir.path(), lower()).unwrap();
        let device = ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap();
        assert_eq!(
            (device.inner_v4, device.inner_v6),
            (Some(v4.parse().unwrap()), Some(v6.parse().unwrap()))
        );
    }
    let (ledger, _) = open_with(dir.path(), lower()).unwrap();
    let full = ledger.add_device(NewDevice::installed(id(4)), "kim", now());
    assert!(matches!(full, Err(LedgerError::PoolExhausted("IPv4"))), "its last address is for broadcasts");
}

#[test]
fn the_life_cycle_table_is_kept_to_and_a_lost_unit_needs_two_people() {
    let (_dir, ledger) = fresh();
    ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
    let go = |to, approver| {
        ledger.move_device(id(1), to, "kim", "why", approver, now()).map(|device| device.state)
    };
    assert_eq!(go(LifeCycle::Lost, None).unwrap(), LifeCycle::Lost);
    assert!(matches!(go(LifeCycle::Live, None), Err(LedgerError::NoSuchMove { .. })));
    for nobody in [None, Some("kim"), Some("")] {
        assert!(matches!(go(LifeCycle::Suspended, nobody), Err(LedgerError::NeedsApprover(_))));
    }
    assert_eq!(go(LifeCycle::Suspended, Some("lee")).unwrap(), LifeCycle::Suspended);
    assert!(matches!(
        ledger.move_device(id(9), LifeCycle::Lost, "kim", "", None, now()),
        Err(LedgerError::NotFound { .. })
    ));
}

#[test]
fn a_certificate_belongs_to_one_unit_and_so_does_its_key() {
    let (_dir, ledger) = fresh();
    for n in [1, 2] {
        ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap();
    }
    ledger.record_credential(&credential(id(1), 7), "ca", now()).unwrap();
    ledger.record_credential(&credential(id(1), 7), "ca", now()).unwrap();
    assert!(matches!(
        ledger.record_credential(&credential(id(2), 7), "ca", now()),
        Err(LedgerError::Conflict(_))
    ));
    let same_key = Credential { cert_sha256: Sha256([8; 32]), ..credential(id(2), 7) };
    assert!(matches!(ledger.record_credential(&same_key, "ca", now()), Err(LedgerError::Conflict(_))));
    assert!(matches!(
        ledger.record_credential(&credential(id(5), 9), "ca", now()),
        Err(LedgerError::NotFound { .. })
    ));
    assert_eq!(ledger.credentials_of(id(1)).unwrap().rows.len(), 1);
    assert_eq!(ledger.device(id(1)).unwrap().unwrap().enrolment.as_str(), "enrolled");
    let revoked = ledger.revoke(Sha256([7; 32]), None, "kim", "stolen", now()).unwrap();
    assert_eq!(revoked.revoked.unwrap().why, "stolen");
}

fn imported(device: DeviceId, octet: u8) -> Credential {
    Credential { origin: Origin::Imported, ..credential(device, octet) }
}

#[test]
fn certificates_of_another_ca_are_recorded_once_with_how_they_came() {
    let (_dir, ledger) = fresh();
    for n in [1, 2] {
        ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap();
    }
    let both = [imported(id(1), 7), imported(id(2), 8), imported(id(2), 8)];
    let checked = ledger.check_credentials(&both).unwrap();
    assert_eq!((checked.recorded, checked.unchanged, checked.refused.len()), (2, 1, 0));
    assert_eq!(ledger.credentials(None, 10).unwrap().rows, [], "a check writes nothing");
    ledger.import_credentials(&both, "kim", now()).unwrap();
    assert_eq!(ledger.credentials(None, 10).unwrap().rows, both[..2]);
    assert_eq!(ledger.device(id(2)).unwrap().unwrap().enrolment.as_str(), "enrolled");
    let head = ledger.journal().head();
    let again = ledger.import_credentials(&both, "kim", now()).unwrap();
    assert_eq!((again.recorded, again.unchanged, again.refused.len()), (0, 3, 0));
    assert_eq!(ledger.journal().head(), head);
    assert_eq!(ledger.verify().unwrap().findings, []);
}

#[test]
fn one_certificate_that_is_refused_keeps_all_others_of_an_import_out() {
    let (_dir, ledger) = fresh();
    for n in 1..=5 {
        ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap();
    }
    ledger.record_credential(&credential(id(1), 1), "ca", now()).unwrap();
    ledger.record_credential(&credential(id(2), 2), "ca", now()).unwrap();
    ledger.revoke(Sha256([2; 32]), None, "kim", "key lost", now()).unwrap();
    ledger.move_device(id(3), LifeCycle::Suspended, "kim", "a question", None, now()).unwrap();
    let key_of = |octet: u8, other: Credential| Credential { spki_sha256: Sha256([octet; 32]), ..other };
    let head = ledger.journal().head();
    for (other, why) in [
        (imported(id(9), 9), "there is no device".to_owned()),
        (imported(id(2), 1), format!("is recorded for {}", id(1))),
        (key_of(1, imported(id(2), 9)), format!("is that of a certificate of {}", id(1))),
        (key_of(4, imported(id(5), 9)), format!("is that of a certificate of {}", id(4))),
        (imported(id(2), 2), "was revoked at".to_owned()),
        (imported(id(3), 3), "is suspended: it may have no certificate".to_owned()),
    ] {
        let done = ledger.import_credentials(&[imported(id(4), 4), other], "kim", now()).unwrap();
        let [(1, error)] = &done.refused[..] else { panic!("{why}: {done:?}") };
        assert!(error.to_string().contains(&why), "{why}: {error}");
        assert_eq!((done.recorded, ledger.credentials_of(id(4)).unwrap().rows), (0, vec![]), "{why}");
    }
    assert_eq!(ledger.journal().head(), head, "nothing was intended either");
}

#[test]
fn a_lease_is_exclusive_released_only_by_its_holder_and_void_after_a_restart() {
    let (dir, ledger) = fresh();
    let event: EventRef = "gw1/1".parse().unwrap();
    let (first, second) = (lease(&ledger, id(1), 1), lease(&ledger, id(1), 2));
    let mut tx = ledger.begin().unwrap();
    assert_eq!(tx.lease(id(1)).unwrap(), None);
    tx.take_lease(&first, None, event.clone()).unwrap();
    assert_eq!(tx.lease(id(1)).unwrap(), Some(first.clone()));
    assert!(!tx.release_lease(&second).unwrap(), "not its own");
    tx.commit().unwrap();
    drop(ledger);

    let (ledger, _) = open(dir.path());
    assert_eq!(ledger.epoch().0, 2);
    let mut tx = ledger.begin().unwrap();
    assert_eq!(tx.lease(id(1)).unwrap(), None, "the new epoch voids it");
    let again = lease(&ledger, id(1), 1);
    tx.take_lease(&again, None, event).unwrap();
    assert!(tx.release_lease(&again).unwrap());
    tx.commit().unwrap();
}

#[test]
fn a_lease_changes_hands_only_from_the_session_that_is_said_to_hold_it() {
    let (_dir, ledger) = fresh();
    let event: EventRef = "gw1/1".parse().unwrap();
    let [first, second, third] = [1, 2, 3].map(|number| lease(&ledger, id(1), number));
    let mut tx = ledger.begin().unwrap();
    tx.take_lease(&first, None, event.clone()).unwrap();
    for replaces in [None, Some(third.session)] {
        let taken = tx.take_lease(&second, replaces, event.clone());
        assert!(matches!(taken, Err(LedgerError::Conflict(_))), "{taken:?}");
    }
    assert_eq!(tx.lease(id(1)).unwrap(), Some(first.clone()));
    tx.take_lease(&second, Some(first.session), event.clone()).unwrap();
    assert!(tx.release_lease(&second).unwrap());
    tx.take_lease(&third, Some(first.session), event).unwrap();
    assert_eq!(tx.lease(id(1)).unwrap(), Some(third));
}

#[test]
fn a_transaction_that_is_dropped_changes_nothing() {
    let (_dir, ledger) = fresh();
    let mut tx = ledger.begin().unwrap();
    tx.take_lease(&lease(&ledger, id(1), 1), None, "gw1/1".parse().unwrap()).unwrap();
    drop(tx);
    assert_eq!(ledger.lease(id(1)).unwrap(), None);
}

#[test]
fn a_lease_whose_successor_was_rolled_back_is_not_taken_for_tampered() {
    let (_dir, ledger) = fresh();
    let (first, second) = (lease(&ledger, id(1), 1), lease(&ledger, id(1), 2));
    let take = |lease: &Lease| {
        let mut tx = ledger.begin().unwrap();
        tx.take_lease(lease, Some(first.session), "gw1/1".parse().unwrap()).map(|()| tx)
    };
    take(&first).unwrap().commit().unwrap();
    drop(take(&second).unwrap());
    assert_eq!(ledger.begin().unwrap().lease(id(1)).unwrap(), Some(first.clone()));
    let mut tx = ledger.begin().unwrap();
    assert!(tx.release_lease(&first).unwrap());
    drop(tx);
    take(&second).unwrap().commit().unwrap();
    assert_eq!(ledger.begin().unwrap().lease(id(1)).unwrap(), Some(second));
}

#[test]
fn a_lease_put_back_behind_a_committed_one_is_noticed_even_after_a_removal_was_rolled_back() {
    let (dir, ledger) = fresh();
    let (first, second) = (lease(&ledger, id(1), 1), lease(&ledger, id(1), 2));
    for (lease, keep) in
        [(&first, "CREATE TABLE keep AS SELECT * FROM row WHERE tbl = 'lease'"), (&second, "")]
    {
        let mut tx = ledger.begin().unwrap();
        tx.take_lease(lease, Some(first.session), "gw1/1".parse().unwrap()).unwrap();
        tx.commit().unwrap();
        sql(dir.path(), keep);
    }
    let mut tx = ledger.begin().unwrap();
    assert!(tx.release_lease(&second).unwrap());
    drop(tx);
    sql(dir.path(), "INSERT OR REPLACE INTO row SELECT * FROM keep");
    assert!(matches!(ledger.begin().unwrap().lease(id(1)), Err(LedgerError::Tampered { .. })));
}

#[test]
fn a_row_that_was_seen_and_is_gone_is_tampered_with_and_no_row_that_never_was() {
    let (dir, ledger) = fresh();
    let line = AccessLineRecord {
        line: "L-1".parse().unwrap(),
        prefixes: vec![],
        region: String::new(),
        position: None,
    };
    ledger.add_line(&line, "kim", now()).unwrap();
    ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
    let mut tx = ledger.begin().unwrap();
    tx.take_lease(&lease(&ledger, id(1), 1), None, "gw1/1".parse().unwrap()).unwrap();
    tx.commit().unwrap();

    sql(dir.path(), "DELETE FROM row");
    let mut tx = ledger.begin().unwrap();
    assert!(matches!(tx.device(id(1)), Err(LedgerError::Tampered { .. })));
    assert!(matches!(tx.line(&line.line), Err(LedgerError::Tampered { .. })));
    assert!(matches!(tx.lease(id(1)), Err(LedgerError::Tampered { .. })));
    assert!(tx.device(id(2)).unwrap().is_none());
    assert!(tx.line(&"L-2".parse().unwrap()).unwrap().is_none());
}

#[test]
fn a_lease_that_was_released_is_not_missed_unless_its_release_was_rolled_back() {
    let (dir, ledger) = fresh();
    let first = lease(&ledger, id(1), 1);
    let mut tx = ledger.begin().unwrap();
    tx.take_lease(&first, None, "gw1/1".parse().unwrap()).unwrap();
    tx.commit().unwrap();
    let mut tx = ledger.begin().unwrap();
    assert!(tx.release_lease(&first).unwrap());
    assert_eq!(tx.lease(id(1)).unwrap(), None, "within the transaction");
    drop(tx);
    sql(dir.path(), "CREATE TABLE keep AS SELECT * FROM row; DELETE FROM row");
    assert!(matches!(ledger.begin().unwrap().lease(id(1)), Err(LedgerError::Tampered { .. })));
    sql(dir.path(), "INSERT INTO row SELECT * FROM keep");
    let mut tx = ledger.begin().unwrap();
    assert!(tx.release_lease(&first).unwrap());
    tx.commit().unwrap();
    assert_eq!(ledger.begin().unwrap().lease(id(1)).unwrap(), None);
}

#[test]
fn incidents_are_numbered_from_one_and_the_same_one_is_counted_not_opened_again() {
    let (_dir, ledger) = fresh();
    let new = |device| NewIncident {
        kind: "second-claim",
        devices: vec![id(device)],
        summary: "two holders of one key".into(),
        evidence: serde_json::json!({"newcomer": "127.0.0.2"}),
        more: 0,
    };
    assert_eq!(ledger.open_incident(new(1), "admission", now()).unwrap().number, 1);
    assert_eq!(ledger.open_incident(new(2), "admission", now()).unwrap().number, 2);
    let again = ledger.open_incident(new(1), "admission", now()).unwrap();
    assert_eq!((again.number, again.repeats), (1, 1));
    let untold = NewIncident { more: 7, ..new(1) };
    assert_eq!(ledger.open_incident(untold, "admission", now()).unwrap().repeats, 1 + 8);
    assert_eq!(ledger.incidents(0, 10).unwrap().rows.len(), 2);
    assert_eq!(ledger.incidents(1, 10).unwrap().rows[0].number, 2);
}

#[test]
fn section_4_line_9_a_row_changed_in_the_database_is_refused_and_named() {
    let (dir, ledger) = fresh();
    for n in 1..=5 {
        ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap();
    }
    ledger.move_device(id(2), LifeCycle::Lost, "kim", "lost", None, now()).unwrap();
    assert_eq!(ledger.verify().unwrap().findings, []);
    let row = |n: u64| format!("tbl = 'device' AND key = '{}'", id(n));
    sql(dir.path(), &format!("CREATE TABLE keep AS SELECT * FROM row WHERE {}", row(2)));
    ledger.move_device(id(2), LifeCycle::Stolen, "kim", "stolen", None, now()).unwrap();

    sql(dir.path(), &format!("UPDATE row SET body = replace(body, 'installed', 'live') WHERE {}", row(1)));
    sql(dir.path(), "INSERT OR REPLACE INTO row SELECT * FROM keep");
    sql(dir.path(), &format!("DELETE FROM row WHERE {}", row(3)));
    let mut tx = ledger.begin().unwrap();
    assert!(matches!(tx.device(id(1)), Err(LedgerError::Tampered { .. })));
    assert!(matches!(tx.device(id(2)), Err(LedgerError::Tampered { .. })), "an older row, well sealed");
    assert!(tx.device(id(4)).unwrap().is_some());
    drop(tx);
    let mut found: Vec<_> = ledger.verify().unwrap().findings.into_iter().map(|f| (f.key, f.why)).collect();
    found.sort();
    let expected = [(1, "its HMAC does not fit"), (2, "it was rolled back"), (3, "it is missing")];
    assert_eq!(found, expected.map(|(n, why)| (id(n).to_string(), why.to_owned())));
}

#[test]
fn a_ledger_is_verified_as_of_one_moment_while_units_move_and_leases_are_taken() {
    let (_dir, ledger) = fresh();
    ledger.add_device(NewDevice::installed(id(0)), "kim", now()).unwrap();
    let write = |n: u64| {
        ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap();
        let to = if n % 2 == 1 { LifeCycle::Suspended } else { LifeCycle::Installed };
        ledger.move_device(id(0), to, "kim", "", None, now()).unwrap();
        let resolved = events::admission::ContestResolved {
            device: id(n),
            stays: Some(lease(&ledger, id(n), n).session),
            goes: lease(&ledger, id(n), 0).session,
            how: "made-room".into(),
            reason: None,
            incident: None,
            rules: "test".into(),
            weighed: events::admission::Weighed::default(),
        };
        let mut tx = ledger.begin().unwrap();
        let event = ledger.journal().append(&resolved, now(), Durability::Grouped).unwrap();
        tx.take_lease(&lease(&ledger, id(n), n), None, event).unwrap();
        tx.commit().unwrap();
    };
    std::thread::scope(|scope| {
        let writes = scope.spawn(|| (1..=150).for_each(write));
        while !writes.is_finished() {
            assert_eq!(ledger.verify().unwrap().findings, []);
        }
    });
    assert_eq!(ledger.verify().unwrap().rows, 151 + 150);
}

#[test]
fn a_ledger_that_is_locked_is_out_of_reach_and_comes_back_by_itself() {
    let (dir, ledger) = fresh();
    let other = rusqlite::Connection::open(dir.path().join("ledger.sqlite")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap_err();
    assert!(matches!(error, LedgerError::Unreachable(_)) && error.is_transient(), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
}

#[test]
fn a_ledger_that_takes_no_row_keeps_what_it_has_and_what_was_refused_never_happens() {
    let (dir, ledger) = fresh();
    ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
    sql(dir.path(), FULL);
    let error = ledger.add_device(NewDevice::installed(id(2)), "kim", now()).unwrap_err();
    assert!(matches!(error, LedgerError::Unreachable(_)), "{error}");
    let mut tx = ledger.begin().unwrap();
    assert!(tx.open_incident(incident(1), "kim", now()).is_err());
    assert!(matches!(tx.commit(), Err(LedgerError::Unreachable(_))), "nor by whoever goes on all the same");
    assert!(ledger.device(id(1)).unwrap().is_some(), "reading goes on");
    sql(dir.path(), "DROP TRIGGER full");
    ledger.check().unwrap();
    assert!(ledger.device(id(2)).unwrap().is_none() && ledger.take_finished().is_empty());
    ledger.add_device(NewDevice::installed(id(2)), "kim", now()).unwrap();
    assert_eq!(ledger.verify().unwrap().findings, []);
}

#[test]
fn a_ledger_whose_disk_is_full_keeps_what_it_has_and_finishes_what_it_recorded() {
    let (dir, ledger) = fresh();
    ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
    sql(dir.path(), STUCK);
    let error = ledger.add_device(NewDevice::installed(id(2)), "kim", now()).unwrap_err();
    assert!(matches!(error, LedgerError::Unfinished { .. }) && error.is_transient(), "{error}");
    assert!(ledger.device(id(1)).unwrap().is_some(), "reading goes on");
    sql(dir.path(), NOT_STUCK);
    ledger.check().unwrap();
    assert!(ledger.device(id(2)).unwrap().is_some(), "what stands in the journal was finished");
    assert_eq!(ledger.verify().unwrap().findings, []);
}

#[test]
fn a_unit_whose_move_is_finished_later_is_told_once() {
    let (dir, ledger) = fresh();
    for n in 1..=3 {
        ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap();
    }
    ledger.record_credential(&credential(id(2), 7), "ca", now()).unwrap();
    sql(dir.path(), STUCK);
    let lost = ledger.move_device(id(1), LifeCycle::Lost, "kim", "lost", None, now());
    assert!(matches!(lost, Err(LedgerError::Unfinished { .. })));
    assert!(ledger.check().is_err());
    assert!(ledger.take_finished().is_empty(), "not finished yet");
    sql(dir.path(), NOT_STUCK);
    ledger.check().unwrap();
    assert_eq!(ledger.take_finished(), [id(1)].into());
    assert!(ledger.take_finished().is_empty());
    sql(dir.path(), STUCK);
    let revoked = ledger.revoke(Sha256([7; 32]), None, "kim", "stolen", now());
    assert!(matches!(revoked, Err(LedgerError::Unfinished { .. })));
    sql(dir.path(), NOT_STUCK);
    ledger.check().unwrap();
    assert_eq!(ledger.take_finished(), [id(2)].into());
}

fn incident(device: u64) -> NewIncident {
    let (kind, devices, summary) = ("second-claim", vec![id(device)], format!("of {}", id(device)));
    NewIncident { kind, devices, summary, evidence: serde_json::Value::Null, more: 0 }
}

#[test]
fn what_was_given_up_is_in_no_row_now_after_a_start_nor_in_a_ledger_that_is_made_anew() {
    let (dir, ledger) = fresh();
    ledger.open_incident(incident(1), "kim", now()).unwrap();
    for given_up in [vec![1], vec![2, 1], vec![3, 4, 1]] {
        let mut tx = ledger.begin().unwrap();
        for device in given_up {
            tx.open_incident(incident(device), "kim", now()).unwrap();
        }
        drop(tx);
    }
    assert_eq!((ledger.incidents(0, 10).unwrap().rows.len(), ledger.take_finished()), (1, BTreeSet::new()));
    // Of the same number and revisions as what was given up.
    ledger.open_incident(incident(5), "kim", now()).unwrap();
    ledger.open_incident(incident(1), "kim", now()).unwrap();
    let rows = ledger.incidents(0, 10).unwrap().rows;
    assert_eq!(
        rows.iter().map(|row| (row.devices[0], row.repeats)).collect::<Vec<_>>(),
        [(id(1), 1), (id(5), 0)]
    );
    assert_eq!(ledger.verify().unwrap().findings, []);
    drop(ledger);
    for is_anew in [false, true] {
        if is_anew {
            fs::remove_file(dir.path().join("ledger.sqlite")).unwrap();
        }
        let (ledger, finished) = open(dir.path());
        assert_eq!(finished.len(), if is_anew { 3 } else { 0 }, "{finished:?}");
        assert_eq!(ledger.incidents(0, 10).unwrap().rows, rows);
        assert_eq!(ledger.verify().unwrap().findings, []);
    }
}

#[test]
fn a_corrupted_file_is_out_of_reach_not_empty() {
    let (dir, ledger) = fresh();
    for n in 0..500 {
        ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap();
    }
    drop(ledger);
    let path = dir.path().join("ledger.sqlite");
    sql(dir.path(), "PRAGMA wal_checkpoint(TRUNCATE)");
    let mut bytes = std::fs::read(&path).unwrap();
    let length = bytes.len();
    bytes[4096..length].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    assert!(try_open(dir.path()).is_err_and(|error| error.is_transient()));
}

/// That a unit is lost, its second revision.
fn loss_of(ledger: &Ledger, n: u64) -> RowChanged {
    let device = ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap();
    let lost = Device { state: LifeCycle::Lost, ..device.clone() };
    RowChanged {
        table: "device".into(),
        key: id(n).to_string(),
        revision: 2,
        before: serde_json::to_value(&device).ok(),
        after: serde_json::to_value(&lost).ok(),
        by: "kim".into(),
        why: "lost".into(),
        approver: None,
        effective_at: now(),
    }
}

#[test]
fn a_transaction_without_its_rows_is_finished_at_the_next_start_and_named_unless_it_was_cut_off() {
    let (dir, ledger) = fresh();
    let lost = [1, 2, 3].map(|n| loss_of(&ledger, n));
    let journal = ledger.journal().clone();
    let record = |intent| journal.append(intent, now(), Durability::Grouped).unwrap().seq;
    record(&lost[0]);
    let from = record(&lost[1]);
    journal.append(&Committed { from }, now(), Durability::Grouped).unwrap();
    record(&lost[2]);
    drop((ledger, journal));
    let (ledger, finished) = open(dir.path());
    assert_eq!(finished, [format!("device {}", id(2))]);
    let states = [1, 2, 3].map(|n| ledger.device(id(n)).unwrap().unwrap().state);
    assert_eq!(states, [LifeCycle::Installed, LifeCycle::Lost, LifeCycle::Installed]);
    assert_eq!(ledger.devices("", Some(LifeCycle::Lost), 10).unwrap().rows.len(), 1);
    assert_eq!(ledger.verify().unwrap().findings, []);
}

#[test]
fn what_an_older_version_recorded_is_finished_one_by_one() {
    let (dir, mut ledger) = fresh();
    for n in [1, 2] {
        let (lost, next) = (loss_of(&ledger, n), loss_of(&ledger, n + 10));
        ledger.journal().append(&ChangedAlone(lost), now(), Durability::Grouped).unwrap();
        ledger.journal().append(&next, now(), Durability::Durable).unwrap();
        drop(ledger);
        let (again, finished) = open(dir.path());
        assert_eq!(finished, [format!("device {}", id(n))]);
        assert_eq!(again.device(id(n)).unwrap().unwrap().state, LifeCycle::Lost);
        assert_eq!(again.verify().unwrap().findings, []);
        let key = again.journal().public_key();
        events::journal::verify(&again.journal().dir(), key).unwrap();
        ledger = again;
    }
}

#[test]
fn a_ledger_that_is_opened_to_look_at_it_writes_nothing_and_no_lease_is_in_force_there() {
    let (dir, ledger) = fresh();
    ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
    let mut tx = ledger.begin().unwrap();
    tx.take_lease(&lease(&ledger, id(1), 1), None, "gw1/1".parse().unwrap()).unwrap();
    tx.commit().unwrap();
    ledger.close().unwrap();
    drop(ledger);
    let before = fs::read(segment(dir.path())).unwrap();
    let (ledger, _) = try_open(dir.path()).unwrap();
    assert!(ledger.device(id(1)).unwrap().is_some());
    assert_eq!(ledger.begin().unwrap().lease(id(1)).unwrap(), None);
    ledger.close().unwrap();
    assert_eq!(fs::read(segment(dir.path())).unwrap(), before);
}

#[test]
fn units_whose_addresses_are_outside_the_pools_are_counted_and_one_is_named() {
    let (_dir, ledger) = fresh();
    (1..=3).for_each(|n| drop(ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap()));
    let outside = |v4: Option<&str>, v6: Option<&str>| {
        let pools = Pools { v4: v4.map(|net| net.parse().unwrap()), v6: v6.map(|net| net.parse().unwrap()) };
        let found = ledger.outside(&pools).unwrap();
        found.into_iter().map(|outside| (outside.family, outside.units, outside.example)).collect::<Vec<_>>()
    };
    let (v4, v6) = ("10.64.0.0/22", "fd00:64::/64");
    assert_eq!(outside(Some(v4), Some(v6)), []);
    assert_eq!(outside(Some("10.0.0.0/8"), Some("fd00:64::/56")), [], "larger ones");
    // The units have .1 to .3 of each.
    assert_eq!(outside(Some("10.64.0.0/31"), Some(v6)), [("v4", 2, id(2).to_string())]);
    assert_eq!(outside(Some("10.64.0.2/31"), Some(v6)), [("v4", 1, id(1).to_string())]);
    assert_eq!(outside(Some(v4), None), [("v6", 3, id(1).to_string())]);
}

fn segment(dir: &Path) -> PathBuf {
    dir.join("journal/00000000000000000001.jsonl")
}

/// The journal as it is, but for its last `lines`.
fn cut(dir: &Path, lines: usize) {
    let text = fs::read_to_string(segment(dir)).unwrap();
    let kept = text.lines().count() - lines;
    fs::write(segment(dir), text.split_inclusive('\n').take(kept).collect::<String>()).unwrap();
}

#[test]
fn a_ledger_does_not_open_with_a_journal_that_has_lost_what_its_rows_were_written_from() {
    let begin_another = |dir: &Path| {
        fs::remove_file(segment(dir)).unwrap();
        let journal = open_journal(dir, "gw1");
        for _ in 0..100 {
            let stopped = events::gateway::NodeStopped { epoch: 1, unwritten: 0 };
            journal.append(&stopped, now(), Durability::Grouped).unwrap();
        }
    };
    let losses: [&dyn Fn(&Path); 5] = [
        &|_| (),
        &|dir| cut(dir, 10),
        &|dir| fs::write(segment(dir), "").unwrap(),
        &|dir| fs::remove_dir_all(dir.join("journal")).unwrap(),
        &begin_another,
    ];
    for (index, lose) in losses.iter().enumerate() {
        let (dir, ledger) = fresh();
        for n in 1..=20 {
            ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap();
        }
        drop(ledger);
        lose(dir.path());
        match (index, try_open(dir.path())) {
            (0, Ok(_)) | (1.., Err(LedgerError::Journal(JournalError::Missing { .. }))) => {}
            (_, opened) => panic!("loss {index}: {:?}", opened.map(|(_, opened)| opened)),
        }
    }
}

#[test]
fn what_the_journal_held_is_remembered_though_no_row_was_written_from_it() {
    for lost in [0, 1] {
        let (dir, ledger) = fresh();
        let stopped = events::gateway::NodeStopped { epoch: 1, unwritten: 0 };
        ledger.journal().append(&stopped, now(), Durability::Grouped).unwrap();
        ledger.close().unwrap();
        drop(ledger);
        cut(dir.path(), lost);
        assert_eq!(try_open(dir.path()).is_ok(), lost == 0);
    }
}

#[test]
fn an_epoch_that_is_set_back_in_the_database_is_not_given_again() {
    let (dir, ledger) = fresh();
    let mut given = vec![ledger.epoch().0];
    let mut running = ledger;
    for change in ["epoch = epoch - 1", "epoch = 0", "epoch = epoch - 1", "epoch = 0"] {
        running.close().unwrap();
        drop(running);
        sql(dir.path(), &format!("UPDATE node SET {change}"));
        running = open(dir.path()).0;
        given.push(running.epoch().0);
        sql(dir.path(), "UPDATE node SET epoch = 0");
        running.begin_epoch(now()).unwrap();
        given.push(running.epoch().0);
    }
    assert_eq!(given, (1..=9).collect::<Vec<_>>());
    assert_eq!(running.verify().unwrap().findings, []);
}

#[test]
fn a_ledger_made_anew_from_its_journal_gives_no_epoch_again() {
    let (dir, ledger) = fresh();
    ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
    let restored = |epoch| events::journal::Restored {
        backup_at: now(),
        epoch,
        by: "kim".into(),
        why: "the disk was lost".into(),
        ledger_anew: false,
    };
    let lose = |ledger: Ledger| {
        ledger.close().unwrap();
        drop(ledger);
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(dir.path().join(format!("ledger.sqlite{end}")));
        }
    };
    assert_eq!(ledger.epoch().0, 1);
    lose(ledger);
    let (ledger, finished) = open(dir.path());
    // What was missing is finished in an epoch of its own.
    assert_eq!((finished.len(), ledger.epoch().0), (1, 3));
    ledger.journal().append(&restored(1000), now(), Durability::Durable).unwrap();
    lose(ledger);
    assert_eq!(open(dir.path()).0.epoch().0, 1001);
}

#[test]
fn a_ledger_does_not_open_under_another_name_of_the_node() {
    let (dir, ledger) = fresh();
    drop(ledger);
    fs::remove_dir_all(dir.path().join("journal")).unwrap();
    let journal = open_journal(dir.path(), "gw2");
    let store = Box::new(Sqlite::open(&dir.path().join("ledger.sqlite")).unwrap());
    let row_key = RowKey::open(&dir.path().join("row.key")).unwrap();
    let opened = Ledger::open(store, journal, row_key, pools(), now());
    assert!(matches!(opened, Err(LedgerError::AnotherNode { .. })));
}

#[test]
fn a_newer_schema_is_left_alone() {
    let (dir, ledger) = fresh();
    drop(ledger);
    sql(dir.path(), "PRAGMA user_version = 99");
    let error = try_open(dir.path()).err().unwrap();
    assert!(error.to_string().contains("newer"), "{error}");
}

#[test]
fn an_import_takes_what_is_new_leaves_what_is_there_and_names_what_differs() {
    let (_dir, ledger) = fresh();
    let rows = |owner: &str| -> Vec<_> {
        (1..=1010)
            .map(|n| (n + 1, NewDevice { owner: owner.to_owned(), ..NewDevice::installed(id(n)) }))
            .collect()
    };
    let mut heard = Vec::new();
    let imported =
        ledger.import(rows("a"), Differing::Refuse, "kim", now(), |done| heard.push(done)).unwrap();
    assert_eq!((imported.added, imported.unchanged, imported.refused.len()), (1010, 0, 0));
    assert_eq!(heard, [1000, 1010]);
    let again = ledger.import(rows("a"), Differing::Refuse, "kim", now(), |_| ()).unwrap();
    assert_eq!((again.added, again.unchanged), (0, 1010));
    let differs =
        ledger.import(rows("b").into_iter().take(1), Differing::Refuse, "kim", now(), |_| ()).unwrap();
    assert_eq!((differs.refused[0].line, differs.refused[0].id.as_str()), (2, id(1).to_string().as_str()));
    assert!(differs.refused[0].why.contains("owner"), "{}", differs.refused[0].why);
    ledger.move_device(id(1), LifeCycle::Lost, "kim", "", None, now()).unwrap();
    let moved = ledger.import(rows("a"), Differing::Refuse, "kim", now(), |_| ()).unwrap();
    assert_eq!(
        (moved.unchanged, moved.refused.len()),
        (1009, 1),
        "a file does not say that a lost unit is none"
    );
    assert!(moved.refused[0].why.contains("state"), "{}", moved.refused[0].why);
}

#[test]
fn a_line_is_added_once_and_set_only_where_it_is() {
    let (_dir, ledger) = fresh();
    let line = AccessLineRecord {
        line: "L-1".parse().unwrap(),
        prefixes: Vec::new(),
        region: "seoul".into(),
        position: None,
    };
    let set = |to: &'static str| move |record: &mut AccessLineRecord| record.region = to.into();
    let missing = ledger.set_line(&line.line, set("busan"), "kim", now()).unwrap_err();
    assert_eq!(missing.code(), "not-found");
    ledger.add_line(&line, "kim", now()).unwrap();
    assert_eq!(ledger.add_line(&line, "kim", now()).unwrap_err().code(), "exists");
    let (was, is) = ledger.set_line(&line.line, set("busan"), "kim", now()).unwrap();
    assert_eq!((was.region.as_str(), is.region.as_str()), ("seoul", "busan"));
    assert_eq!(ledger.line(&line.line).unwrap(), Some(is));
}

#[test]
fn section_4_line_36_what_changes_is_in_the_change_feed_in_order() {
    let (dir, ledger) = fresh();
    ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
    ledger.move_device(id(1), LifeCycle::Lost, "kim", "lost", None, now()).unwrap();
    ledger
        .add_line(
            &AccessLineRecord {
                line: "L-1".parse().unwrap(),
                prefixes: vec!["127.10.0.0/16".parse().unwrap()],
                region: "seoul".into(),
                position: None,
            },
            "kim",
            now(),
        )
        .unwrap();
    assert_eq!(
        feed(dir.path()),
        [
            (1, "device".into(), id(1).to_string()),
            (2, "device".into(), id(1).to_string()),
            (3, "line".into(), "L-1".into())
        ]
    );
}

/// The change feed, by the columns that docs/formats.md names.
fn feed(dir: &Path) -> Vec<(i64, String, String)> {
    let connection = rusqlite::Connection::open(dir.join("ledger.sqlite")).unwrap();
    let mut statement = connection.prepare("SELECT seq, kind, key FROM change ORDER BY seq").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_database_of_the_first_schema_is_brought_up_to_date() {
    let dir = TempDir::new().unwrap();
    let first = include_str!("../migrations/0001-rows/sqlite.sql");
    sql(
        dir.path(),
        &format!("{first}; INSERT INTO change (tbl, key) VALUES ('line', 'L-1'); PRAGMA user_version = 1"),
    );
    let (ledger, _) = open(dir.path());
    ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
    assert_eq!(feed(dir.path()), [(1, "line".into(), "L-1".into()), (2, "device".into(), id(1).to_string())]);
}

#[test]
fn an_import_of_a_unit_in_another_state_is_refused_and_names_the_state() {
    let (_dir, ledger) = fresh();
    ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
    let live = NewDevice { state: LifeCycle::Live, ..NewDevice::installed(id(1)) };
    let same = NewDevice::installed(id(1));
    let imported = ledger.import([(2, live), (3, same)], Differing::Refuse, "kim", now(), |_| ()).unwrap();
    assert_eq!((imported.added, imported.unchanged, imported.refused.len()), (0, 1, 1));
    assert!(imported.refused[0].why.contains("as installed"), "{}", imported.refused[0].why);
}

#[test]
fn the_units_behind_a_line_are_found_as_long_as_they_are_there() {
    let (_dir, ledger) = fresh();
    let line: ids::AccessLine = "L-1".parse().unwrap();
    for n in 1..=3 {
        let new = NewDevice { access_line: Some(line.clone()), ..NewDevice::installed(id(n)) };
        ledger.add_device(new, "kim", now()).unwrap();
    }
    let gone = DeviceChange { access_line: Some(None), ..DeviceChange::default() };
    let changed = ledger.set_device(id(2), gone, "kim", "moved", Some("lee"), now()).unwrap();
    assert_eq!((changed.access_line, changed.owner.as_str()), (None, ""));
    let behind = |after: &str| -> Vec<DeviceId> {
        let found = ledger.devices_behind(&line, after, 10).unwrap();
        found.rows.iter().map(|device| device.id).collect()
    };
    assert_eq!(behind(""), [id(1), id(3)]);
    assert_eq!(behind(&id(1).to_string()), [id(3)]);
    let nobody = ledger.set_device(id(9), DeviceChange::default(), "kim", "who", None, now()).unwrap_err();
    assert!(matches!(nobody, LedgerError::NotFound { .. }), "{nobody}");
}

#[test]
fn nobody_is_their_own_second_person_however_they_write_their_name() {
    let (_dir, ledger) = fresh();
    ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
    ledger.move_device(id(1), LifeCycle::Lost, "kim", "gone", None, now()).unwrap();
    for own in ["kim", "kim ", "KIM", " "] {
        let back = ledger.move_device(id(1), LifeCycle::Suspended, "kim", "found", Some(own), now());
        assert!(matches!(back, Err(LedgerError::NeedsApprover(_))), "{own:?}");
    }
    ledger.move_device(id(1), LifeCycle::Suspended, "kim", "found", Some("dave"), now()).unwrap();
}

#[test]
fn a_pair_is_listed_once_whichever_unit_is_named_first_until_it_is_removed() {
    let (dir, ledger) = fresh();
    for n in 1..=3 {
        ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap();
    }
    let pair = ledger.add_pair([id(2), id(1)], "kim", "one site", now()).unwrap();
    assert_eq!((pair.devices, pair.why.as_str(), pair.by.as_str()), ([id(1), id(2)], "one site", "kim"));
    let again = ledger.add_pair([id(1), id(2)], "kim", "again", now());
    assert!(matches!(again, Err(LedgerError::Exists { table: "pair", .. })), "{again:?}");
    let alone = ledger.add_pair([id(1), id(1)], "kim", "", now());
    assert!(matches!(alone, Err(LedgerError::Conflict(_))), "{alone:?}");
    let unknown = ledger.add_pair([id(1), id(9)], "kim", "", now());
    assert!(matches!(unknown, Err(LedgerError::NotFound { table: "device", .. })), "{unknown:?}");
    let other = ledger.add_pair([id(3), id(1)], "kim", "one site", now()).unwrap();
    assert_eq!(ledger.pairs(None, 10).unwrap().rows, [pair.clone(), other.clone()]);
    assert_eq!(ledger.pairs(Some(pair.devices), 10).unwrap().rows, std::slice::from_ref(&other));
    ledger.remove_pair([id(2), id(1)], "lee", "moved", now()).unwrap();
    let twice = ledger.remove_pair([id(1), id(2)], "lee", "moved", now());
    assert!(matches!(twice, Err(LedgerError::NotFound { table: "pair", .. })), "{twice:?}");
    assert_eq!(ledger.begin().unwrap().pairs().unwrap(), std::slice::from_ref(&other));
    assert_eq!(ledger.verify().unwrap().findings, []);
    drop(ledger);
    let (ledger, _) = open(dir.path());
    assert_eq!(ledger.pairs(None, 10).unwrap().rows, [other]);
    ledger.add_pair([id(1), id(2)], "kim", "back", now()).unwrap();
    assert_eq!(ledger.pairs(None, 10).unwrap().rows[0].why, "back");
}

#[test]
fn a_removed_pair_that_is_put_back_in_the_database_does_not_count() {
    let (dir, ledger) = fresh();
    (1..=2).for_each(|n| drop(ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap()));
    ledger.add_pair([id(1), id(2)], "kim", "one site", now()).unwrap();
    sql(
        dir.path(),
        "CREATE TABLE kept AS SELECT * FROM row WHERE tbl = 'pair'; CREATE TABLE kept_entry AS SELECT * FROM entry WHERE tbl = 'pair'",
    );
    ledger.remove_pair([id(1), id(2)], "kim", "moved", now()).unwrap();
    sql(dir.path(), "INSERT INTO entry SELECT * FROM kept_entry");
    assert_eq!(ledger.begin().unwrap().pairs().unwrap(), [], "found, but removed");
    sql(dir.path(), "INSERT OR REPLACE INTO row SELECT * FROM kept");
    let refused = ledger.begin().unwrap().pairs();
    assert!(matches!(refused, Err(LedgerError::Tampered { .. })), "{refused:?}");
    assert_eq!(ledger.verify().unwrap().findings.len(), 1);
}

fn scope(class: &str, region: &str) -> Scope {
    Scope { class: Some(class.into()), region: Some(region.into()) }
}

#[test]
fn a_group_of_units_begins_observed_only_while_it_has_neither_a_unit_nor_a_rule() {
    let (dir, ledger) = fresh();
    let home = NewDevice { class: "home".into(), region: "서울".into(), ..NewDevice::installed(id(1)) };
    ledger.add_device(home, "kim", now()).unwrap();
    let ruled = scope("office", "");
    ledger.set_mode("line-unknown", &ruled, Mode::Enforce, "kim", "strict", now()).unwrap();
    let all = [scope("home", "서울"), ruled, scope("home", "busan"), scope("office", "서울")];
    let all: BTreeSet<_> = all.into_iter().collect();
    let begin = |ledger: &Ledger| ledger.begin_observed(&all, &["line-unknown"], "kim", now()).unwrap();
    let new: BTreeSet<_> = [scope("home", "busan"), scope("office", "서울")].into();
    assert_eq!(begin(&ledger), new);
    assert_eq!(begin(&ledger), BTreeSet::new(), "they have a rule now");
    assert_eq!(ledger.policy().unwrap().0.rows.len(), 3);
    assert_eq!(ledger.verify().unwrap().findings, []);
    drop(ledger);
    sql(dir.path(), "DELETE FROM entry WHERE name = 'scope'; DELETE FROM row WHERE tbl = 'policy'");
    sql(dir.path(), "PRAGMA user_version = 3");
    let (ledger, _) = open(dir.path());
    assert!(!begin(&ledger).contains(&scope("home", "서울")), "found though its row is of an older schema");
}

#[test]
fn what_would_refuse_a_unit_keeps_its_time_until_it_is_gone() {
    let (dir, ledger) = fresh();
    let later = now().after(Duration::from_secs(60));
    let observe = |ledger: &Ledger, reasons: &[&str], at| {
        let mut tx = ledger.begin().unwrap();
        tx.observe(id(1), reasons, at).unwrap();
        tx.commit().unwrap();
    };
    let stands = |ledger: &Ledger| -> Vec<_> {
        let all = ledger.observations("", 10).unwrap();
        all.rows.into_iter().flat_map(|o| o.reasons).map(|o| (o.reason, o.since)).collect()
    };
    observe(&ledger, &["line-unknown"], now());
    let head = ledger.journal().head();
    observe(&ledger, &["line-unknown"], later);
    assert_eq!(ledger.journal().head(), head, "nothing is new");
    observe(&ledger, &["line-unknown", "validity-too-long"], later);
    let both = [("line-unknown".to_owned(), now()), ("validity-too-long".to_owned(), later)];
    assert_eq!(stands(&ledger), both);
    drop(ledger);
    let (ledger, _) = open(dir.path());
    assert_eq!(stands(&ledger), both);
    assert_eq!(ledger.begin().unwrap().observations().unwrap().len(), 1);
    observe(&ledger, &[], later);
    assert_eq!(stands(&ledger), []);
    assert_eq!(ledger.begin().unwrap().observations().unwrap(), []);
    assert_eq!(ledger.verify().unwrap().findings, []);
}

#[test]
fn a_breaker_is_set_back_once() {
    let (_dir, ledger) = fresh();
    let none = ledger.set_back("foreign-network", "kim", "mended", now());
    assert!(matches!(none, Err(LedgerError::NotFound { table: "breaker", .. })), "{none:?}");
    let (reason, examples) = ("foreign-network".to_owned(), vec![id(1)]);
    let breaker = Breaker { reason, tripped_at: now(), hits: 201, good: 20_000, examples, set_back: None };
    let mut tx = ledger.begin().unwrap();
    tx.trip(&breaker, now()).unwrap();
    tx.commit().unwrap();
    let back = ledger.set_back("foreign-network", "kim", "mended", now()).unwrap();
    assert_eq!(back.set_back.unwrap().by, "kim");
    let twice = ledger.set_back("foreign-network", "kim", "mended", now());
    assert!(matches!(twice, Err(LedgerError::NotFound { .. })), "{twice:?}");
}

#[test]
fn a_breaker_trips_for_good_although_its_row_was_tampered_with() {
    let (dir, ledger) = fresh();
    let (reason, examples) = ("foreign-network".to_owned(), vec![id(1)]);
    let breaker = Breaker { reason, tripped_at: now(), hits: 201, good: 20_000, examples, set_back: None };
    let trip = || {
        let mut tx = ledger.begin().unwrap();
        let tampered = tx.trip(&breaker, now()).unwrap();
        tx.commit().map(|()| tampered).unwrap()
    };
    assert!(trip().is_none());
    ledger.set_back("foreign-network", "kim", "mended", now()).unwrap();
    for change in ["hmac = x'00'", "body = '{}'", "revision = 9223372036854775807"] {
        sql(dir.path(), &format!("UPDATE row SET {change} WHERE tbl = 'breaker'"));
        assert!(
            matches!(trip(), Some(LedgerError::Tampered { table, .. }) if table == "breaker"),
            "{change}"
        );
        let (_, breakers) = ledger.begin().unwrap().policy().unwrap();
        assert_eq!(breakers.iter().collect::<Vec<_>>(), [&breaker]);
        assert_eq!(ledger.verify().unwrap().findings, []);
    }
}

#[test]
fn a_row_of_another_shape_was_tampered_with_and_the_ledger_is_in_reach() {
    let changes = ["hmac = x'00'", "revision = -1", "event = 'none'", "body = CAST(x'ff' AS TEXT)"];
    for change in changes {
        let (dir, ledger) = fresh();
        ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
        sql(dir.path(), &format!("UPDATE row SET {change} WHERE tbl = 'device'"));
        let read = ledger.begin().unwrap().device(id(1));
        assert!(matches!(read, Err(LedgerError::Tampered { .. })), "{change}: {read:?}");
        ledger.check().unwrap();
        let findings = ledger.verify().unwrap().findings;
        assert_eq!((findings.len(), findings[0].table.as_str()), (1, "device"), "{change}");
    }
}

#[test]
fn a_rule_overrides_those_of_wider_scopes_that_have_units_in_common_with_it() {
    let scope = |class: Option<&str>, region: Option<&str>| Scope {
        class: class.map(str::to_owned),
        region: region.map(str::to_owned),
    };
    let (all, home, seoul) = (Scope::default(), scope(Some("home"), None), scope(None, Some("seoul")));
    let both = scope(Some("home"), Some("seoul"));
    for (narrow, wide) in
        [(&home, &all), (&seoul, &all), (&both, &all), (&both, &home), (&both, &seoul), (&home, &seoul)]
    {
        assert!(narrow.overrides(wide) && !wide.overrides(narrow), "{narrow:?} {wide:?}");
    }
    assert!(!both.overrides(&both) && !both.overrides(&scope(Some("office"), None)));
    assert!(!home.overrides(&scope(Some("office"), None)));
}

#[test]
fn a_rule_that_is_changed_behind_truecells_back_is_refused_and_named() {
    let (dir, ledger) = fresh();
    ledger.set_mode("foreign-network", &Scope::default(), Mode::Enforce, "kim", "strict", now()).unwrap();
    sql(dir.path(), "UPDATE row SET body = replace(body, 'enforce', 'observe') WHERE tbl = 'policy'");
    let read = ledger.begin().unwrap().policy();
    assert!(matches!(read, Err(LedgerError::Tampered { table, .. }) if table == "policy"));
    let findings = ledger.verify().unwrap().findings;
    assert_eq!((findings.len(), findings[0].table.as_str()), (1, "policy"));
}

#[test]
fn each_list_has_its_rows_beside_one_that_was_tampered_with() {
    let (dir, ledger) = fresh();
    (1..=3).for_each(|n| drop(ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap()));
    for name in ["L-1", "L-2"] {
        let (line, prefixes) = (name.parse().unwrap(), Vec::new());
        let record = AccessLineRecord { line, prefixes, region: String::new(), position: None };
        ledger.add_line(&record, "kim", now()).unwrap();
    }
    (2..=3).for_each(|n| drop(ledger.add_pair([id(1), id(n)], "kim", "", now()).unwrap()));
    (1..=2).for_each(|n| ledger.record_credential(&credential(id(1), n), "ca", now()).unwrap());
    ledger.set_mode("foreign-network", &Scope::default(), Mode::Observe, "kim", "", now()).unwrap();
    ledger.set_mode("line-unknown", &Scope::default(), Mode::Observe, "kim", "", now()).unwrap();
    tampering("device").into_iter().for_each(|new| drop(ledger.open_incident(new, "kim", now()).unwrap()));
    for table in ["line", "pair", "credential", "policy", "incident"] {
        let last = format!("key = (SELECT max(key) FROM row WHERE tbl = '{table}')");
        sql(dir.path(), &format!("UPDATE row SET hmac = zeroblob(32) WHERE tbl = '{table}' AND {last}"));
    }
    // First: whatever is found by the index tells of bad rows.
    let counts = [
        ledger.incidents(0, 10).map(|page| (page.rows.len(), page.tampered.len())),
        ledger.lines("", 10).map(|page| (page.rows.len(), page.tampered.len())),
        ledger.pairs(None, 10).map(|page| (page.rows.len(), page.tampered.len())),
        ledger.credentials(None, 10).map(|page| (page.rows.len(), page.tampered.len())),
        ledger.credentials_of(id(1)).map(|page| (page.rows.len(), page.tampered.len())),
        ledger.policy().map(|(page, _)| (page.rows.len(), page.tampered.len())),
    ];
    assert_eq!(counts.map(Result::unwrap), [(1, 1); 6]);
    assert!(ledger.begin().unwrap().key_holders(Sha256([2; 32])).is_err(), "who signs must know");
}

#[test]
fn a_row_that_was_tampered_with_hides_no_other_of_its_list() {
    let (dir, ledger) = fresh();
    (1..=4).for_each(|n| drop(ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap()));
    let key = id(2).to_string();
    sql(dir.path(), &format!("UPDATE row SET body = replace(body, 'installed', 'live') WHERE key = '{key}'"));
    for state in [None, Some(LifeCycle::Installed)] {
        let page = ledger.devices("", state, 10).unwrap();
        assert_eq!(page.rows.iter().map(|device| device.id).collect::<Vec<_>>(), [1, 3, 4].map(id));
        assert_eq!(page.tampered.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), [key.as_str()]);
        assert_eq!(page.next, None);
    }
    let first = ledger.devices("", None, 2).unwrap();
    assert_eq!((first.rows.len(), first.next.as_deref()), (1, Some(key.as_str())));
    let rest = ledger.devices(&key, None, 2).unwrap();
    assert_eq!((rest.rows.len(), rest.tampered.len()), (2, 0));
}

fn tampering(table: &str) -> Vec<NewIncident> {
    let incident = |devices: Vec<DeviceId>| NewIncident {
        kind: "row-tampered",
        devices,
        summary: table.to_owned(),
        evidence: serde_json::Value::Null,
        more: 0,
    };
    vec![incident(vec![id(1)]), incident(Vec::new())]
}

#[test]
fn an_incident_that_is_open_is_not_opened_again_nor_counted() {
    let (_dir, ledger) = fresh();
    for _ in 0..3 {
        for new in tampering("device") {
            ledger.open_incident_once(new, "kim", now()).unwrap();
        }
    }
    let open = ledger.incidents(0, 10).unwrap().rows;
    assert_eq!(open.iter().map(|incident| incident.repeats).collect::<Vec<_>>(), [0, 0]);
    let bad = |table: &str, key: &str| Finding {
        table: table.into(),
        key: key.into(),
        why: "its HMAC does not fit".into(),
    };
    // The unit's own is open already; rows of no unit are told apart.
    let rows =
        [bad("device", &id(1).to_string()), bad("line", "L-1"), bad("line", "L-2"), bad("order", "L-1")];
    (0..2).for_each(|_| ledger.report_tampered(&rows, "kim", now()));
    let told: Vec<_> = ledger.incidents(2, 10).unwrap().rows.into_iter().map(|one| one.summary).collect();
    let expected = ["line L-1", "line L-2", "order L-1"];
    assert_eq!(told, expected.map(|row| format!("{row} was tampered with: its HMAC does not fit")));
}

/// What is in a folder: each name, and the octets of each file.
fn contents(dir: &Path) -> BTreeSet<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_copy_is_checked_by_the_journal_that_goes_on_behind_it_and_stays_as_it_is() {
    let (dir, ledger) = fresh();
    ledger.add_device(NewDevice::installed(id(1)), "kim", now()).unwrap();
    ledger.add_device(NewDevice::installed(id(2)), "kim", now()).unwrap();
    let copies = TempDir::new().unwrap();
    let copy = copies.path().join("a copy?#%41.sqlite");
    Sqlite::copy(&dir.path().join("ledger.sqlite"), &copy).unwrap();
    ledger.add_device(NewDevice::installed(id(3)), "kim", now()).unwrap();
    ledger.move_device(id(1), LifeCycle::Live, "kim", "seen", None, now()).unwrap();
    let row_key = RowKey::open(&dir.path().join("row.key")).unwrap();
    let verify = |key: Option<&RowKey>| {
        let mut store = Sqlite::open_copy(&copy).unwrap();
        let verified = verify_copy(&mut store, ledger.node(), &dir.path().join("journal"), key).unwrap();
        assert_eq!((verified.rows, verified.seals_checked), (2, key.is_some()));
        verified.findings.into_iter().map(|found| (found.key, found.why)).collect::<Vec<_>>()
    };
    let before = contents(copies.path());
    assert_eq!((verify(Some(&row_key)), verify(None)), (vec![], vec![]));
    assert_eq!(contents(copies.path()), before);

    let change =
        |statement: &str| rusqlite::Connection::open(&copy).unwrap().execute_batch(statement).unwrap();
    change("UPDATE row SET hmac = zeroblob(32) WHERE key LIKE '%2'");
    let no_fit = (id(2).to_string(), "its HMAC does not fit".to_owned());
    assert_eq!((verify(Some(&row_key)), verify(None)), (vec![no_fit.clone()], vec![]));
    change("UPDATE row SET body = replace(body, 'installed', 'live') WHERE key LIKE '%2'");
    let differs = (id(2).to_string(), "it differs from its event".to_owned());
    assert_eq!((verify(Some(&row_key)), verify(None)), (vec![no_fit], vec![differs]));
}
