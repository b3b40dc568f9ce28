//! Units reach each other where the ledger lists them as a pair, and nowhere else, on real sockets.
#![allow(clippy::unwrap_used, reason = "tests")]

use events::{gateway::LateralAttempt, journal::Tail};
use ids::{DeviceId, UnixTime};
use lab::{Carrier, Outcome, SERVICE, Unit};
use std::{
    net::{IpAddr, Ipv4Addr},
    thread,
    time::{Duration, Instant},
};

const LINE: &str = "L-1";

fn id(number: u8) -> DeviceId {
    DeviceId::eui48([2, 0, 0, 0, 0, number])
}

/// A unit that is in the ledger.
fn attach(carrier: &Carrier, network: u8, number: u8) -> (Unit, Ipv4Addr) {
    let identity = carrier.enrol(id(number)).unwrap();
    let unit = carrier.attach(&identity, [127, network, 0, number]).unwrap();
    let Outcome::Attached(attached) = unit.outcome else { panic!("{:?}", unit.outcome) };
    (unit, attached.inner)
}

fn lateral(carrier: &Carrier, number: u8) -> u64 {
    let [session] = <[_; 1]>::try_from(carrier.gateway.sessions_of(id(number))).unwrap();
    session.drops.get("lateral").copied().unwrap_or(0)
}

/// Until it holds; the gateway's own limit for what it is told is 5 s.
fn soon(mut holds: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        if holds() {
            return true;
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    false
}

#[test]
fn units_reach_each_other_while_they_are_a_pair() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(dir.path()).unwrap();
    carrier.line(LINE, "127.10.0.0/16").unwrap();
    (1..=3).for_each(|number| carrier.device(id(number), LINE).unwrap());
    let units = [1, 2, 3].map(|number| attach(&carrier, 10, number));
    let [(first, one), (second, two), (third, three)] = &units;
    assert_eq!(first.ping(SERVICE, 1).0, 1);
    assert_eq!(first.ping(*two, 1).0, 0, "no pair yet");
    assert_eq!((lateral(&carrier, 1), lateral(&carrier, 2)), (1, 0), "it came to the gateway");
    let attempt = attempt_of(&carrier, 1);
    assert_eq!((attempt.packets, attempt.to), (1, IpAddr::V4(*two)));
    assert_eq!((attempt.protocol.as_str(), attempt.port), ("icmp", None));

    carrier.ledger.add_pair([id(1), id(2)], "test", "one site", UnixTime::now()).unwrap();
    carrier.gateway.pairs_changed();
    assert!(soon(|| first.ping(*two, 1).0 == 1), "a pair");
    assert_eq!(second.ping(*one, 3).0, 3, "in both directions");
    let before = lateral(&carrier, 1);
    assert_eq!((first.ping(*three, 1).0, third.ping(*one, 1).0), (0, 0), "others stay apart");
    assert_eq!((lateral(&carrier, 1), lateral(&carrier, 3)), (before + 1, 1));

    carrier.ledger.remove_pair([id(2), id(1)], "test", "moved", UnixTime::now()).unwrap();
    carrier.gateway.pairs_changed();
    assert!(soon(|| second.ping(*one, 1).0 == 0), "a pair no more");
    assert_eq!(first.ping(*two, 1).0, 0);
    assert_eq!(first.ping(SERVICE, 1).0, 1);
}

#[test]
fn a_pair_holds_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(dir.path()).unwrap();
    carrier.line(LINE, "127.11.0.0/16").unwrap();
    (1..=2).for_each(|number| carrier.device(id(number), LINE).unwrap());
    carrier.ledger.add_pair([id(1), id(2)], "test", "one site", UnixTime::now()).unwrap();
    let carrier = carrier.restart().unwrap();
    let [(first, _), (_second, two)] = [1, 2].map(|number| attach(&carrier, 11, number));
    assert_eq!(first.ping(two, 3).0, 3);
}

/// The first event of such an attempt.
fn attempt_of(carrier: &Carrier, number: u8) -> LateralAttempt {
    let mut tail = Tail::new(&carrier.journal.dir(), 1);
    let mut found = None;
    let told = soon(|| {
        while let Some(record) = tail.next_record().unwrap() {
            let attempt = record.read::<LateralAttempt>().unwrap();
            found = found.take().or_else(|| attempt.filter(|attempt| attempt.device == id(number)));
        }
        found.is_some()
    });
    assert!(told, "the attempt is in the journal");
    found.unwrap()
}
