use super::*;
use crate::{
    Appearance, ClosedIncident, Genuine, Ledger, LedgerError, Look, NewDevice, NewIncident, Pools, RowKey,
    Sides, store::Sqlite,
};
use events::{Journal, JournalKey};
use ids::{CertSha256, Sha256};
use serde_json::json;
use std::{path::Path, time::Duration};

const UNIT: DeviceId = DeviceId::eui48([1; 6]);

fn at(second: u64) -> UnixTime {
    UnixTime::from_secs(1_790_000_000).after(Duration::from_secs(second))
}

fn ledger(dir: &Path) -> Ledger {
    let key = JournalKey::create(&dir.join("journal.key")).unwrap();
    let (journal, _) = Journal::open(&dir.join("journal"), "gw1".parse().unwrap(), key, at(0)).unwrap();
    let store = Box::new(Sqlite::open(&dir.join("ledger.sqlite")).unwrap());
    let ledger = Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), at(0)).unwrap().0;
    ledger.add_device(NewDevice::installed(UNIT), "kim", at(0)).unwrap();
    ledger
}

fn new(task: Task) -> NewManagementOrder {
    NewManagementOrder {
        device: UNIT,
        task,
        only_if: None,
        why: "a test".into(),
        incident: None,
        waits_until: None,
    }
}

fn said(second: u64) -> Said {
    Said { at: at(second), by: "acs".into(), text: "parameter set".into() }
}

fn standing(ledger: &Ledger) -> Vec<(u64, Task)> {
    let page = ledger.management_orders_that_stand(None, 0, 100).unwrap();
    page.rows.iter().map(|order| (order.number, order.task)).collect()
}

fn seen(look: u8) -> Appearance {
    Appearance {
        look: Look { ike: Sha256([look; 32]), fragment: None, fragment_v6: None, retransmission: None },
        from: [192, 0, 2, 1].into(),
        at_home: false,
        cert_sha256: CertSha256::from(Sha256([1; 32])),
        position: None,
        radius_km: 0,
        firmware: String::new(),
        first: at(0),
        last: at(0),
        marks: Vec::new(),
        judged: None,
    }
}

/// About two, of whom the holder looks so.
fn incident(ledger: &Ledger, holder: u8) -> u64 {
    let sides = Sides { newcomer: seen(1), holder: Some(seen(holder)) };
    let evidence = json!({ Sides::NAME: sides });
    let new = NewIncident { kind: "clone", devices: vec![UNIT], summary: String::new(), evidence, more: 0 };
    ledger.open_incident(new, "admission", at(1)).unwrap().number
}

fn judge(ledger: &Ledger, number: u64, genuine: Genuine) {
    let closed = ClosedIncident::new("kim", at(50), "was there");
    ledger.judge_incident(number, genuine, closed).unwrap();
}

#[test]
fn one_of_a_kind_stands_and_the_opposite_withdraws_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let give = |task| ledger.order_management(new(task), "kim", at(1));
    assert_eq!(give(Task::RadioOff).unwrap().number, 1);
    assert!(matches!(give(Task::RadioOff), Err(LedgerError::Conflict(_))));
    give(Task::EnrolAnew).unwrap();
    assert_eq!(standing(&ledger), [(1, Task::RadioOff), (2, Task::EnrolAnew)]);
    give(Task::RadioOn).unwrap();
    assert_eq!(standing(&ledger), [(2, Task::EnrolAnew), (3, Task::RadioOn)]);
    let first = ledger.management_order(1).unwrap().unwrap();
    assert_eq!(first.state(at(1)), ManagementState::Withdrawn);
    assert_eq!(first.ended.unwrap().text, "radio-on is ordered: a test");
}

#[test]
fn an_order_waits_until_its_time_and_is_reported_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let waits = NewManagementOrder { waits_until: Some(at(900)), ..new(Task::RadioOff) };
    let order = ledger.order_management(waits, "admission", at(1)).unwrap();
    assert_eq!(
        [899, 900].map(|second| order.state(at(second))),
        [ManagementState::Waiting, ManagementState::Open]
    );
    let report = |report, second| ledger.report_management_order(1, report, said(second));
    assert!(report(Report::Taken, 899).is_err(), "the call goes on");
    assert_eq!(report(Report::Taken, 900).unwrap().state(at(900)), ManagementState::Taken);
    assert_eq!(report(Report::Taken, 901).unwrap().taken.unwrap().at, at(900), "said again");
    assert_eq!(report(Report::Done, 902).unwrap().state(at(902)), ManagementState::Done);
    assert_eq!(report(Report::Done, 903).unwrap().ended.unwrap().at, at(902));
    assert!(report(Report::Failed, 904).is_err());
    assert_eq!(standing(&ledger), []);
}

#[test]
fn what_follows_a_judgement() {
    use {Genuine::*, Side as S, Task::*};
    // About whom the radio-off was, whether it was done, who is the unit: what stands then.
    let cases: [(Option<Side>, bool, Genuine, &[Task]); 8] = [
        (Some(S::Holder), false, Newcomer, &[RadioOff]),
        (Some(S::Holder), false, Holder, &[]),
        (Some(S::Holder), true, Holder, &[RadioOn]),
        (Some(S::Newcomer), true, Both, &[RadioOn]),
        (Some(S::Newcomer), true, Holder, &[]),
        (Some(S::Newcomer), true, Neither, &[]),
        (Some(S::Newcomer), false, Both, &[]),
        (None, false, Both, &[RadioOff]),
    ];
    for (about, is_done, genuine, stands) in cases {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path());
        let number = incident(&ledger, 2);
        let off = NewManagementOrder { incident: Some((number, about)), ..new(RadioOff) };
        ledger.order_management(off, "admission", at(2)).unwrap();
        if is_done {
            ledger.report_management_order(1, Report::Done, said(3)).unwrap();
        }
        judge(&ledger, number, genuine);
        let tasks: Vec<_> = standing(&ledger).into_iter().map(|(_, task)| task).collect();
        assert_eq!(tasks, stands, "{about:?} {is_done} {genuine}");
    }
}

#[test]
fn who_is_cleared_by_mistake_keeps_its_radio_off_by_the_last_word() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let number = incident(&ledger, 2);
    let off = NewManagementOrder { incident: Some((number, Some(Side::Newcomer))), ..new(Task::RadioOff) };
    ledger.order_management(off, "admission", at(2)).unwrap();
    ledger.report_management_order(1, Report::Done, said(3)).unwrap();
    judge(&ledger, number, Genuine::Newcomer);
    judge(&ledger, number, Genuine::Newcomer);
    assert_eq!(standing(&ledger), [(2, Task::RadioOn)]);
    judge(&ledger, number, Genuine::Holder);
    assert_eq!(standing(&ledger), []);
}

#[test]
fn two_who_look_alike_in_one_place_are_told_apart_by_a_new_key() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let number = incident(&ledger, 1);
    judge(&ledger, number, Genuine::Holder);
    assert_eq!(standing(&ledger), [(1, Task::EnrolAnew)]);
    judge(&ledger, number, Genuine::Both);
    assert_eq!(standing(&ledger), []);
}
