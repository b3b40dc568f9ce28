//! Reasons to refuse that are only observed, and lists that are wrong for many units at once.
#![allow(clippy::unwrap_used, reason = "tests")]

use admission::Reason;
use events::{Recorded, admission::Admitted, journal::Tail};
use gateway::{Alarm, State};
use ids::{DeviceId, UnixTime};
use lab::{Carrier, Outcome, SERVICE, Unit, UnitIdentity};
use ledger::{LifeCycle, Mode, Scope};
use std::time::{Duration, Instant};

const LINE: &str = "L-1";

fn device(n: u8) -> DeviceId {
    DeviceId::eui48([0x02, 0xfe, 0x72, 0, 0, n])
}

fn set(carrier: &Carrier, reason: Reason, mode: Mode) {
    let now = UnixTime::now();
    carrier.ledger.set_mode(reason.code(), &Scope::default(), mode, "kim", "test", now).unwrap();
    carrier.gateway.policy_changed();
}

fn wait(carrier: &Carrier, what: &str, holds: impl Fn(&Carrier) -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !holds(carrier) {
        assert!(Instant::now() < until, "{what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn records<T: Recorded>(carrier: &Carrier) -> Vec<T> {
    let mut tail = Tail::new(&carrier.journal.dir(), 1);
    let records = std::iter::from_fn(|| tail.next_record().unwrap());
    records.filter_map(|record| record.read().unwrap()).collect()
}

fn observed(carrier: &Carrier) -> Vec<(DeviceId, Vec<String>)> {
    let reasons = |of: ledger::Observation| of.reasons.into_iter().map(|observed| observed.reason).collect();
    let all = carrier.ledger.observations("", 1000).unwrap().rows;
    all.into_iter().map(|observation| (observation.device, reasons(observation))).collect()
}

/// Attaches once the gateway works by what was just changed.
fn attach_in_time(carrier: &Carrier, identity: &UnitIdentity, outer: [u8; 4]) -> Unit {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let unit = carrier.attach(identity, outer).unwrap();
        if matches!(unit.outcome, Outcome::Attached(_)) {
            return unit;
        }
        assert!(Instant::now() < until, "{:?}", unit.outcome);
    }
}

#[test]
fn an_observed_reason_lets_in_names_the_unit_and_holds_it_once_it_is_enforced() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(dir.path()).unwrap();
    carrier.line(LINE, "127.51.0.0/16").unwrap();
    carrier.device(device(1), LINE).unwrap();
    let identity = carrier.enrol(device(1)).unwrap();
    let refused = carrier.attach(&identity, [127, 52, 0, 1]).unwrap();
    assert!(matches!(refused.outcome, Outcome::Refused(_)), "{:?}", refused.outcome);
    set(&carrier, Reason::ForeignNetwork, Mode::Observe);
    let unit = attach_in_time(&carrier, &identity, [127, 52, 0, 1]);
    assert_eq!(unit.ping(SERVICE, 3).0, 3);
    let foreign = vec![(device(1), vec!["foreign-network".to_owned()])];
    wait(&carrier, "who would be refused", |carrier| observed(carrier) == foreign);
    let admitted = records::<Admitted>(&carrier);
    assert_eq!(admitted[0].weighed.observed, ["foreign-network"]);
    assert!(!admitted[0].weighed.on_probation);
    let carrier = carrier.restart().unwrap();
    assert_eq!(observed(&carrier), foreign, "a restart forgets nobody");
    let unit = attach_in_time(&carrier, &identity, [127, 52, 0, 1]);
    set(&carrier, Reason::ForeignNetwork, Mode::Enforce);
    wait(&carrier, "the tunnel off its line is held", |carrier| {
        unit.ping_and_forget(SERVICE);
        carrier.gateway.sessions_of(device(1)).iter().any(|session| session.state == State::Held)
    });
    unit.close();
    wait(&carrier, "it has left", |carrier| carrier.gateway.sessions_of(device(1)).is_empty());
    let unit = attach_in_time(&carrier, &identity, [127, 51, 0, 1]);
    assert_eq!(unit.ping(SERVICE, 1).0, 1);
    wait(&carrier, "nothing speaks against it any more", |carrier| observed(carrier).is_empty());
    assert_eq!(carrier.ledger.verify().unwrap().findings, []);
}

