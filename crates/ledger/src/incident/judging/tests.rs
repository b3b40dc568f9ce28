use super::*;
use crate::{Look, NewDevice, NewIncident, Pools, RowKey, store::Sqlite};
use events::{Journal, JournalKey};
use ids::{DeviceId, Sha256};
use serde_json::json;
use std::path::Path;

const UNIT: DeviceId = DeviceId::eui48([2; 6]);

fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

fn seen(from: &str, at_home: bool) -> Appearance {
    Appearance {
        look: Look { ike: Sha256([1; 32]), fragment: None, fragment_v6: None, retransmission: None },
        from: from.parse().unwrap(),
        at_home,
        position: None,
        radius_km: 0,
        cert_sha256: Sha256([9; 32]),
        firmware: String::new(),
        first: now(),
        last: now(),
        marks: Vec::new(),
        judged: None,
    }
}

/// A ledger with one unit, and an incident about who holds its key.
fn with_incident(dir: &Path, sides: Option<Sides>) -> Ledger {
    let key = JournalKey::create(&dir.join("journal.key")).unwrap();
    let (journal, _) = Journal::open(&dir.join("journal"), "gw1".parse().unwrap(), key, now()).unwrap();
    let store = Box::new(Sqlite::open(&dir.join("ledger.sqlite")).unwrap());
    let ledger = Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), now()).unwrap().0;
    ledger.add_device(NewDevice::installed(UNIT), "kim", now()).unwrap();
    let (summary, evidence) = (String::new(), json!({ Sides::NAME: sides }));
    let new = NewIncident { kind: "wrong-hands", devices: vec![UNIT], summary, evidence, more: 0 };
    ledger.open_incident(new, "admission", now()).unwrap();
    ledger
}

fn judge(ledger: &Ledger, genuine: Genuine) -> Result<Incident, LedgerError> {
    let closed = Closed::new("kim", now(), "we looked");
    ledger.judge_incident(1, genuine, closed)
}

/// Where somebody was seen of whom a person has said something, and whether that is a copy.
fn judged(ledger: &Ledger) -> Vec<(String, bool)> {
    let (profile, _) = ledger.begin().unwrap().profile(UNIT).unwrap();
    let seen = profile.into_iter().flat_map(|profile| profile.seen);
    seen.filter_map(|seen| Some((seen.from.to_string(), seen.judged?.is_copy))).collect()
}

#[test]
fn one_alone_is_the_unit_or_a_copy_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let sides = Sides { newcomer: seen("203.0.113.1", false), holder: None };
    let ledger = with_incident(dir.path(), Some(sides));
    for genuine in [Genuine::Holder, Genuine::Both] {
        let refused = judge(&ledger, genuine).unwrap_err();
        assert!(refused.to_string().contains("is about one alone"), "{refused}");
    }
    assert_eq!(ledger.incident(1).unwrap().unwrap().state, IncidentState::Open);
    for (genuine, is_copy) in [(Genuine::Neither, true), (Genuine::Newcomer, false)] {
        assert_eq!(judge(&ledger, genuine).unwrap().closed.unwrap().genuine, Some(genuine));
        assert_eq!(judged(&ledger), [("203.0.113.1".to_owned(), is_copy)], "the last word counts");
    }
}

#[test]
fn what_is_said_of_two_is_said_of_each() {
    let dir = tempfile::tempdir().unwrap();
    let holder = Some(seen("192.0.2.1", false));
    let ledger = with_incident(dir.path(), Some(Sides { newcomer: seen("203.0.113.1", false), holder }));
    judge(&ledger, Genuine::Holder).unwrap();
    let expected = [("203.0.113.1".to_owned(), true), ("192.0.2.1".to_owned(), false)];
    assert_eq!(judged(&ledger), expected);
}

#[test]
fn of_one_alone_at_the_units_own_line_and_of_nobody_nothing_can_be_said() {
    let dir = tempfile::tempdir().unwrap();
    let sides = Sides { newcomer: seen("192.0.2.1", true), holder: None };
    let ledger = with_incident(dir.path(), Some(sides));
    assert_eq!(judge(&ledger, Genuine::Neither).unwrap().state, IncidentState::Closed);
    assert_eq!(judged(&ledger), [], "it would be said of the unit");

    let dir = tempfile::tempdir().unwrap();
    let refused = judge(&with_incident(dir.path(), None), Genuine::Neither).unwrap_err();
    assert!(refused.to_string().contains("is not about who holds a key"), "{refused}");
}
