//! Very many at once: units after a restart, copies of keys, and whoever makes addresses up.
#![allow(clippy::unwrap_used, reason = "tests")]

use ids::{DeviceId, UnixTime};
use lab::{Arrivals, Carrier, Flood, Load, UnitIdentity};
use ledger::LifeCycle;
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
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
