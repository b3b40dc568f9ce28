//! Very many at once: units after a restart, copies of keys, and whoever makes addresses up.
#![allow(clippy::unwrap_used, reason = "tests")]

use admission::{Evidence, Located, Missing};
use gateway::{NoOrigins, Origins, State, UnitSays};
use ids::{AccessLine, DeviceId, SourceClass, UnixTime};
use lab::{Arrivals, Carrier, Flood, Load, Outcome, SERVICE, Unit, UnitIdentity};
use ledger::{LifeCycle, NewDevice};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

const LINE: &str = "L-1";
const UNITS: u8 = 24;
const PATIENCE: Duration = Duration::from_secs(60);

fn id(number: u8) -> DeviceId {
    DeviceId::eui48([0x02, 0xfe, 0x72, 0, 0, number])
}

fn units(carrier: &Carrier, count: u8) -> Vec<UnitIdentity> {
    carrier.line(LINE, "127.0.0.0/8").unwrap();
    let enrol = |number| {
        carrier.device(id(number), LINE).unwrap();
        carrier.enrol(id(number)).unwrap()
    };
    (0..count).map(enrol).collect()
}

/// Ends a flood, also when its test fails.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// All attach at once, each from a network of its own.
fn attach(carrier: &Carrier, units: &[UnitIdentity]) -> Arrivals {
    let mut load = Load::new(carrier.known().clone(), units.len()).unwrap();
    load.arrive(units, Duration::ZERO, PATIENCE, || ()).unwrap()
}

fn all_stood(arrivals: &Arrivals) -> bool {
    arrivals.until(1.0).is_some() && arrivals.refused == 0
}

#[test]
fn after_a_restart_all_come_back_at_once_from_networks_that_are_known_and_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(folder.path()).unwrap();
    let units = units(&carrier, UNITS);
    assert_eq!(carrier.gateway.stats().ike.known_now, 0);
    assert!(all_stood(&attach(&carrier, &units)));
    let carrier = carrier.restart().unwrap();
    while carrier.gateway.stats().ike.known_now < units.len() {
        thread::yield_now();
    }
    let stop = AtomicBool::new(false);
    let flood = Flood::new(carrier.known(), &units[0], 64).unwrap();
    thread::scope(|threads| {
        let _stops = Stops(&stop);
        threads.spawn(|| flood.run(2_000, &stop).unwrap());
        while carrier.gateway.stats().ike.cookies_asked == 0 {
            thread::yield_now();
        }
        assert!(all_stood(&attach(&carrier, &units)));
    });
    assert_eq!(carrier.ledger.incidents(0, 10).unwrap().rows, []);
}

#[test]
fn copies_of_the_keys_of_lost_units_are_never_let_in_and_genuine_units_attach_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(folder.path()).unwrap();
    let units = units(&carrier, UNITS);
    let (lost, genuine) = units.split_at(4);
    for number in 0..lost.len() as u8 {
        let now = UnixTime::now();
        carrier.ledger.move_device(id(number), LifeCycle::Lost, "kim", "gone", None, now).unwrap();
    }
    let stop = AtomicBool::new(false);
    let mut copies = Load::in_networks(carrier.known().clone(), 64, 2).unwrap();
    let pressed = thread::scope(|threads| {
        let stops = Stops(&stop);
        let pressed = threads.spawn(|| copies.press(lost, 100, &stop).unwrap());
        assert!(all_stood(&attach(&carrier, genuine)));
        while carrier.gateway.stats().attaches.get("lost").copied().unwrap_or(0) < 8 {
            thread::yield_now();
        }
        drop(stops);
        pressed.join().unwrap()
    });
    assert_eq!(pressed.let_in, 0);
    assert!(pressed.refused >= 8 && pressed.refused <= pressed.begun, "{pressed:?}");
}

const MANY: u8 = 56;

/// A feed that has each unit's line at one address, and knows nobody anywhere else.
struct Lines;

fn home(number: u8) -> [u8; 4] {
    [127, 9, number, 1]
}

fn line(number: u8) -> AccessLine {
    format!("L-{number}").parse().unwrap()
}

