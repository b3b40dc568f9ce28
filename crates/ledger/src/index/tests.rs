use super::OF_NO_ROW;
use crate::{
    Credential, Device, Finding, Incident, Ledger, LedgerError, LifeCycle, NewDevice, NewOrder, Origin, Pair,
    Pools, RowKey, store::Sqlite, transaction::Because,
};
use events::{Journal, JournalKey, journal::Tail, ledger::IndexMended};
use ids::{DeviceId, Sha256, UnixTime};
use std::{path::Path, time::Duration};
use tempfile::TempDir;

fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

fn id(n: u64) -> DeviceId {
    DeviceId::eui64(n.to_be_bytes())
}

fn open(dir: &Path) -> Ledger {
    let key = dir.join("journal.key");
    let key = if key.exists() { JournalKey::open(&key) } else { JournalKey::create(&key) }.unwrap();
    let (journal, _) = Journal::open(&dir.join("journal"), "gw1".parse().unwrap(), key, now()).unwrap();
    let pools = Pools { v4: Some("10.0.0.0/24".parse().unwrap()), v6: Some("fd00::/64".parse().unwrap()) };
    let store = Sqlite::open(&dir.join("ledger.sqlite")).unwrap();
    Ledger::open(Box::new(store), journal, RowKey::new(&[7; 32]), pools, now()).unwrap().0
}

/// A ledger with three units, a certificate of the first, a pair of the others, and an order for the third.
fn filled() -> (TempDir, Ledger) {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    (1..=3).for_each(|n| drop(ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap()));
    ledger.record_credential(&credential(id(1), 1), "ca", now()).unwrap();
    ledger.add_pair([id(2), id(3)], "kim", "they talk", now()).unwrap();
    ledger.open_order(&order("W-1"), "kim", "installed", None, now()).unwrap();
    (dir, ledger)
}

fn credential(device: DeviceId, octet: u8) -> Credential {
    Credential {
        cert_sha256: Sha256([octet; 32]),
        device,
        realm: "femto.operator.example".parse().unwrap(),
        serial: format!("{octet:02x}"),
        spki_sha256: Sha256([9; 32]),
        not_before: now(),
        not_after: now().after(Duration::from_secs(86_400)),
        issued_at: now(),
        origin: Origin::Issued,
        parent: None,
        superseded: None,
        doubt: None,
        revoked: None,
    }
}

fn order(name: &str) -> NewOrder {
    NewOrder {
        id: name.parse().unwrap(),
        device: id(3),
        line: "KT/1".parse().unwrap(),
        site: String::new(),
        vendor_key: None,
        from: None,
        until: now().after(Duration::from_secs(86_400)),
    }
}

/// What somebody does to the database.
fn sql(dir: &TempDir, statements: &str) {
    let database = rusqlite::Connection::open(dir.path().join("ledger.sqlite")).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    database.execute_batch(statements).unwrap();
}

