//! Certificates that have ended let their units attach while two people's word extends them, and no others.
#![allow(clippy::unwrap_used, reason = "tests")]

use events::{admission::Admitted, journal::Tail};
use gateway::{Alarm, GatewayConfig, WallClock};
use ids::{DeviceId, UnixTime};
use lab::{Carrier, Outcome, UnitIdentity};
use pki::Issuing;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

const LINE: &str = "L-1";
const DAY: Duration = Duration::from_secs(24 * 3600);

fn id(number: u8) -> DeviceId {
    DeviceId::eui48([0x02, 0xfe, 0x74, 0, 0, number])
}

/// The gateway's clock, so many days ahead. In 40 days, what is issued now has ended ten days ago.
struct Ahead(u32);

impl WallClock for Ahead {
    fn now(&self) -> UnixTime {
        UnixTime::now().after(DAY * self.0)
    }
}

struct World {
    carrier: Carrier,
    units: [UnitIdentity; 2],
}

impl World {
    fn new(dir: &Path, ahead: u32, adjust: impl FnOnce(&mut GatewayConfig)) -> Self {
        let carrier = Carrier::start_by(dir, Arc::new(Ahead(ahead)), adjust).unwrap();
        carrier.line(LINE, "127.14.0.0/16").unwrap();
        let units = [1, 2].map(|number| {
            carrier.device(id(number), LINE).unwrap();
            carrier.enrol(id(number)).unwrap()
        });
        Self { carrier, units }
    }

    fn extend(&self) {
        let ca = self.carrier.ca.issuing_certificate(Issuing::Devices).sha256();
        let (now, until) = (Ahead(40).now(), Ahead(40).now().after(DAY * 3));
        self.carrier.ledger.extend((vec![ca], until), "kim", "the HSM is broken", "lee", now).unwrap();
        self.carrier.gateway.extension_changed();
    }

    fn attach(&self, unit: usize) -> lab::Unit {
        self.carrier.attach(&self.units[unit], [127, 14, 0, 1]).unwrap()
    }

    /// What the gateway has been told takes some milliseconds to hold.
    fn attaches_in_the_end(&self, unit: usize) -> lab::Unit {
        let begin = Instant::now();
        loop {
            let attached = self.attach(unit);
            match &attached.outcome {
                Outcome::Attached(_) => return attached,
                other @ (Outcome::Refused(_) | Outcome::NoTunnel(_)) => {
                    assert!(begin.elapsed() < Duration::from_secs(20), "{other:?}")
                }
            }
        }
    }

    fn is_cut_in_the_end(&self, unit: u8) {
        let begin = Instant::now();
        while !self.carrier.gateway.sessions_of(id(unit)).is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(20));
            std::thread::yield_now();
        }
    }

    fn is_refused(&self, unit: usize) {
        let outcome = self.attach(unit).outcome.clone();
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    }

    fn admitted(&self) -> Vec<Vec<String>> {
        let mut tail = Tail::new(&self.carrier.journal.dir(), 1);
        let records = std::iter::from_fn(|| tail.next_record().unwrap());
        records.filter_map(|record| record.read::<Admitted>().unwrap()).map(|event| event.reasons).collect()
    }
}

#[test]
fn an_extension_lets_in_who_has_ended_says_so_in_the_record_survives_a_start_and_cuts_when_it_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 40, |_| ());
    world.is_refused(0);
    world.extend();
    let attached = world.attaches_in_the_end(0);
    assert_eq!(world.admitted(), [["extension"]]);
    let until = world.carrier.gateway.sessions_of(id(1))[0].until;
    assert!(
        until <= Ahead(40).now().after(DAY * 3 + Duration::from_secs(1)),
        "no tunnel outlives it: {until}"
    );

    world
        .carrier
        .ledger
        .revoke(ids::CertSha256::of(&world.units[1].chain[0]), None, "kim", "copied", Ahead(40).now())
        .unwrap();
    world.is_refused(1);

    drop(attached);
    world.carrier = world.carrier.restart().unwrap();
    let attached = world.attaches_in_the_end(0);
    world.carrier.ledger.end_extension("kim", "the HSM works", Ahead(40).now()).unwrap();
    world.carrier.gateway.extension_changed();
    world.is_cut_in_the_end(1);
    drop(attached);
    world.is_refused(0);
}

#[test]
fn an_alarm_says_how_many_end_soon_while_nobody_gets_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path(), 25, |config| config.disk_reserve = u64::MAX);
    let (begin, alarm) = (Instant::now(), || world.carrier.gateway.health().alarms.remove(&Alarm::CaDown));
    let text = loop {
        match alarm() {
            Some(text) => break text,
            None => assert!(begin.elapsed() < Duration::from_secs(30)),
        }
        std::thread::yield_now();
    };
    assert!(text.starts_with("disk-low: "), "{text}");
    let (_, numbers) = text.split_once("; certificates of units that end ").unwrap();
    // The second may come after they were counted.
    let ends = |count| format!("within 10 days: {count}, within 3 days: 0, within a day: 0");
    assert!([ends(1), ends(2)].contains(&numbers.to_owned()), "{text}");
}
