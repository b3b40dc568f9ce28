//! What a unit of a class reaches, and what becomes of its tunnel when its class changes, on real sockets.
#![allow(clippy::unwrap_used, reason = "tests")]

use events::{gateway::SessionClosed, journal::Tail};
use ids::{DeviceId, UnixTime};
use lab::{Carrier, Outcome, SERVICE, Unit, UnitIdentity};
use ledger::DeviceChange;
use std::{
    thread,
    time::{Duration, Instant},
};

const LINE: &str = "L-1";
const DEVICE: DeviceId = DeviceId::eui48([2, 0, 0, 0, 0, 1]);

fn attach(carrier: &Carrier, identity: &UnitIdentity) -> Unit {
    let unit = carrier.attach(identity, [127, 14, 0, 1]).unwrap();
    assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
    unit
}

fn set_class(carrier: &Carrier, class: &str) {
    let change = DeviceChange { class: Some(class.into()), ..DeviceChange::default() };
    carrier.ledger.set_device(DEVICE, change, "test", "moved to the factory", UnixTime::now()).unwrap();
    carrier.gateway.device_changed(DEVICE);
}

/// The first end of a session; waits for it for at most 20 s.
fn closed(carrier: &Carrier) -> SessionClosed {
    let mut tail = Tail::new(&carrier.journal.dir(), 1);
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        while let Some(record) = tail.next_record().unwrap() {
            if let Some(closed) = record.read().unwrap() {
                return closed;
            }
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    panic!("no session was closed");
}

#[test]
fn a_unit_whose_class_changes_attaches_anew_and_reaches_what_the_new_class_does() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start_with(dir.path(), |config| {
        config.classes = [("factory".to_owned(), vec!["10.0.0.9".parse().unwrap()])].into();
    });
    let carrier = carrier.unwrap();
    carrier.line(LINE, "127.14.0.0/16").unwrap();
    carrier.device(DEVICE, LINE).unwrap();
    let identity = carrier.enrol(DEVICE).unwrap();
    let first = attach(&carrier, &identity);
    assert_eq!(first.ping(SERVICE, 1).0, 1);
    set_class(&carrier, "office");
    assert_eq!(first.ping(SERVICE, 1).0, 1, "a class that the configuration does not name is no other");
    set_class(&carrier, "factory");
    let closed = closed(&carrier);
    assert_eq!((closed.device, closed.why.as_str()), (DEVICE, "class-changed"));
    let second = attach(&carrier, &identity);
    assert_eq!(second.ping(SERVICE, 1).0, 0, "another class, and nothing beyond it");
    assert_eq!(carrier.gateway.sessions_of(DEVICE).len(), 1);
}