fn entries(dir: &TempDir) -> Vec<String> {
    let database = rusqlite::Connection::open(dir.path().join("ledger.sqlite")).unwrap();
    let sql = "SELECT tbl || ' ' || key || ' ' || name || ' ' || value FROM entry WHERE tbl <> 'incident' ORDER BY 1";
    let mut all = database.prepare(sql).unwrap();
    all.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// What `verify` finds: table, key, and why.
fn found(ledger: &Ledger) -> Vec<(String, String, String)> {
    ledger.verify().unwrap().findings.into_iter().map(|found| (found.table, found.key, found.why)).collect()
}

fn mended(ledger: &Ledger) -> Vec<IndexMended> {
    ledger.journal().sync().unwrap();
    let mut tail = Tail::new(&ledger.journal().dir(), 1);
    let records = std::iter::from_fn(|| tail.next_record().unwrap());
    records.filter_map(|record| record.read().unwrap()).collect()
}

fn incidents(ledger: &Ledger) -> Vec<Incident> {
    ledger.incidents(0, 100).unwrap().rows
}

#[test]
fn entries_that_are_missing_made_up_or_of_no_row_are_named_and_mended_and_told() {
    let (dir, ledger) = filled();
    let (before, [one, two]) = (entries(&dir), [1, 2].map(|n| id(n).to_string()));
    let lost =
        |value: &str| format!("UPDATE entry SET value = '{value}' WHERE key = '{two}' AND name = 'state'");
    sql(&dir, &format!("DELETE FROM entry WHERE tbl = 'device' AND key = '{one}' AND name = 'inner_v4'"));
    sql(&dir, &lost("lost"));
    sql(
        &dir,
        "INSERT INTO entry VALUES ('device', 'line', 'KT/9', 'nobody'), ('device', 'state', 'live', '0')",
    );
    let of = |key: &str, why: &str| ("device".to_owned(), key.to_owned(), why.to_owned());
    let expected = [
        of("0", OF_NO_ROW),
        of(&one, "the index lacks its inner_v4 0a000001"),
        of(&two, "the index lacks its state installed and has state lost instead"),
        of("nobody", OF_NO_ROW),
    ];
    assert_eq!(found(&ledger), expected);
    assert_eq!(mended(&ledger), [], "to look changes nothing");

    drop(ledger);
    let ledger = open(dir.path());
    assert!(ledger.compare_index(|_| true).unwrap());
    assert_eq!((entries(&dir), found(&ledger)), (before, vec![]));
    let examples = expected.map(|(_, key, _)| key).to_vec();
    assert_eq!(mended(&ledger), [IndexMended { table: "device".into(), rows: 4, examples }]);
    let told = incidents(&ledger);
    assert_eq!((told.len(), told[0].kind.as_str()), (1, LedgerError::TAMPERED), "{told:?}");
    assert!(told[0].summary.contains("the index of table device did not fit 4"), "{}", told[0].summary);
    assert!(!ledger.compare_index(|_| true).unwrap(), "once is enough");
}

#[test]
fn what_relies_on_the_index_looks_whether_it_fits_first() {
    let (dir, ledger) = filled();
    drop(ledger);
    let gone = || sql(&dir, "DELETE FROM entry");
    gone();
    let ledger = open(dir.path());
    let added = ledger.add_device(NewDevice::installed(id(4)), "kim", now()).unwrap();
    assert_eq!(added.inner_v4, Some("10.0.0.4".parse().unwrap()), "as if nothing had happened");
    assert_eq!(added.inner_v6, Some("fd00::4".parse().unwrap()));
    let taken = ledger.record_credential(&credential(id(2), 2), "ca", now()).unwrap_err();
    assert!(matches!(taken, LedgerError::Conflict(_)), "{taken}");
    let second = ledger.open_order(&order("W-2"), "kim", "again", None, now()).unwrap_err();
    assert!(matches!(second, LedgerError::Conflict(_)), "{second}");
    drop(ledger);

    gone();
    let ledger = open(dir.path());
    assert_eq!(ledger.devices("", Some(LifeCycle::Installed), 10).unwrap().rows.len(), 4);
    assert_eq!(ledger.pairs(None, 10).unwrap().rows.len(), 1);
    assert_eq!(ledger.credentials_of(id(1)).unwrap().rows.len(), 1);
    assert_eq!(ledger.begin().unwrap().key_holders(Sha256([9; 32])).unwrap().len(), 1);
    assert_eq!(ledger.orders(Some(id(3)), "", 10).unwrap().rows.len(), 1);
    assert!(ledger.compare_index(|_| true).unwrap(), "the incidents had told of that");
    assert_eq!(found(&ledger), []);
}

#[test]
fn a_made_up_entry_leads_to_no_wrong_row() {
    let (dir, ledger) = filled();
    assert!(!ledger.compare_index(|_| true).unwrap());
    let two = id(2).to_string();
    let all = format!(
        "INSERT INTO entry VALUES ('device', 'state', 'lost', '{two}'), ('device', 'line', 'KT/1', '{two}'), \
         ('order', 'stands', '{two}', 'W-1'), ('credential', 'spki', '{}', '{}');",
        Sha256([8; 32]),
        Sha256([1; 32]),
    );
    sql(&dir, &all);
    assert_eq!(ledger.devices("", Some(LifeCycle::Lost), 10).unwrap().rows, []);
    assert_eq!(ledger.devices_behind(&"KT/1".parse().unwrap(), "", 10).unwrap().rows, []);
    assert_eq!(ledger.begin().unwrap().key_holders(Sha256([8; 32])).unwrap(), []);
    assert_eq!(ledger.begin().unwrap().orders_standing(id(2)).unwrap(), []);

    let row =
        |key: &str| Finding { table: "line".into(), key: key.into(), why: "its HMAC does not fit".into() };
    ledger.report_tampered(&[row("KT/1")], "kim", now());
    let group = format!("{} line KT/2", LedgerError::TAMPERED);
    sql(&dir, &format!("INSERT INTO entry VALUES ('incident', 'open', '{group}', '000000000001')"));
    ledger.report_tampered(&[row("KT/2")], "kim", now());
    assert_eq!(incidents(&ledger).len(), 2, "each has its own");
}

#[test]
fn a_made_up_address_neither_wastes_a_pool_nor_seems_to_be_outside_of_it() {
    let (dir, ledger) = filled();
    drop(ledger);
    sql(
        &dir,
        "INSERT INTO entry VALUES ('device', 'inner_v4', '0a0000fe', 'x'), ('device', 'inner_v4', 'ffff0000', 'y')",
    );
    let ledger = open(dir.path());
    let pools = Pools { v4: Some("10.0.0.0/24".parse().unwrap()), v6: Some("fd00::/64".parse().unwrap()) };
    assert_eq!(ledger.outside(&pools).unwrap(), []);
    let added = ledger.add_device(NewDevice::installed(id(4)), "kim", now()).unwrap();
    assert_eq!(added.inner_v4, Some("10.0.0.4".parse().unwrap()));
}

/// Writes a unit as it is, past what keeps values apart.
fn put(ledger: &Ledger, device: &Device) {
    ledger.change(|tx| tx.put_row(device, &Because::new("kim", "forced"), now()).map(drop)).unwrap();
}

#[test]
fn two_that_have_what_only_one_may_have_are_named_both() {
    let (dir, ledger) = filled();
    let first = ledger.device(id(1)).unwrap().unwrap();
    let other = Device { id: id(5), inner_v6: None, ..first.clone() };
    put(&ledger, &other);
    // A unit may have its own key certified again.
    ledger.record_credential(&credential(id(1), 3), "ca", now()).unwrap();
    let second = credential(id(2), 2);
    ledger.change(|tx| tx.put_row(&second, &Because::new("ca", "forced"), now()).map(drop)).unwrap();
    let key = Sha256([9; 32]);
    let expected = [
        (
            "credential".to_owned(),
            second.cert_sha256.to_string(),
            format!("its spki {key}, of {}, is that of {} too", id(2), id(1)),
        ),
        ("device".to_owned(), id(5).to_string(), format!("its inner_v4 10.0.0.1 is that of {} too", id(1))),
    ];
    assert_eq!(found(&ledger), expected);
    drop(ledger);
    let ledger = open(dir.path());
    assert!(!ledger.compare_index(|_| true).unwrap(), "there is nothing to be mended");
    let told: Vec<_> = incidents(&ledger).into_iter().map(|incident| incident.devices).collect();
    assert_eq!(told, [vec![id(1), id(2)], vec![id(1), id(5)]]);

    ledger.move_device(id(5), LifeCycle::Retired, "kim", "a twin", None, now()).unwrap();
    ledger.revoke(second.cert_sha256, None, "kim", "a twin", now()).unwrap();
    assert_eq!(found(&ledger), []);
}

#[test]
fn a_row_that_does_not_hold_is_named_once_and_its_entries_are_left_alone() {
    let (dir, ledger) = filled();
    let two = id(2).to_string();
    sql(
        &dir,
        &format!(
            "UPDATE row SET body = replace(body, 'installed', 'lost') WHERE tbl = 'device' AND key = '{two}'"
        ),
    );
    sql(&dir, "UPDATE row SET hmac = zeroblob(32) WHERE tbl = 'pair'; DELETE FROM row WHERE tbl = 'order'");
    let before = entries(&dir);
    let names: Vec<_> = found(&ledger).into_iter().map(|(table, key, _)| (table, key)).collect();
    let pair = Pair::key_of([id(2), id(3)]);
    let expected = [("device", two.as_str()), ("pair", &pair), ("order", "W-1")];
    assert_eq!(names, expected.map(|(table, key)| (table.to_owned(), key.to_owned())));
    drop(ledger);
    let ledger = open(dir.path());
    assert!(ledger.compare_index(|_| true).unwrap());
    let left: Vec<_> = before.into_iter().filter(|entry| !entry.starts_with("order ")).collect();
    assert_eq!(entries(&dir), left, "those of the order, which is gone, went");
    let told: Vec<_> = incidents(&ledger).into_iter().map(|incident| incident.summary).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told.iter().any(|summary| summary.contains(&format!("pair {pair} was tampered with"))),
        "{told:?}"
    );
}