/// Thirty good units of one line; then somebody gives the line a wrong prefix.
#[test]
fn a_wrong_list_puts_good_units_on_probation_and_lets_no_lost_one_in() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(dir.path()).unwrap();
    carrier.line(LINE, "127.53.0.0/16").unwrap();
    let mut units = Vec::new();
    for n in 1..=30 {
        carrier.device(device(n), LINE).unwrap();
        let identity = carrier.enrol(device(n)).unwrap();
        let unit = carrier.attach(&identity, [127, 53, 0, n]).unwrap();
        assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
        units.push((identity, unit));
    }
    let wrong = ["127.99.0.0/16".parse().unwrap()];
    let change = |prefixes: &[ipnet::IpNet]| {
        let line = LINE.parse().unwrap();
        let set = |record: &mut ledger::AccessLineRecord| record.prefixes = prefixes.to_vec();
        carrier.ledger.set_line(&line, set, "kim", UnixTime::now()).unwrap();
        (1..=30).for_each(|n| carrier.gateway.device_changed(device(n)));
    };
    change(&wrong);
    let stands = |carrier: &Carrier| carrier.gateway.health().alarms.contains_key(&Alarm::BreakerTripped);
    wait(&carrier, "the breaker trips", stands);
    assert!(carrier.gateway.health().can_admit());
    wait(&carrier, "every tunnel is open again", |carrier| {
        (1..=30).all(|n| carrier.gateway.sessions_of(device(n)).iter().all(|s| s.state == State::Open))
    });
    assert_eq!(carrier.gateway.stats().sessions, 30, "nobody was cut off");
    for (_, unit) in &units {
        assert_eq!(unit.ping(SERVICE, 1).0, 1);
    }
    let breakers = carrier.ledger.policy().unwrap().1.rows;
    assert_eq!(
        (breakers[0].reason.as_str(), breakers[0].hits, breakers[0].good),
        ("foreign-network", 10, 30)
    );
    assert!(breakers[0].set_back.is_none());

    let carrier = carrier.restart().unwrap();
    let (identity, _) = &units[0];
    let anew = attach_in_time(&carrier, identity, [127, 53, 0, 1]);
    assert_eq!(anew.ping(SERVICE, 1).0, 1, "also after a restart");
    let last = records::<Admitted>(&carrier).pop().unwrap();
    assert!(last.weighed.on_probation, "{:?}", last.weighed);
    let now = UnixTime::now();
    carrier.ledger.move_device(device(2), LifeCycle::Lost, "kim", "gone", None, now).unwrap();
    let lost = carrier.attach(&units[1].0, [127, 53, 0, 2]).unwrap();
    assert!(matches!(lost.outcome, Outcome::Refused(_)), "never for lost: {:?}", lost.outcome);

    carrier.ledger.set_back("foreign-network", "kim", "the list is mended", now).unwrap();
    carrier.gateway.policy_changed();
    wait(&carrier, "the alarm is over", |carrier| !stands(carrier));
    let refused = carrier.attach(&units[2].0, [127, 53, 0, 3]).unwrap();
    assert!(matches!(refused.outcome, Outcome::Refused(_)), "it is applied again: {:?}", refused.outcome);
    assert_eq!(carrier.ledger.verify().unwrap().findings, []);
}

/// Somebody has copies of all keys and shows them from elsewhere while the units are attached.
#[test]
fn copies_beside_live_units_trip_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(dir.path()).unwrap();
    carrier.line(LINE, "127.55.0.0/16").unwrap();
    let mut units = Vec::new();
    for n in 1..=15 {
        carrier.device(device(n), LINE).unwrap();
        let identity = carrier.enrol(device(n)).unwrap();
        units.push((carrier.attach(&identity, [127, 55, 0, n]).unwrap(), identity));
    }
    for (n, (_, identity)) in (1..).zip(&units) {
        let copy = carrier.attach(identity, [127, 56, 0, n]).unwrap();
        assert!(matches!(copy.outcome, Outcome::Refused(_)), "{:?}", copy.outcome);
    }
    assert!(!carrier.gateway.health().alarms.contains_key(&Alarm::BreakerTripped));
    assert_eq!(carrier.ledger.policy().unwrap().1.rows, []);
    for (unit, _) in &units {
        assert_eq!(unit.ping(SERVICE, 1).0, 1);
    }
}
