//! What a unit of a class reaches, and what becomes of its tunnel when its class changes, on real sockets.
#![allow(clippy::unwrap_used, reason = "tests")]

use events::{
    Recorded,
    gateway::{OutOfReach, SessionClosed},
    journal::Tail,
};
use ids::{DeviceId, UnixTime};
use lab::{Carrier, Outcome, SERVICE, Unit, UnitIdentity};
use ledger::DeviceChange;
use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

const LINE: &str = "L-1";
const FACTORY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const DEVICE: DeviceId = DeviceId::eui48([2, 0, 0, 0, 0, 1]);

fn attach(carrier: &Carrier, identity: &UnitIdentity) -> Unit {
    let unit = carrier.attach(identity, [127, 14, 0, 1]).unwrap();
    assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
    unit
}

fn set_class(carrier: &Carrier, class: &str) {
    let change = DeviceChange { class: Some(class.into()), ..DeviceChange::default() };
    carrier.ledger.set_device(DEVICE, change, "test", "moved to the factory", None, UnixTime::now()).unwrap();
    carrier.gateway.device_changed(DEVICE);
}

/// The first record of its kind; waits for it for at most 20 s.
fn first<T: Recorded>(carrier: &Carrier) -> T {
    let mut tail = Tail::new(&carrier.journal.dir(), 1);
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        while let Some(record) = tail.next_record().unwrap() {
            if let Some(found) = record.read().unwrap() {
                return found;
            }
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    panic!("no {}", T::KIND);
}

#[test]
fn a_unit_whose_class_changes_attaches_anew_and_reaches_what_the_new_class_does() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start_with(dir.path(), |config| {
        config.reachable = vec![SERVICE.to_string().parse().unwrap()];
        config.classes =
            [("factory".to_owned(), vec![format!("{FACTORY} udp 2152").parse().unwrap()])].into();
    });
    let carrier = carrier.unwrap();
    carrier.line(LINE, "127.14.0.0/16").unwrap();
    carrier.device(DEVICE, LINE).unwrap();
    let identity = carrier.enrol(DEVICE).unwrap();
    set_class(&carrier, "office");
    let unit = attach(&carrier, &identity);
    assert_eq!(unit.ping(SERVICE, 1).0, 1);
    let [office] = &carrier.gateway.sessions_of(DEVICE)[..] else { panic!("one session") };
    assert_eq!((office.class.as_str(), office.class_listed), ("office", false));
    assert_eq!(office.reach, [SERVICE.to_string()], "as all that no class names");
    set_class(&carrier, "ofice");
    assert_eq!(unit.ping(SERVICE, 1).0, 1, "a class that the configuration does not name is no other");
    set_class(&carrier, "factory");
    let closed: SessionClosed = first(&carrier);
    assert_eq!((closed.device, closed.why.as_str()), (DEVICE, "class-changed"));
    let second = attach(&carrier, &identity);
    assert_eq!(second.ping(SERVICE, 1).0, 0, "another class, and nothing beyond it");
    let [factory] = &carrier.gateway.sessions_of(DEVICE)[..] else { panic!("one session") };
    assert_eq!((factory.class.as_str(), factory.class_listed), ("factory", true));
    assert_eq!(factory.reach, ["10.0.0.9 udp 2152"]);
    assert_eq!(second.ping(FACTORY, 1).0, 0, "that protocol is not listed");
    let told: OutOfReach = first(&carrier);
    assert_eq!((told.device, told.packets, told.to), (DEVICE, 1, FACTORY.into()));
    assert_eq!((told.protocol.as_str(), told.port), ("icmp", None));
}
