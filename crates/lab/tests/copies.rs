//! Copies of a unit's key, shown at will.
#![allow(clippy::unwrap_used, reason = "tests")]

use ids::DeviceId;
use lab::{Carrier, Outcome, SERVICE};

const LINE: &str = "L-1";
const DEVICE: DeviceId = DeviceId::eui48([0x02, 0xfe, 0x73, 0, 0, 1]);

/// A unit that was good at its home; then copies of its key attach and leave, each from a network of its own.
#[test]
fn copies_that_attach_again_and_again_are_not_heard_and_keep_the_unit_itself_from_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(dir.path()).unwrap();
    carrier.line(LINE, "127.61.0.0/16").unwrap();
    carrier.device(DEVICE, LINE).unwrap();
    let identity = carrier.enrol(DEVICE).unwrap();
    let home = [127, 61, 1, 1];
    let unit = carrier.attach(&identity, home).unwrap();
    assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
    unit.close();
    let heard = (2..=40)
        .map(|n| {
            let copy = carrier.attach(&identity, [127, 61, n, 1]).unwrap();
            copy.close();
            copy.outcome.clone()
        })
        .take_while(|outcome| matches!(outcome, Outcome::Attached(_)))
        .count();
    assert_eq!(heard, 19, "20 from anywhere, the unit's own first one included");
    assert!(carrier.gateway.stats().attaches["too-often"] >= 1);
    for _ in 0..3 {
        let unit = carrier.attach(&identity, home).unwrap();
        assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
        assert_eq!(unit.ping(SERVICE, 3).0, 3);
        unit.close();
    }
}
