use super::*;
use events::{
    Durability, Journal, JournalKey,
    admission::{Refused, Weighed},
};
use ids::{Epoch, SessionId};
use serde_json::value::RawValue;
use std::time::Duration;

const SESSION: SessionId = SessionId { epoch: Epoch(1), number: 1 };

fn id(n: u8) -> DeviceId {
    DeviceId::eui48([0, 0, 0, 0, 0, n])
}

fn weighed(observed: &[&'static str]) -> Weighed {
    Weighed { observed: observed.iter().map(|code| (*code).into()).collect(), ..Weighed::default() }
}

fn admitted(device: DeviceId, observed: &[&'static str]) -> Admitted {
    Admitted {
        device,
        session: SESSION,
        cert_sha256: ids::Sha256([1; 32]),
        outer: "192.0.2.1:4500".parse().unwrap(),
        inner: Vec::new(),
        line: None,
        how: "first".into(),
        rules: "2".into(),
        reasons: Vec::new(),
        weighed: weighed(observed),
        claim: RawValue::NULL.to_owned(),
    }
}

fn newcomer(n: u8) -> SessionId {
    SessionId { epoch: Epoch(1), number: n.into() }
}

fn contested(n: u8) -> Contested {
    Contested {
        device: id(n),
        holder: SESSION,
        holder_outer: "198.51.100.1:4500".parse().unwrap(),
        newcomer: newcomer(n),
        newcomer_outer: "192.0.2.1:4500".parse().unwrap(),
        inner: Vec::new(),
        weighed: Weighed::default(),
        claim: RawValue::NULL.to_owned(),
    }
}

fn resolved(n: u8, how: &str, reason: Option<&str>) -> ContestResolved {
    ContestResolved {
        device: id(n),
        stays: Some(newcomer(n)),
        goes: SESSION,
        how: how.into(),
        reason: reason.map(str::to_owned),
        incident: None,
        rules: "2".into(),
        weighed: Weighed::default(),
    }
}

#[test]
fn who_was_let_in_with_nothing_against_it_was_good_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let key = JournalKey::create(&dir.path().join("journal.key")).unwrap();
    let now = UnixTime::from_secs(1_790_000_000);
    let (journal, _) = Journal::open(&dir.path().join("journal"), "gw1".parse().unwrap(), key, now).unwrap();
    let admit = |device, observed: &'static [&'static str], at| {
        journal.append(&admitted(device, observed), at, Durability::Grouped).unwrap();
    };
    admit(id(1), &[], now.before(GOOD_FOR + Duration::from_secs(1)));
    admit(id(2), &[], now.before(GOOD_FOR - Duration::from_secs(1)));
    admit(id(3), &["line-unknown"], now);
    admit(id(4), &[], now);
    for (n, how, reason) in [
        (5, "made-room", None),
        (6, "holder-silent", None),
        (7, "holder-alive", Some("second-claim")),
        (8, "newcomer-left", None),
        (9, "holder-silent", Some("lost")),
    ] {
        journal.append(&contested(n), now, Durability::Grouped).unwrap();
        journal.append(&resolved(n, how, reason), now, Durability::Grouped).unwrap();
    }
    let refused = Refused {
        device: id(10),
        cert_sha256: ids::Sha256([1; 32]),
        outer: "192.0.2.1:4500".parse().unwrap(),
        reason: "lost".into(),
        detail: String::new(),
        next: "".into(),
        rules: "2".into(),
        weighed: Weighed::default(),
        claim: RawValue::NULL.to_owned(),
        more: 0,
    };
    journal.append(&refused, now, Durability::Durable).unwrap();
    let good = good_since(&journal.dir(), now.before(GOOD_FOR)).unwrap();
    assert!(good.values().all(|good| good.home == std::net::Ipv4Addr::new(192, 0, 2, 1)), "{good:?}");
    let mut devices: Vec<_> = good.into_keys().collect();
    devices.sort();
    assert_eq!(devices, [id(2), id(4), id(5), id(6)]);
}
