use super::*;
use crate::{NewDevice, Pools, RowKey, store::Sqlite};
use events::{Journal, JournalKey};
use std::{path::Path, time::Duration};

fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

fn later(seconds: u64) -> UnixTime {
    now().after(Duration::from_secs(seconds))
}

fn ledger(dir: &Path) -> Ledger {
    let path = dir.join("journal.key");
    let key = JournalKey::open(&path).or_else(|_| JournalKey::create(&path)).unwrap();
    let (journal, _) = Journal::open(&dir.join("journal"), "gw1".parse().unwrap(), key, now()).unwrap();
    let store = Box::new(Sqlite::open(&dir.join("ledger.sqlite")).unwrap());
    Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), now()).unwrap().0
}

/// A ledger with one unit, installed.
fn with_unit(dir: &Path) -> (Ledger, DeviceId) {
    let ledger = ledger(dir);
    let id = DeviceId::eui48([1; 6]);
    ledger.add_device(NewDevice::installed(id), "kim", now()).unwrap();
    (ledger, id)
}

fn order(id: &str, device: DeviceId) -> NewOrder {
    NewOrder {
        id: id.parse().unwrap(),
        device,
        line: "line-1".parse().unwrap(),
        site: "Seoul".into(),
        vendor_key: None,
        from: None,
        until: later(1000),
    }
}

fn enrolment(ledger: &Ledger, id: DeviceId) -> Enrolment {
    ledger.device(id).unwrap().unwrap().enrolment
}

#[test]
fn an_order_holds_in_its_window_and_until_it_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, id) = with_unit(dir.path());
    let new = NewOrder { from: Some(later(100)), ..order("W-1", id) };
    let order = ledger.open_order(&new, "kim", "new customer", None, now()).unwrap();
    let states = [(99, OrderState::Waiting), (100, OrderState::Open), (1000, OrderState::Open)];
    for (at, state) in states.into_iter().chain([(1001, OrderState::Expired)]) {
        assert_eq!(order.state(later(at)), state, "{at}");
    }
    assert_eq!(enrolment(&ledger, id), Enrolment::Ordered);
    let closed = ledger.close_order(&new.id, "lee", "customer withdrew", later(200)).unwrap();
    assert_eq!(closed.state(later(200)), OrderState::Closed);
    assert_eq!(enrolment(&ledger, id), Enrolment::None);
    assert!(ledger.close_order(&new.id, "lee", "again", later(200)).is_err());
    assert_eq!(ledger.begin().unwrap().orders_standing(id).unwrap(), []);
    assert_eq!(ledger.orders(Some(id), "", 10).unwrap().rows, [closed]);
}

#[test]
fn a_unit_has_one_order_at_a_time_and_a_name_is_used_once() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, id) = with_unit(dir.path());
    ledger.open_order(&order("W-1", id), "kim", "", None, now()).unwrap();
    let open = |name: &str, at| {
        ledger.open_order(&NewOrder { until: later(9000), ..order(name, id) }, "kim", "", None, at)
    };
    let refused = open("W-2", later(1000)).unwrap_err();
    assert!(refused.to_string().contains("order W-1"), "{refused}");
    assert!(matches!(open("W-1", now()), Err(LedgerError::Exists { .. })));
    open("W-2", later(1001)).expect("the first has expired");
    assert_eq!(ledger.orders(None, "W-1", 10).unwrap().rows.len(), 1);
}

#[test]
fn no_order_for_a_unit_that_is_unknown_or_out_of_service_and_none_that_never_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, id) = with_unit(dir.path());
    let unknown = ledger.open_order(&order("W-1", DeviceId::eui48([9; 6])), "kim", "", None, now());
    assert!(matches!(unknown, Err(LedgerError::NotFound { .. })));
    for (from, until) in [(None, now()), (Some(later(10)), later(10)), (Some(later(20)), later(10))] {
        let refused =
            ledger.open_order(&NewOrder { from, until, ..order("W-1", id) }, "kim", "", None, now());
        assert!(matches!(refused, Err(LedgerError::Conflict(_))), "{from:?} {until:?}");
    }
    ledger.move_device(id, LifeCycle::Lost, "kim", "gone", None, now()).unwrap();
    let lost = ledger.open_order(&order("W-1", id), "kim", "", None, now()).unwrap_err();
    assert!(lost.to_string().contains("lost"), "{lost}");
    assert_eq!(ledger.orders(None, "", 10).unwrap().rows, []);
}

#[test]
fn a_hold_ends_neither_by_an_order_nor_by_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, id) = with_unit(dir.path());
    let mut tx = ledger.begin().unwrap();
    let device = Device { enrolment: Enrolment::Held, ..tx.device(id).unwrap().unwrap() };
    tx.put_row(&device, &Because::new("kim", "second use"), now()).unwrap();
    tx.commit().unwrap();
    let new = order("W-1", id);
    ledger.open_order(&new, "kim", "looked at", None, now()).unwrap();
    assert_eq!(enrolment(&ledger, id), Enrolment::Held);
    ledger.close_order(&new.id, "kim", "no", now()).unwrap();
    assert_eq!(enrolment(&ledger, id), Enrolment::Held);
}

#[test]
fn an_import_takes_what_it_can_names_the_rest_and_does_no_harm_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, id) = with_unit(dir.path());
    let rows = [(2, order("W-1", id)), (3, order("W-2", DeviceId::eui48([9; 6])))];
    let first = ledger.import_orders(&rows, "kim", now()).unwrap();
    assert_eq!((first.added, first.unchanged, first.refused.len()), (1, 0, 1));
    assert_eq!((first.refused[0].line, first.refused[0].id.as_str()), (3, "W-2"));
    let again = ledger.import_orders(&rows[..1], "kim", later(5)).unwrap();
    assert_eq!((again.added, again.unchanged, again.refused.len()), (0, 1, 0));
    let other = [(2, NewOrder { site: "Busan".into(), ..order("W-1", id) })];
    assert_eq!(ledger.import_orders(&other, "kim", now()).unwrap().refused.len(), 1);
}

#[test]
fn an_order_is_explained_by_its_event_and_a_lost_database_gets_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, id) = with_unit(dir.path());
    ledger.open_order(&order("W-1", id), "kim", "", None, now()).unwrap();
    let verified = ledger.verify().unwrap();
    assert_eq!((verified.rows, verified.findings), (2, vec![]));
    ledger.close().unwrap();
    drop(ledger);
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.path().join(file));
    }
    let ledger = self::ledger(dir.path());
    assert_eq!(ledger.begin().unwrap().orders_standing(id).unwrap().len(), 1);
}