#[test]
fn a_comparison_that_is_stopped_goes_on_where_it_was_and_one_that_is_waited_for_is_told() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    let rows: Vec<_> = (1..=200).map(|n| (n, NewDevice::installed(id(n)))).collect();
    ledger.import(rows, crate::Differing::Refuse, "kim", now(), |_| ()).unwrap();
    sql(
        &dir,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < 2500) \
               INSERT INTO row SELECT 'nothing', i, 1, 'gw1/1', '{}', zeroblob(32) FROM n",
    );
    let mut asked = 0;
    let stopped = ledger.compare_index(|is_awaited| {
        asked += 1;
        assert!(!is_awaited);
        false
    });
    assert_eq!((stopped.unwrap(), asked), (false, 1));
    assert_eq!(incidents(&ledger), [], "it did not come to the end of the table");
    let waits = std::thread::scope(|scope| {
        let mut waits = false;
        ledger
            .compare_index(|is_awaited| {
                waits |= is_awaited;
                if !waits {
                    scope.spawn(|| ledger.rely_on_index::<Device>().unwrap());
                    while ledger.inner().compared.waiting() == 0 {
                        std::thread::yield_now();
                    }
                }
                true
            })
            .unwrap();
        waits
    });
    assert!(waits);
    assert_eq!(incidents(&ledger).len(), 20, "the first of the 2,500");
    assert_eq!(ledger.verify().unwrap().findings.len(), 2500, "rows of a table that nobody knows");
}