impl Origins for Lines {
    fn line(&self, peer: SocketAddr, _: Option<&AccessLine>, now: UnixTime) -> Evidence<AccessLine> {
        let at = (0..MANY).find(|number| IpAddr::from(home(*number)) == peer.ip());
        at.map_or(Evidence::Missing(Missing::NoRecord), |number| Evidence::seen(line(number), "feed", now))
    }

    fn source(&self, address: IpAddr) -> (Evidence<SourceClass>, Evidence<Located>) {
        NoOrigins.source(address)
    }

    fn silence(&self, now: UnixTime) -> Option<String> {
        NoOrigins.silence(now)
    }

    fn unit(&self, device: DeviceId, line: Option<&AccessLine>, now: UnixTime) -> Evidence<UnitSays> {
        NoOrigins.unit(device, line, now)
    }

    fn is_at_home(&self, _: DeviceId, _: &AccessLine, _: UnixTime) {}

    fn facts_silence(&self, now: UnixTime) -> Option<String> {
        NoOrigins.facts_silence(now)
    }

    fn held(&self) -> Option<String> {
        NoOrigins.held()
    }
}

/// All at once, each at its home and again and again until it is in; a refusal there is final, as for charon.
fn come_home(carrier: &Carrier, units: &[UnitIdentity]) -> Vec<Unit> {
    let come = |(number, identity): (u8, &UnitIdentity)| loop {
        let unit = carrier.attach(identity, home(number)).unwrap();
        match unit.outcome {
            Outcome::Attached(_) => return unit,
            Outcome::Refused(_) => panic!("unit {number}: {:?}", unit.outcome),
            Outcome::NoTunnel(_) => {}
        }
    };
    thread::scope(|threads| {
        let coming: Vec<_> = (0..).zip(units).map(|unit| threads.spawn(move || come(unit))).collect();
        coming.into_iter().map(|unit| unit.join().unwrap()).collect()
    })
}

/// Each has its lease at its home, and nobody else has one.
fn is_served(carrier: &Carrier, number: u8) -> bool {
    let sessions = carrier.gateway.sessions_of(id(number));
    let open: Vec<_> = sessions.iter().filter(|session| session.state == State::Open).collect();
    matches!(open[..], [session] if session.outer.ip() == IpAddr::from(home(number)))
}

#[test]
fn a_stranger_with_copies_of_all_keys_locks_no_unit_out_that_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let carrier = Carrier::start_knowing(folder.path(), Arc::new(Lines), |_| ()).unwrap();
    let enrol = |number| {
        let new = NewDevice { access_line: Some(line(number)), ..NewDevice::installed(id(number)) };
        carrier.ledger.add_device(new, "lab", UnixTime::now()).unwrap();
        carrier.enrol(id(number)).unwrap()
    };
    let units: Vec<_> = (0..MANY).map(enrol).collect();
    drop(come_home(&carrier, &units));
    let carrier = carrier.restart().unwrap();
    let stop = AtomicBool::new(false);
    let mut copies = Load::in_networks(carrier.known().clone(), 64, 2).unwrap();
    let pressed = thread::scope(|threads| {
        let stops = Stops(&stop);
        let pressed = threads.spawn(|| copies.press(&units, 50, &stop).unwrap());
        while carrier.gateway.stats().attaches.get("admitted").copied().unwrap_or(0) < 20 {
            thread::yield_now();
        }
        let home = come_home(&carrier, &units);
        while !(0..MANY).all(|number| is_served(&carrier, number)) {
            thread::yield_now();
        }
        let told = |carrier: &Carrier| carrier.gateway.stats().attaches.values().sum::<u64>();
        let before = told(&carrier);
        while told(&carrier) < before + 100 {
            thread::yield_now();
        }
        for (number, unit) in (0..).zip(&home) {
            assert!(is_served(&carrier, number), "{:?}", carrier.gateway.sessions_of(id(number)));
            assert_eq!(unit.ping(SERVICE, 3).0, 3);
        }
        drop(stops);
        pressed.join().unwrap()
    });
    assert!(pressed.begun > 150, "{pressed:?}");
}
